"""A lost subscription, from its first line to its last."""

from __future__ import annotations

from dataclasses import dataclass

from listener.core.names import Millis
from listener.core.view import rfc3339
from listener.ports.event_source import ConnectFailed
from listener.ports.log import Log


@dataclass(slots=True)
class Incident:
    """``start_ms``: the last frame of the connection that was lost, or where there was none the
    first failure."""

    start_ms: Millis
    reason: str
    failures: int = 0
    last_reason: str | None = None

    def failed(self, signal: ConnectFailed, log: Log) -> None:
        """A try to connect failed."""
        self.failures, self.last_reason = signal.failures, signal.reason
        event = "subscription.refused" if signal.refused else "subscription.failed"
        if signal.refused or signal.failures & (signal.failures - 1) == 0:
            # Powers of two: a long outage is some lines, not thousands.
            log.emit(
                event,
                reason=signal.reason,
                error=signal.detail,
                failures=signal.failures,
                retry_in_s=round(signal.retry_in_s, 3),
            )

    def told(self, end_ms: Millis) -> dict[str, object]:
        """What its last line says of it. The line may come later than the end: where a second
        connection has taken a deaf one's place, that had listened before it was known."""
        end_ms = max(self.start_ms, end_ms)
        return {
            "since": rfc3339(self.start_ms),
            "until": rfc3339(end_ms),
            "duration_ms": end_ms - self.start_ms,
            "failures": self.failures,
            "reason": self.reason,
            "last_reason": self.last_reason,
        }
