"""Rules 5, 6, 13: the baseline, the ends of a POST, and cancel."""

from __future__ import annotations

from dataclasses import replace

import pytest

from listener.core.effects import Dispatch, Enquire, HoldAll, Post
from listener.core.errors import IllegalInput
from listener.core.evidence import PostResult
from listener.core.facts import AttemptBegan, AttemptFinished, CancelNoted
from listener.core.names import Outcome, PostKind
from listener.core.policy import Policy

from .script import (
    ACCEPTED,
    NOT_SENT,
    REFUSED,
    START,
    THROTTLED,
    TIMED_OUT,
    UNREADABLE,
    Script,
    Words,
    accepted,
    in_doubt,
)

# ------------------------------------------------------------------------------------- an attempt


def test_an_attempt_is_committed_before_it_is_posted() -> None:
    script = Script().submit().at(2).begin("p0")
    assert script.state() == "sending"
    assert [(post.submission_id, post.attempt) for post in script.effect(Post)] == [("a", 1)]
    (fact,) = script.fact(AttemptBegan)
    assert (fact.attempt, fact.baseline_known, fact.contended) == (1, True, False)
    assert script.of().sent_ms == START + 2000


def test_a_failed_baseline_does_not_stop_a_first_attempt() -> None:
    script = Script().submit().begin(None)
    assert script.state() == "sending"
    assert not script.fact(AttemptBegan)[0].baseline_known


def test_sending_waits_for_an_event_to_be_correlated() -> None:
    script = Script().submit().awaited().begin()
    assert (script.state(), script.decision.refusal) == ("queued", "events_pending")
    assert script.awaited(False).begin().state() == "sending"


def test_sending_is_declined_after_the_time_to_deliver() -> None:
    script = Script(Policy(deliver_within_ms=5_000)).submit().at(5).begin()
    assert script.decision.refusal == "too_late"


def test_sending_what_is_not_there_or_sending_already() -> None:
    assert Script().submit("a").begin(name="b").decision.refusal == "forgotten"
    with pytest.raises(IllegalInput, match=r"^expected .*, found "):
        Script().submit().begin().begin()


@pytest.mark.parametrize("attempt", [0, 2])
def test_only_the_attempt_under_way_can_end(attempt: int) -> None:
    with pytest.raises(IllegalInput, match=r"^expected .*, found "):
        Script().submit().begin().end(ACCEPTED, attempt=attempt)
    with pytest.raises(IllegalInput, match=r"^expected .*, found "):
        Script().submit().end(ACCEPTED, attempt=1)


def test_a_later_baseline_that_differs_without_an_update_of_ours_is_contended() -> None:
    script = Script().submit().begin("p0").end(NOT_SENT).at(5).begin("p1")
    assert script.fact(AttemptBegan)[0].contended
    assert script.at(6).end(ACCEPTED).event().disposed == ["candidate"]


def test_a_baseline_that_a_cache_kept_from_before_our_last_update_is_none() -> None:
    script = accepted("old").event().at(5).submit().begin("p0", as_of=0.0)
    assert not script.fact(AttemptBegan)[0].baseline_known
    script.at(6).deaf().end(TIMED_OUT).at(7).listening().at(40).time().read("p1")
    assert script.end_of() == "unconfirmed", "it is the last one's movement"


def test_statuses_that_became_processing_by_themselves_are_contended() -> None:
    script = Script().submit().begin("", words=Words("ready")).end(NOT_SENT).at(5)
    assert script.begin("", words=Words("processing")).fact(AttemptBegan)[0].contended


def test_a_foreign_update_seen_by_an_enquiry_is_not_forgotten() -> None:
    script = accepted("old").event().at(2).deaf().at(3).listening().submit("b")
    script.at(34).begin("p1", "b").end(ACCEPTED, "b").event().at(70).submit()
    assert script.end_of("b") == "confirmed exclusive"
    script.at(71).begin("p7").end(ACCEPTED).event()
    assert script.end_of() == "confirmed exclusive", "our own update hides what moved it: admitted"


