"""Facts and effects word for word: what is journalled and logged, and what is done about it."""

from __future__ import annotations

from listener.core.effects import (
    Announce,
    Dispatch,
    Doubt,
    Effect,
    Enquire,
    HoldAll,
    Post,
    ReleaseFile,
)
from listener.core.evidence import PostResult
from listener.core.facts import (
    AttemptBegan,
    AttemptFinished,
    AttributionChanged,
    CancelNoted,
    ContradictionSeen,
    EventCorrelated,
    Fact,
    LaneReleased,
    LaneRested,
    RecordEnquired,
    ResendDecided,
    SendingDeclined,
    SubmissionAccepted,
    SubmissionClosed,
    SubmissionCorrected,
)
from listener.core.names import (
    Attribution,
    Disposition,
    FileKind,
    Millis,
    Movement,
    Outcome,
    PostKind,
    State,
    SubmissionId,
)

from .script import (
    ACCEPTED,
    NOT_SENT,
    REFUSED,
    THROTTLED,
    TIMED_OUT,
    Script,
    Words,
    accepted,
    in_doubt,
    unresolved,
)

A, B = SubmissionId("a"), SubmissionId("b")


def facts(script: Script) -> list[Fact]:
    return list(script.decision.facts)


def effects(script: Script) -> list[Effect]:
    return list(script.decision.effects)


def test_from_acceptance_to_the_event() -> None:
    script = Script().submit(retry_of="z")
    assert facts(script) == [
        SubmissionAccepted(script.now, A, size=1234, kind=FileKind.PDF, retry_of=SubmissionId("z"))
    ]
    assert effects(script) == [Dispatch(A, script.now)]
    script.at(2).begin("p0")
    assert facts(script) == [
        AttemptBegan(script.now, A, attempt=1, baseline_known=True, contended=False)
    ]
    assert effects(script) == [Post(A, 1)]
    script.at(5).end(ACCEPTED)
    assert facts(script) == [
        AttemptFinished(
            script.now,
            A,
            attempt=1,
            result=PostKind.ACCEPTED,
            detail="accepted",
            http_status=200,
            state=State.AWAITING,
            duration_ms=3000,
            retry_at=None,
        )
    ]
    assert effects(script) == []
    script.at(9).event(replayed=True)
    assert facts(script) == [
        EventCorrelated(script.now, A, seq=1, disposition=Disposition.CONFIRMED, replayed=True),
        SubmissionClosed(
            script.now,
            A,
            outcome=Outcome.CONFIRMED,
            attribution=Attribution.EXCLUSIVE,
            reason=None,
        ),
    ]
    assert effects(script) == [Announce(A, 4), ReleaseFile(A, script.now)]
    assert script.of().version == 4


def test_what_was_not_sent_and_is_sent_again_later() -> None:
    script = Script().submit().begin(None).at(1).end(NOT_SENT)
    assert facts(script) == [
        AttemptFinished(
            script.now,
            A,
            attempt=1,
            result=PostKind.NOT_SENT,
            detail="connect_refused",
            http_status=None,
            state=State.QUEUED,
            duration_ms=1000,
            retry_at=script.after(1),
        )
    ]
    assert effects(script) == []
    script.wake()
    assert effects(script) == [Dispatch(A, script.now)]


def test_all_lanes_are_held_where_the_upstream_asks_for_it() -> None:
    assert effects(Script().submit().begin().end(THROTTLED))[0] == HoldAll(Script().after(1))
    busy = PostResult(PostKind.POSSIBLY_SENT, "http_503", 503, retry_after_ms=9_000)
    assert effects(Script().submit().begin().end(busy)) == [HoldAll(Script().after(9))]


def test_from_doubt_to_a_resend_that_is_declined() -> None:
    script = in_doubt().at(31).time()
    assert (facts(script), effects(script)) == ([], [Enquire()])
    script.read("p0", words=Words("draft", "ready"))
    assert facts(script) == [
        RecordEnquired(
            script.now,
            A,
            movement=Movement.UNMOVED,
            detail="",
            status="draft",
            enhance_status="ready",
        ),
        ResendDecided(script.now, A, attempts=1),
    ]
    assert effects(script) == [Dispatch(A, script.now)]
    script.at(32).begin("p1")
    assert facts(script) == [SendingDeclined(script.now, A, movement=Movement.MOVED)]
    assert effects(script) == []


