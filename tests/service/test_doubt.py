"""Rule 11: deaf though connected."""

from __future__ import annotations

import asyncio

from listener.core.names import CvCode, State, SubmissionId
from listener.core.view import rfc3339
from tests.simulation.life import Life

from .test_hearing import listening
from .test_rooms import lived, service_of, submit, until

FIRST, SECOND, THIRD = CvCode("Sim#first"), CvCode("Sim#second"), CvCode("Sim#third")
FOURTH = CvCode("Sim#fourth")


def lines(life: Life, event: str) -> list[dict[str, object]]:
    return [line.fields for line in life.log.lines if line.event == event]


async def missed_by_a_deaf_one(life: Life) -> SubmissionId:
    """One update is heard; then the subscription is deaf, and this one's event is not."""
    await listening(life)
    heard = await submit(life, CvCode("Sim#heard"))
    await until(life, heard, State.CLOSED)
    life.server.deafen()
    return await submit(life, FIRST)


def test_what_a_deaf_subscription_swallowed_is_presumed_once_it_is_found_out() -> None:
    async def story(life: Life) -> None:
        missed = await missed_by_a_deaf_one(life)
        assert (await until(life, missed, State.CLOSED)).reason == "listened_record_moved"
        assert len(lines(life, "subscription.doubted")) == 1
        proof = await submit(life, SECOND)
        assert (await until(life, proof, State.CLOSED)).outcome == "confirmed"
        [compared] = lines(life, "subscription.compared")
        assert (compared["verdict"], compared["submissions"]) == ("first_deaf", 1)
        assert int(str(compared["duration_ms"])) > 0
        [lost] = lines(life, "subscription.lost")
        [restored] = lines(life, "subscription.restored")
        assert lost["reason"] == restored["gap_reason"] == "deaf_subscription"
        await asyncio.sleep(1)
        stored = await service_of(life).submission(missed)
        assert stored is not None
        end = stored[0].submission
        assert (end.outcome, end.reason) == ("presumed", "record_moved_while_deaf")
        assert end.deaf_ms > 0
        [gap] = [g for g in service_of(life).hearer.hearing().gaps if g.reason != "started"]
        assert gap.reason == "deaf_subscription"
        first = end.attempts[0].began_ms
        assert gap.start_ms < first < (gap.end_ms or 0)
        told = restored["since"], restored["until"]
        assert told == (rfc3339(gap.start_ms), rfc3339(gap.end_ms)), "not when it was found out"

    lived(story)


def test_an_upstream_that_emits_nothing_for_one_update_is_doubted_once_and_then_believed() -> None:
    async def story(life: Life) -> None:
        await listening(life)
        silent = await submit(life, FIRST)
        await until(life, silent, State.CLOSED)
        another = await submit(life, SECOND)
        await until(life, another, State.CLOSED)
        assert len(lines(life, "subscription.doubted")) == 1
        assert not lines(life, "subscription.compared")
        life.upstream.emit(THIRD)
        await asyncio.sleep(1)
        assert [line["verdict"] for line in lines(life, "subscription.compared")] == ["first_hears"]
        assert not lines(life, "subscription.lost")
        stored = await service_of(life).submission(silent)
        assert stored is not None
        assert stored[0].submission.reason == "listened_record_moved"

    lived(story, events={"silent": 1.0})


def test_where_events_are_heard_one_that_is_missing_makes_no_doubt() -> None:
    async def story(life: Life) -> None:
        await listening(life)
        silent = await submit(life, FIRST)
        await until(life, silent, State.AWAITING)
        life.upstream.emit(THIRD)
        await until(life, silent, State.CLOSED)
        assert not lines(life, "subscription.doubted")

    lived(story, events={"silent": 1.0})


def test_one_that_ends_in_doubt_was_deaf_since_what_it_was_doubted_for() -> None:
    async def story(life: Life) -> None:
        missed = await missed_by_a_deaf_one(life)
        await until(life, missed, State.CLOSED)
        assert len(lines(life, "subscription.doubted")) == 1
        life.server.kick()
        await asyncio.sleep(5)
        assert not lines(life, "subscription.compared")
        stored = await service_of(life).submission(missed)
        assert stored is not None
        first = stored[0].submission.attempts[0].began_ms
        [gap] = [g for g in service_of(life).hearer.hearing().gaps if g.reason != "started"]
        assert gap.start_ms == first
        assert (stored[0].submission.outcome, stored[0].submission.deaf_ms > 0) == (
            "presumed",
            True,
        )

    lived(story)


def test_one_that_the_second_one_ends_had_listened_and_no_other_is_opened_for_long() -> None:
    async def story(life: Life) -> None:
        await listening(life)
        life.server.alone, life.server.delay = True, lambda: 0.01
        connections = life.server.connections
        names = []
        for code in (FIRST, SECOND, THIRD):
            names.append(await submit(life, code))
            await until(life, names[-1], State.CLOSED)
            await asyncio.sleep(60)
        life.upstream.emit(FOURTH)
        await asyncio.sleep(5)
        for name in names:
            stored = await service_of(life).submission(name)
            assert stored is not None
            end = stored[0].submission
            told = ("unconfirmed", "listened_record_moved", 0)
            assert (end.outcome, end.reason, end.deaf_ms) == told
        assert not lines(life, "submission.corrected")
        assert life.server.connections == connections + 1
        [compared] = lines(life, "subscription.compared")
        [lost] = lines(life, "subscription.lost")
        [restored] = lines(life, "subscription.restored")
        assert compared["verdict"] == lost["reason"] == restored["reason"] == "displaced"
        assert (restored["recovered"], restored["duration_ms"]) == (True, 0)
        assert {gap.reason for gap in service_of(life).hearer.hearing().gaps} <= {"started"}
        assert service_of(life).hearer.heard_count == 1, "the second one hears"

    lived(story, events={"silent": 1.0})