def test_the_first_possibly_sent_attempts_baseline_counts() -> None:
    script = Script().submit().begin("p0").end(NOT_SENT).at(2).begin("p0").at(3).end(TIMED_OUT)
    script.at(33).time().read("p0").at(34).begin("p0").at(35).end(TIMED_OUT)
    script.at(65).time().read("p1")
    assert script.end_of() == "unconfirmed"
    assert script.of().reason == "listened_record_moved"


# ------------------------------------------------------------------------------------- its ends


def test_not_sent_goes_back_to_the_queue_with_backoff() -> None:
    script = Script().submit()
    waits = []
    for _ in range(8):
        began = script.now_s
        script.begin().end(NOT_SENT)
        assert script.state() == "queued"
        waits.append((script.of().not_before_ms or 0) - script.now)
        assert script.fact(AttemptFinished)[0].retry_at == script.of().not_before_ms
        assert not script.effect(Dispatch)
        script.wake()
        assert script.now_s > began
        assert script.effect(Dispatch)
    assert waits == [1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000]


def test_a_lost_file_is_undelivered_at_once_and_resends_nothing() -> None:
    lost = PostResult(PostKind.NOT_SENT, "file_lost", resendable=False)
    script = Script().submit().begin().end(lost)
    assert script.of().outcome is Outcome.UNDELIVERED
    assert script.of().reason == "file_lost"


def test_never_sent_in_time_is_undelivered_and_says_why() -> None:
    script = Script(Policy(deliver_within_ms=3_000)).submit().begin().end(NOT_SENT).at(3).time()
    assert (script.end_of(), script.of().reason) == ("undelivered", "connect_refused")
    idle = Script(Policy(deliver_within_ms=3_000)).submit().at(3).time()
    assert (idle.end_of(), idle.of().reason) == ("undelivered", "never_sent")


def test_throttled_holds_all_lanes_as_long_as_upstream_asks() -> None:
    script = Script().submit().begin().end(replace(THROTTLED, retry_after_ms=7_000))
    assert (script.state(), script.of().not_before_ms) == ("queued", script.now + 7_000)
    assert script.effect(HoldAll)[0].until_ms == script.now + 7_000


def test_throttled_without_a_time_backs_off() -> None:
    script = Script().submit().begin().end(THROTTLED)
    assert script.of().not_before_ms == script.now + 1_000
    assert script.effect(HoldAll)[0].until_ms == script.now + 1_000
    at_once = Script().submit().begin().end(replace(THROTTLED, retry_after_ms=0))
    assert at_once.of().not_before_ms == at_once.now + 1_000


def test_not_sent_holds_nobody_else() -> None:
    assert not Script().submit().begin().end(NOT_SENT).effect(HoldAll)


def test_refused_is_rejected_with_the_reason() -> None:
    script = Script().submit().begin().end(REFUSED)
    assert (script.end_of(), script.of().reason) == ("rejected", "not_found")
    assert script.of().keep_file_until_ms == script.now


def test_accepted_awaits_the_event_from_the_attempts_end() -> None:
    script = Script().submit().at(5).begin().at(9).end(ACCEPTED)
    waiting = script.of()
    assert script.state() == "awaiting"
    assert waiting.deadline_ms == START + 39_000
    assert waiting.accepted_ms == script.now
    assert waiting.reply == ACCEPTED.reply
    assert script.event().end_of() == "confirmed exclusive"


@pytest.mark.parametrize("result", [TIMED_OUT, UNREADABLE])
def test_possibly_sent_is_in_doubt(result: PostResult) -> None:
    script = Script().submit().begin().at(4).end(result)
    assert script.state() == "in_doubt"
    assert script.of().settle_ms == START + 34_000
    assert script.of().give_up_ms == START + 3_604_000


def test_a_503_with_retry_after_holds_all_lanes_and_is_in_doubt() -> None:
    result = PostResult(PostKind.POSSIBLY_SENT, "server_error", 503, retry_after_ms=9_000)
    script = Script().submit().begin().end(result)
    assert script.state() == "in_doubt"
    assert script.effect(HoldAll)[0].until_ms == script.now + 9_000


