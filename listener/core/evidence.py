"""What is known and from where: results of POSTs, readings of the record, heard events."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .names import Millis, Movement, PostKind, UpstreamJob

PROCESSING = "processing"
FAILED_WORDS = frozenset({"failed", "error", "failure"})


@dataclass(frozen=True, slots=True)
class UpstreamReply:
    """The fields of an accepted POST's reply that we keep: an acceptance, no sign of dispatch."""

    cv_id: int | str | None = None
    application_id: int | str | None = None
    status: str | None = None


@dataclass(frozen=True, slots=True)
class PostResult:
    """What is known after one POST. A value: every way a POST can end is expected.

    ``http_status`` is None when no reply was read. ``retry_after_ms`` is what the upstream asked
    for, already capped. ``resendable`` is False where the upstream read the update and answered
    something we cannot read (an unreadable 2xx): such an attempt is never sent again; and where
    nothing was sent and nothing can be (the file is lost).
    ``detail`` is a stable slug for logs (``connect_refused``, ``read_timeout`` …).
    """

    kind: PostKind
    detail: str
    http_status: int | None = None
    retry_after_ms: int | None = None
    resendable: bool = True
    reply: UpstreamReply | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """One GET of the record. ``read_ms`` is when the GET *started*, less the age that a cache said
    its answer had: what it says is no older.

    ``known`` False: the GET failed or its answer could not be read (``detail`` says how), and all
    else is None. Values of the record are kept as short digests, for they may hold personal data;
    the two statuses are kept as words. A field the record lacks is None.
    """

    read_ms: Millis
    known: bool
    detail: str = ""
    path_digest: str | None = None
    status: str | None = None
    enhance_status: str | None = None

    def job_status(self, job: UpstreamJob) -> str | None:
        """The status word that speaks for ``job``."""
        return self.enhance_status if job is UpstreamJob.ENHANCEMENT else self.status


@dataclass(frozen=True, slots=True)
class Heard:
    """One ``cv_updated`` event as received. ``seq`` is order of receipt and proves nothing about
    order of emission. ``replayed``: it came from the server's memory after a reconnect."""

    seq: int
    heard_ms: Millis
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Gap:
    """An interval without a proven-continuous subscription. ``end_ms`` None: we are deaf now."""

    start_ms: Millis
    end_ms: Millis | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Hearing:
    """What the ear knows at one moment. ``gaps`` are ordered and hold at least those that end
    within the late window. ``settled`` False: connected or connecting, but it is not yet known
    whether what was missed is being replayed, so no reading of the record decides anything."""

    listening: bool
    settled: bool = True
    gaps: tuple[Gap, ...] = ()

    def deaf_ms(self, start_ms: int, end_ms: int) -> int:
        """Milliseconds within [start, end] that a gap covers."""
        total = 0
        for gap in self.gaps:
            lo = max(start_ms, gap.start_ms)
            hi = end_ms if gap.end_ms is None else min(end_ms, gap.end_ms)
            total += max(0, hi - lo)
        return total

    def if_recovered(self) -> Hearing:
        """The same, were the open gap proven continuous: a replayed event proves it so far."""
        return replace(self, gaps=tuple(gap for gap in self.gaps if gap.end_ms is not None))

    def deaf_within(self, start_ms: int, end_ms: int) -> bool:
        """Whether any gap touches [start, end], one of no length too."""
        return any(
            gap.start_ms <= end_ms and (gap.end_ms is None or gap.end_ms >= start_ms)
            for gap in self.gaps
        )


def newly_processing(before: Reading, after: Reading) -> bool:
    """Whether a status word became ``processing`` that was not before, in either field."""
    pairs = ((before.status, after.status), (before.enhance_status, after.enhance_status))
    return any(b is not None and b != PROCESSING and a == PROCESSING for b, a in pairs)


def compare(baseline: Reading | None, later: Reading) -> Movement:
    """Hold a later reading against the baseline.

    ``MOVED``: as an applied update moves it (another path, or newly ``processing``).
    ``UNMOVED``: only on the path, which changes with every update, present in both.
    ``INCOMPARABLE``: they can never tell, whatever a further GET says. ``UNKNOWN``: the GET failed.
    """
    if baseline is None or not baseline.known:
        return Movement.INCOMPARABLE
    if not later.known:
        return Movement.UNKNOWN
    both_paths = baseline.path_digest is not None and later.path_digest is not None
    if both_paths and baseline.path_digest != later.path_digest:
        return Movement.MOVED
    if newly_processing(baseline, later):
        return Movement.MOVED
    return Movement.UNMOVED if both_paths else Movement.INCOMPARABLE
