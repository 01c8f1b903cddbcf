"""Events of codes that nothing here was ever of: a few have a line, all are counted."""

from __future__ import annotations

from collections.abc import Sequence

from listener.core.evidence import Heard
from listener.core.names import CvCode, Disposition, Millis
from listener.ports.journal import InboxRow
from listener.service.strangers import A_WHILE_MS, SOME, Strangers
from tests.disks.test_parts import Told


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
