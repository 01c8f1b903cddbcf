"""What is to be done after the commit. Losing one in a crash loses nothing: each can be derived
again from the journal at the next start, and doing one twice does no harm."""

from __future__ import annotations

from dataclasses import dataclass

from .names import Millis, SubmissionId


@dataclass(frozen=True, slots=True)
class Effect:
    """Base."""


@dataclass(frozen=True, slots=True)
class Dispatch(Effect):
    """The lane's head may be sent at ``not_before_ms``: tell the dispatcher."""

    submission_id: SubmissionId
    not_before_ms: Millis


@dataclass(frozen=True, slots=True)
class Post(Effect):
    """``sending`` is on disk: send this attempt now. The one effect that is never derived again:
    after a crash the attempt counts as possibly sent."""

    submission_id: SubmissionId
    attempt: int


@dataclass(frozen=True, slots=True)
class Enquire(Effect):
    """GET the record, once; its end comes back as :class:`RecordRead`."""


@dataclass(frozen=True, slots=True)
class HoldAll(Effect):
    """The upstream asked for quiet: send nothing to any lane before ``until_ms``. ``restarted``:
    it asked an earlier run."""

    until_ms: Millis
    restarted: bool = False


@dataclass(frozen=True, slots=True)
class Doubt(Effect):
    """The record moved as an update of ours moves it, we listened all the while since
    ``since_ms``, and no event came: is the subscription deaf (rule 11)?"""

    since_ms: Millis


@dataclass(frozen=True, slots=True)
class ReleaseFile(Effect):
    """The file is not needed after ``at_ms``."""

    submission_id: SubmissionId
    at_ms: Millis


@dataclass(frozen=True, slots=True)
class Announce(Effect):
    """Tell handlers and whoever waits of this version of the submission."""

    submission_id: SubmissionId
    version: int