def test_from_the_deadline_to_a_late_event_and_one_more() -> None:
    script = accepted().submit("b").at(31).time().read("p1")
    assert facts(script)[1:] == [
        SubmissionClosed(
            script.now,
            A,
            outcome=Outcome.UNCONFIRMED,
            attribution=None,
            reason="listened_record_moved",
        ),
        LaneRested(script.now, None, until=script.after(30)),
    ]
    kept = script.after(86_400)
    began = Millis(script.now - 31_000)
    assert effects(script) == [Doubt(since_ms=began), Announce(A, 5), ReleaseFile(A, kept)]
    script.at(61).time().read(None)
    assert facts(script) == [
        RecordEnquired(
            script.now,
            A,
            movement=Movement.UNKNOWN,
            detail="read_timeout",
            status=None,
            enhance_status=None,
        )
    ]
    script.at(62).time().read("p1")
    assert facts(script)[1:] == [LaneReleased(script.now, None, movement=Movement.MOVED)]
    assert effects(script) == [Dispatch(B, script.now)]
    script.at(70).event(replayed=True)
    assert facts(script) == [
        EventCorrelated(script.now, A, seq=1, disposition=Disposition.CORRECTED, replayed=True),
        SubmissionCorrected(
            script.now,
            A,
            outcome_before=Outcome.UNCONFIRMED,
            outcome=Outcome.CONFIRMED,
            attribution=Attribution.EXCLUSIVE,
            reason="late_event",
        ),
    ]
    version = script.of().version
    assert effects(script) == [
        Announce(A, version),
        ReleaseFile(A, script.now),
        Dispatch(B, script.now),
    ]
    script.at(71).event()
    assert facts(script) == [
        EventCorrelated(script.now, A, seq=2, disposition=Disposition.DUPLICATE, replayed=False),
        AttributionChanged(script.now, A, attribution=Attribution.CONTENDED),
        LaneRested(script.now, None, until=script.after(30)),
    ]
    assert effects(script) == [Announce(A, version + 1), ReleaseFile(A, kept_at_close(script))]


def kept_at_close(script: Script) -> Millis:
    kept = script.of().keep_file_until_ms
    assert kept is not None
    return kept


def test_a_record_that_moved_while_we_were_deaf() -> None:
    script = accepted().at(31).time().read("p0").wake().read("p0")
    script.at(100).deaf().at(110).listening().time()
    assert effects(script) == [Enquire()]
    script.read("p1")
    assert facts(script)[1:] == [
        SubmissionCorrected(
            script.now,
            A,
            outcome_before=Outcome.NOT_DISPATCHED,
            outcome=Outcome.PRESUMED,
            attribution=Attribution.EXCLUSIVE,
            reason="record_moved_while_deaf",
        )
    ]
    assert effects(script) == [Announce(A, script.of().version), ReleaseFile(A, script.now)]
    assert (script.of().deaf_ms, script.of().late) == (10_000, False)


def test_a_refusal_and_an_event_that_disagree() -> None:
    script = Script().submit().begin("p0").event(replayed=True)
    assert facts(script) == [
        EventCorrelated(script.now, A, seq=1, disposition=Disposition.HELD, replayed=True)
    ]
    script.at(1).end(REFUSED)
    assert facts(script)[1:] == [
        EventCorrelated(script.now, A, seq=1, disposition=Disposition.CONTRADICTION, replayed=True),
        ContradictionSeen(script.now, A, detail="not_found"),
    ]


def test_a_foreign_event_is_nobodys() -> None:
    script = Script().event(replayed=True)
    assert facts(script) == [
        EventCorrelated(script.now, None, seq=1, disposition=Disposition.FOREIGN, replayed=True)
    ]
    assert script.decision.dispositions == ((1, Disposition.FOREIGN),)
    assert script.lane.foreign_ms == script.now


def test_a_cancel_during_sending_and_its_end() -> None:
    script = Script().submit().begin("p0").at(1).cancel()
    assert facts(script) == [CancelNoted(script.now, A)]
    script.at(2).end(TIMED_OUT)
    assert facts(script)[1:] == [
        SubmissionClosed(
            script.now, A, outcome=Outcome.UNCONFIRMED, attribution=None, reason="cancelled"
        ),
        LaneRested(script.now, None, until=script.after(30)),
    ]


def test_two_held_events_are_told_in_order_and_disposed_of_once() -> None:
    script = unresolved("old").at(70).submit().begin("p1").event().event().end(ACCEPTED)
    assert script.decision.dispositions == (
        (1, Disposition.CANDIDATE),
        (2, Disposition.CANDIDATE),
    )
    script.at(71).read("p2")
    assert script.decision.dispositions == (
        (1, Disposition.CONFIRMED),
        (2, Disposition.CORRECTED),
    )
    told = [fact for fact in facts(script) if isinstance(fact, EventCorrelated)]
    assert [fact.submission_id for fact in told] == ["a", "old"]


def test_the_last_word_on_an_event_counts() -> None:
    script = unresolved("old").at(70).submit().begin("p1").event().event().cancel()
    script.end(ACCEPTED)
    assert script.decision.dispositions == (
        (1, Disposition.CANDIDATE),
        (2, Disposition.CORRECTED),
    )
    told = [fact for fact in facts(script) if isinstance(fact, EventCorrelated)]
    assert [(fact.submission_id, fact.seq) for fact in told] == [("a", 1), ("a", 2), ("old", 2)]