def test_an_unreadable_2xx_is_never_resent() -> None:
    script = Script().submit().begin("p0").at(1).end(UNREADABLE).at(31).time().read("p0")
    assert script.end_of() == "unconfirmed"
    assert script.of().reason == "listened_record_unmoved"


def test_after_a_possibly_sent_attempt_refused_proves_nothing_of_the_first() -> None:
    script = in_doubt().at(31).time().read("p0").begin("p0").at(32).end(REFUSED)
    assert script.state() == "in_doubt"
    script.at(62).time().read("p0")
    assert script.end_of() == "unconfirmed"


def test_the_attempts_line_comes_before_what_followed_from_it() -> None:
    script = Script().submit().begin().event().end(ACCEPTED)
    assert script.told == ["attempt.ended", "event.correlated", "submission.closed"]
    (fact,) = script.fact(AttemptFinished)
    assert (fact.state, fact.result, fact.http_status) == ("closed", PostKind.ACCEPTED, 200)


# ------------------------------------------------------------------------------------- cancel


def test_cancel_before_anything_was_sent() -> None:
    script = Script().submit().cancel()
    assert (script.end_of(), script.of().reason) == ("cancelled", "cancelled")
    assert not script.lane.submissions
    assert not script.cancel().decision.facts, "idempotent"


def test_cancel_of_what_is_not_there_changes_nothing() -> None:
    assert not Script().submit("a").cancel("b").decision.changed


@pytest.mark.parametrize(
    ("result", "end"),
    [
        (NOT_SENT, "cancelled"),
        (THROTTLED, "cancelled"),
        (REFUSED, "rejected"),
        (ACCEPTED, "unconfirmed"),
        (TIMED_OUT, "unconfirmed"),
    ],
)
def test_cancel_during_sending_takes_effect_at_the_attempts_end(
    result: PostResult, end: str
) -> None:
    script = Script().submit().begin().cancel()
    assert script.state() == "sending"
    assert script.fact(CancelNoted)
    assert not script.cancel().decision.changed, "idempotent"
    script.end(result)
    assert script.end_of() == end
    if end == "unconfirmed":
        assert script.of().reason == "cancelled"
        assert script.lane.rest_until_ms is not None


def test_cancel_during_sending_loses_to_an_event_that_was_held() -> None:
    script = Script().submit().begin().event().cancel().end(ACCEPTED)
    assert script.end_of() == "confirmed exclusive"


@pytest.mark.parametrize("state", ["awaiting", "in_doubt"])
def test_cancel_once_possibly_sent_only_stops_the_watching(state: str) -> None:
    script = (accepted if state == "awaiting" else in_doubt)().cancel()
    assert (script.end_of(), script.of().reason) == ("unconfirmed", "cancelled")
    assert script.lane.rest_until_ms is not None
    script.at(5).event()
    assert script.end_of() == "confirmed exclusive"
    assert script.of().late


def test_cancel_of_one_that_waits_to_be_sent_again() -> None:
    script = in_doubt().at(31).time().read("p0")
    assert script.state() == "queued"
    assert script.cancel().end_of() == "unconfirmed"


@pytest.mark.parametrize("state", ["awaiting", "in_doubt", "queued"])
def test_cancel_waits_for_an_event_that_awaits_correlation(state: str) -> None:
    script = (accepted if state == "awaiting" else in_doubt)()
    if state == "queued":
        script.at(31).time().read("p0")
    script.awaited().cancel()
    assert script.state() == state
    assert script.begin().decision.refusal is not None, "it is not sent meanwhile"
    script.awaited(False).event()
    assert script.end_of() == "confirmed exclusive"


def test_cancel_whose_event_belonged_to_nobody_is_done_soon_after() -> None:
    script = accepted().awaited().cancel().awaited(False).wake()
    assert script.now_s < 2
    assert script.end_of() == "unconfirmed"


def test_a_cancel_is_kept_through_a_crash_while_sending() -> None:
    script = Script().submit().begin().cancel().at(5).restart()
    assert (script.end_of(), script.of().reason) == ("unconfirmed", "cancelled")


def test_an_enquiry_is_planned_after_each_doubtful_end() -> None:
    assert in_doubt().wake().effect(Enquire)
