"""The values of the core when nothing more is said: words, blanks and the design's defaults."""

from __future__ import annotations

import dataclasses
from enum import StrEnum

import pytest

from listener.core import names, wire
from listener.core.evidence import Gap, Heard, Hearing, PostResult, Reading, UpstreamReply
from listener.core.facts import Fact
from listener.core.inputs import Submit
from listener.core.names import FileKind, LanePolicy, Millis, PostKind, State, SubmissionId
from listener.core.policy import Policy
from listener.core.submission import Attempt, FileFacts, Lane, Submission
from listener.core.transitions import Decision

NOW = Millis(7)
FILE = FileFacts("ab", 1, FileKind.PDF, "cv.pdf")
VOCABULARIES = [
    each
    for each in vars(names).values()
    if isinstance(each, type) and issubclass(each, StrEnum) and each is not StrEnum
]


def blank(value: object) -> dict[str, object]:
    """The fields of a value, each as it stands: no copies."""
    assert dataclasses.is_dataclass(value)
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}


def is_exactly(value: object, **expected: object) -> None:
    """Each field is what is expected, and of its kind: 0 is not False, and "" is not None."""
    found = blank(value)
    assert found == expected
    assert {name: type(each) for name, each in found.items()} == {
        name: type(each) for name, each in expected.items()
    }


@pytest.mark.parametrize("words", VOCABULARIES, ids=lambda words: words.__name__)
def test_a_word_stands_in_the_journal_as_it_is_called(words: type[StrEnum]) -> None:
    assert {word.name.lower(): word.value for word in words} == {
        word.value: word.value for word in words
    }


def test_a_new_submission_is_queued_and_blank() -> None:
    is_exactly(
        Submission(SubmissionId("a"), NOW, FILE),
        id="a",
        created_ms=7,
        file=FILE,
        state=State.QUEUED,
        outcome=None,
        outcome_before=None,
        corrected_ms=None,
        version=1,
        retry_of=None,
        attribution=None,
        late=False,
        reason=None,
        attempts=(),
        cancel_requested=False,
        never_resend=False,
        contradicted=False,
        held=(),
        candidates=(),
        heard=None,
        duplicates=0,
        reading=None,
        finished_jobs=(),
        failed_jobs=(),
        reply=None,
        not_before_ms=None,
        deliver_by_ms=None,
        deadline_ms=None,
        settle_ms=None,
        give_up_ms=None,
        enquire_ms=None,
        enquiries=0,
        sent_ms=None,
        accepted_ms=None,
        heard_ms=None,
        closed_ms=None,
        deaf_ms=0,
        keep_file_until_ms=None,
    )


def test_a_new_attempt_is_under_way() -> None:
    attempt = Attempt(1, NOW)
    is_exactly(
        attempt,
        number=1,
        began_ms=7,
        baseline=None,
        contended=False,
        ended_ms=None,
        result=None,
        crashed=False,
    )
    assert attempt.possibly_sent is False, "only its end tells"


@pytest.mark.parametrize("kind", PostKind)
def test_an_attempt_was_possibly_sent_unless_it_is_proven_otherwise(kind: PostKind) -> None:
    ended = Attempt(1, NOW, result=PostResult(kind, "detail"))
    assert ended.possibly_sent is (kind in (PostKind.ACCEPTED, PostKind.POSSIBLY_SENT))
    assert Attempt(1, NOW, crashed=True).possibly_sent is True


def test_a_new_lane_remembers_nothing() -> None:
    is_exactly(
        Lane(),
        submissions=(),
        rest_until_ms=None,
        review_ms=None,
        reviews=0,
        last_seen=None,
        ours_since_seen=False,
        foreign_ms=None,
    )


def test_a_decision_that_decides_nothing() -> None:
    lane = Lane()
    is_exactly(
        Decision(lane),
        lane=lane,
        changed=(),
        facts=(),
        effects=(),
        dispositions=(),
        refusal=None,
    )


def test_what_is_known_where_nothing_more_is() -> None:
    is_exactly(UpstreamReply(), cv_id=None, application_id=None, status=None)
    is_exactly(
        PostResult(PostKind.REFUSED, "x"),
        kind=PostKind.REFUSED,
        detail="x",
        http_status=None,
        retry_after_ms=None,
        resendable=True,
        reply=None,
    )
    is_exactly(
        Reading(NOW, known=True),
        read_ms=7,
        known=True,
        detail="",
        path_digest=None,
        status=None,
        enhance_status=None,
    )
    is_exactly(Heard(1, NOW), seq=1, heard_ms=7, replayed=False)
    is_exactly(Gap(NOW), start_ms=7, end_ms=None, reason="")
    is_exactly(Hearing(listening=True), listening=True, settled=True, gaps=())


def test_an_input_says_that_nothing_is_pending_and_nothing_is_repeated() -> None:
    given = Submit(NOW, Hearing(True), submission_id=SubmissionId("a"), file=FILE)
    assert (given.events_pending, given.retry_of) == (False, None)
    assert Fact.event == "", "only what is told has a name"


def test_the_policy_is_the_designs() -> None:
    is_exactly(
        Policy(),
        confirm_timeout_ms=30_000,
        settle_ms=30_000,
        give_up_after_ms=3_600_000,
        deliver_within_ms=86_400_000,
        late_window_ms=86_400_000,
        keep_unresolved_ms=86_400_000,
        lane_policy=LanePolicy.QUEUE,
        max_attempts=3,
        enquiries_ms=(2_000, 5_000, 15_000),
        baseline=True,
        backoff_first_ms=1_000,
        backoff_cap_ms=60_000,
        retry_after_cap_ms=300_000,
    )


def test_backoff_doubles_up_to_its_cap_and_never_overflows() -> None:
    policy = Policy(backoff_first_ms=3, backoff_cap_ms=3 * 2**30)
    assert [policy.backoff_ms(failures) for failures in (1, 2, 3, 10)] == [3, 6, 12, 1536]
    assert policy.backoff_ms(31) == policy.backoff_ms(32) == policy.backoff_ms(9_999) == 3 * 2**30
    roomy = Policy(backoff_first_ms=3, backoff_cap_ms=3 * 2**40)
    assert roomy.backoff_ms(31) == roomy.backoff_ms(32) == 3 * 2**30, "no longer exponent"
    assert isinstance(policy.backoff_ms(2), int)


def test_the_wires_one_door_offers_what_it_names() -> None:
    assert sorted(wire.__all__) == sorted(
        name
        for name, value in vars(wire).items()
        if not name.startswith("_") and not isinstance(value, type(wire))
    )
