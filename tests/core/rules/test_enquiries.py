"""Readings for one that is open, and what time does to it (rules 8, 9, 12)."""

from __future__ import annotations

import pytest

from listener.core.effects import Enquire
from listener.core.policy import Policy
from listener.core.submission import Submission

from .script import ACCEPTED, START, TIMED_OUT, Script, Words, accepted, in_doubt, unresolved


def requeued() -> Script:
    """In doubt, settled at 31 s and unmoved: to be sent again."""
    return in_doubt().at(31).time().read("p0")


def contended() -> Script:
    """Accepted at 70 s beside an unresolved one, and an event was heard at 71 s."""
    return unresolved("old").at(70).submit().begin("p1").end(ACCEPTED).at(71).event()


def contended_requeued() -> Script:
    """To be sent again since 101 s, beside an unresolved one, and an event was heard."""
    script = unresolved("old").at(70).submit().begin("p1").at(71).end(TIMED_OUT)
    return script.at(101).time().read("p1").event()


def path_of(submission: Submission) -> str | None:
    return None if submission.reading is None else submission.reading.path_digest


# ---------------------------------------------------------------------------- what a reading leaves


def test_each_reading_is_counted_once() -> None:
    script = in_doubt()
    for count in (1, 2, 3):
        script.wake()
        assert script.read("p0").of().enquiries == count


def test_a_reading_that_failed_replaces_none_that_is_known() -> None:
    assert path_of(accepted().at(2).read("p1").at(3).read(None).of()) == "p1"


def test_only_a_reading_since_the_attempt_began_is_kept() -> None:
    script = Script().at(10).submit().begin("p0").at(11).end(ACCEPTED)
    assert path_of(script.read("p1", began=9.999).of()) is None
    assert path_of(script.read("p1", began=10).of()) == "p1"


def test_a_job_is_over_only_if_it_was_seen_to_run() -> None:
    script = accepted(words=Words("ready", "ready")).at(2).read("p1", words=Words("done", "failed"))
    assert (script.of().finished_jobs, script.of().failed_jobs) == ((), ())
    script.at(3).read("p1", words=Words("processing", "processing"))
    assert script.of().finished_jobs == ()
    script.at(4).read("p1", words=Words(None, "failed"))
    assert (script.of().finished_jobs, script.of().failed_jobs) == (
        ("enhancement",),
        ("enhancement",),
    )


@pytest.mark.parametrize(
    ("word", "failed"),
    [("failed", True), ("error", True), ("failure", True), ("done", False), ("FAILED", False)],
)
def test_a_job_that_failed_says_so_in_one_of_these_words(word: str, failed: bool) -> None:
    script = accepted(words=Words("ready", "ready")).at(2).read("p1", words=Words("processing"))
    script.at(3).read("p1", words=Words(word))
    assert script.of().finished_jobs == ("analysis",)
    assert script.of().failed_jobs == (("analysis",) if failed else ())


def test_one_to_be_sent_again_plans_no_enquiry() -> None:
    script = contended_requeued()
    assert script.of().enquire_ms == script.now
    script.time()
    assert script.of().enquire_ms is None
    assert not script.effect(Enquire)
    assert script.state() == "queued"
    assert script.at(102).read("p1").of().enquire_ms is None
    assert script.state() == "queued"


# --------------------------------------------------------------- whose a movement is, as it is seen


def explained(script: Script) -> tuple[bool, float | None]:
    """Whether ours may have moved the record since it was seen, and when somebody else's did."""
    foreign = script.lane.foreign_ms
    return script.lane.ours_since_seen, None if foreign is None else (foreign - START) / 1000


def test_a_confirmed_update_explains_no_later_movement() -> None:
    script = accepted().event().at(5).read("p0")
    assert explained(script) == (False, None)
    script.at(6).read("p1")
    assert explained(script) == (False, 6), "what moved since is somebody else's"
    script.at(7).read("p1")
    assert explained(script) == (False, 6), "and stays so"


def test_an_unresolved_update_may_explain_a_movement() -> None:
    script = accepted().at(31).time().read("p0")
    assert explained(script) == (True, None)
    script.at(61).time().read("p1")
    assert explained(script) == (False, None), "it has moved it now"


def test_a_foreign_event_is_remembered_through_readings() -> None:
    script = Script().event().at(40).submit().begin("p0").at(41).end(ACCEPTED).read("p1")
    assert explained(script) == (False, 0)


# -------------------------------------------------------------------- while a replay may still come


def test_while_it_is_not_known_whether_it_is_recovered_no_reading_decides() -> None:
    script = in_doubt().at(31).time().deaf().read("p0")
    assert script.state() == "in_doubt", "not to be sent again"
    script = contended().deaf().at(72).read("p2")
    assert script.state() == "awaiting", "not confirmed either"


def test_deaf_it_waits_ever_longer() -> None:
    script = accepted().deaf()
    waits = []
    for _ in range(4):
        began = script.wake().now_s
        assert not script.effect(Enquire)
        waits.append(((script.due_s or 0) - began, script.of().enquiries))
    assert waits == [(1, 1), (2, 2), (4, 3), (8, 4)]


def test_a_reading_that_could_not_decide_counts_when_it_is_given_up() -> None:
    script = contended().deaf().at(72).read("p2").at(3_670).time()
    assert script.end_of() == "confirmed contended"


def test_given_up_it_keeps_one_event_and_passes_the_others_on() -> None:
    script = contended().event().deaf(settled=True).at(3_670).time()
    assert script.end_of() == "unconfirmed"
    assert [heard.seq for heard in script.of().candidates] == [1]
    assert script.end_of("old") == "confirmed contended"


def test_given_up_a_reading_that_began_at_the_attempts_end_counts() -> None:
    for began, end in ((1, "presumed exclusive"), (0.999, "unconfirmed")):
        script = accepted().at(2).deaf(settled=True).read("p1", began=began).at(3_601).time()
        assert script.end_of() == end


# -------------------------------------------------------------------------------------- what is due


def test_an_attempt_under_way_is_not_given_up() -> None:
    script = requeued().at(3_600).begin("p0").at(3_700).time()
    assert script.state() == "sending"
    assert not script.decision.changed


def test_an_event_that_awaits_correlation_puts_off_what_is_due_a_moment() -> None:
    script = accepted().at(31).awaited().time()
    assert script.of().enquire_ms == script.after(0.25)
    assert script.of().give_up_ms == script.after(3_570), "which is not due"
    script.at(3_601).time()
    assert script.of().enquire_ms == script.of().give_up_ms == script.after(0.25)


def test_with_readings_off_the_marks_pass_all_the_same() -> None:
    script = Script(Policy(baseline=False)).submit().begin_blind().at(1).end(TIMED_OUT)
    marks = []
    for count in (1, 2, 3):
        marks.append(script.wake().now_s)
        assert script.of().enquiries == count
        assert not script.effect(Enquire)
    assert marks == [3, 6, 16]
    assert script.wake().end_of() == "unconfirmed"


@pytest.mark.parametrize("reads", [0, 1])
def test_a_review_gives_way_to_an_update_that_is_to_be_sent_again(reads: int) -> None:
    script = unresolved("old").at(100).deaf().at(110).listening()
    script.submit().begin("p1").at(111).end(TIMED_OUT)
    script.at(141).time().read("p1")
    assert script.state() == "queued"
    assert script.due_s == 110
    script.time()
    assert not script.effect(Enquire)
    for _ in range(reads):
        script.read("p1")
    assert script.due_s == 3_711
