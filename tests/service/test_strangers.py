"""Events of codes that nothing here was ever of: a few have a line, all are counted."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from listener.core.evidence import Heard, PostResult
from listener.core.names import Attribution, CvCode, Disposition, Millis, Outcome, PostKind, State
from listener.ports.journal import InboxRow
from listener.service.strangers import A_WHILE_MS, REMEMBERED, SOME, LastHeard, Strangers
from tests.disks.test_parts import Told
from tests.simulation.life import Life

from .test_rooms import lived, submit, until
from .test_sending import answering, listening


def rows(count: int, first: int = 1) -> Sequence[InboxRow]:
    """With one of ours, and one that cannot be read, in their midst."""
    numbers = range(first, first + count)
    heard = [Heard(seq, Millis(seq)) for seq in numbers]
    foreign = [InboxRow(h, CvCode(f"Nobody#{h.seq}"), "{}", Disposition.FOREIGN) for h in heard]
    ours = InboxRow(Heard(9_000, Millis(1)), CvCode("Ours#1"), "{}", None)
    broken = InboxRow(Heard(9_001, Millis(1)), None, "{}", Disposition.MALFORMED)
    return [*foreign[:1], ours, broken, *foreign[1:]]


def test_some_are_told_within_a_minute_and_the_next_one_says_how_many_were_not() -> None:
    told = Told(1_000)
    strangers = Strangers(told, told, lambda: False)
    strangers.take(rows(4))
    strangers.take(rows(30_000, first=5))
    assert [event for event, _ in told.lines] == ["event.unmatched"] * SOME
    assert told.lines[0][1] == {
        "cv_ref": "cv_0",
        "seq": 1,
        "disposition": Disposition.FOREIGN,
        "replayed": False,
        "suppressed": None,
    }
    told.lines.clear()
    told.now += A_WHILE_MS
    strangers.take(rows(1, first=40_000))
    assert not told.lines
    told.now += 1
    strangers.take(rows(2, first=40_001))
    said = [(fields["seq"], fields["suppressed"]) for _, fields in told.lines]
    assert said == [(40_001, 30_004 + 1 - SOME), (40_002, None)]
    assert strangers.count == 30_007
    told.lines.clear()
    told.now = 0  # a clock that was set back
    strangers.take(rows(20))
    assert len(told.lines) == SOME


def test_where_detail_is_wanted_each_is_told() -> None:
    told = Told()
    strangers = Strangers(told, told, lambda: True)
    strangers.take(rows(100))
    assert [fields["seq"] for _, fields in told.lines] == [*range(1, 101)]
    assert {fields["suppressed"] for _, fields in told.lines} == {None}


def test_a_strangers_event_is_remembered_as_long_as_it_matters() -> None:
    heard = LastHeard(kept_ms=100)
    one, two = CvCode("One#1"), CvCode("Two#2")
    heard.note(one, Millis(1_000))
    heard.note(two, Millis(1_050))
    heard.note(one, Millis(1_020))
    assert (heard.of(one), heard.of(two)) == (1_020, 1_050)
    heard.note(one, Millis(1_010))
    assert heard.of(one) == 1_020, "the last counts"
    heard.note(one, Millis(1_151))
    assert (heard.of(one), heard.of(two)) == (1_151, None)
    heard.forget(one)
    heard.forget(one)
    assert heard.of(one) is None


def test_no_more_strangers_are_remembered_than_a_number() -> None:
    heard = LastHeard(kept_ms=100)
    for number in range(REMEMBERED + 5):
        heard.note(CvCode(f"Code#{number}"), Millis(1))
    kept = [number for number in range(REMEMBERED + 5) if heard.of(CvCode(f"Code#{number}"))]
    assert kept == [*range(5, REMEMBERED + 5)]


def test_a_strangers_event_before_the_first_update_of_its_code_contends() -> None:
    """Somebody saves a CV in the upstream's own editor, we send it and are answered 500, and they
    save it again: their second event is none of ours."""
    code = CvCode("Stranger#1")

    async def story(life: Life) -> None:
        async def saved_again(_: CvCode) -> PostResult:
            life.server.emit(code)
            await asyncio.sleep(0.5)
            return PostResult(PostKind.POSSIBLY_SENT, "http_500", 500)

        answering(life, saved_again)
        await listening(life)
        life.server.emit(code)
        await asyncio.sleep(0.5)
        name = await submit(life, code)
        ended = await until(life, name, State.CLOSED)
        assert ended.attribution is not Attribution.EXCLUSIVE
        assert ended.outcome is Outcome.UNCONFIRMED, "the record never moved"
        assert ended.candidates, "what was heard is kept"

    lived(story)


def test_an_event_that_says_that_nothing_was_updated_counts_and_is_told() -> None:
    async def story(life: Life) -> None:
        await listening(life)
        for code, body in (
            (CvCode("Sim#no"), {"cv_updated": False}),
            (CvCode("Sim#error"), {"data": {"status": "error", "cv_updated": True}}),
            (CvCode("Sim#yes"), {"status": "draft", "message": '"cv_updated":false'}),
        ):
            name = await submit(life, code)
            await until(life, name, State.AWAITING)
            life.server.emit(code, {"cv_code": code, **body})
            assert (await until(life, name, State.CLOSED)).outcome == "confirmed"
        life.server.emit("Sim#nobody", {"cv_code": "Sim#nobody", "cv_updated": False})
        await asyncio.sleep(5)
        told = [line.fields["said"] for line in life.log.lines if line.event == "event.denied"]
        assert told == ["not_updated", "status_error"]

    lived(story, events={"silent": 1.0})
