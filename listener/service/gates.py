"""What all sending waits for, whatever its lane says: looked at before an attempt, and again at the
last moment before it is committed."""

from __future__ import annotations

from dataclasses import dataclass

from listener.core.durations import lasting
from listener.core.names import Gate, Millis
from listener.ports.clock import Clock

from .breaker import Breaker
from .ear import Hearer
from .hold import Hold

AWAKE_MS = 10_000
"""How long a subscription may take, once the upstream is known to answer."""


@dataclass(frozen=True, slots=True)
class Pass:
    """An attempt was let through: as whose probe, and in which turn of the hold."""

    probe: object
    turn: int


class Gates:
    """In this order: not draining, not paused, no hold, the breaker, and listening (rule 7).

    An update waits to be heard for ``listen_wait_ms`` at most: since it could be sent, or since we
    are deaf, whichever came later. Where the upstream answers again after it had failed, or for the
    first time while we are deaf, the ear is told to hurry, and all wait for it a little longer.
    """

    def __init__(
        self, hearer: Hearer, clock: Clock, breaker: Breaker, hold: Hold, listen_wait_ms: int
    ) -> None:
        self._hearer = hearer
        self._clock = clock
        self._breaker = breaker
        self._listen_wait_ms = listen_wait_ms
        self._answered_ms: Millis | None = None
        self._awake_until_ms = 0
        self.hold = hold
        self.draining = False
        self.paused = False

    def shut(self, ready_ms: int, in_flight: int) -> tuple[Gate, Millis | None] | None:
        """What keeps an update from being sent that could be since ``ready_ms``, beside a pause,
        and until when, where that is known."""
        now = self._clock.now_ms()
        if self.draining:
            return Gate.DRAINING, None
        if not self.hold.allows(in_flight):
            return Gate.HOLD, self.hold.until_ms if now < self.hold.until_ms else None
        if not self._breaker.allows(now):
            wait = self._breaker.opens_in_ms(now)
            return Gate.CIRCUIT, Millis(now + wait) if wait else None
        return self._deaf(ready_ms)

    @property
    def deaf_words(self) -> str:
        """What becomes of updates while we are deaf."""
        return (
            f"each update waits up to {lasting(self._listen_wait_ms)} for it, and is then sent all "
            "the same: presumed at best, unless its event is replayed"
        )

    def let_through(self) -> Pass:
        """One attempt begins."""
        return Pass(self._breaker.began(), self.hold.turn)

    def over(self, let: Pass) -> None:
        """It has ended, or was not made after all."""
        self._breaker.gone(let.probe)

    def hold_good(self, let: Pass, ready_ms: int) -> bool:
        """Whether it may still go: nothing has shut since it was let through."""
        return not (
            self.draining
            or self.paused
            or let.turn != self.hold.turn
            or not self._breaker.lets(let.probe, self._clock.now_ms())
            or self._deaf(ready_ms) is not None
        )

    def answered(self, served: bool) -> None:
        """A request of any kind ended. ``served``: with an answer, and no server's error."""
        before, now = self._answered_ms, self._clock.now_ms()
        self._answered_ms = now if served else None
        known = before is not None and before >= now - self._hearer.deaf_for_ms()
        if not served or known or self._hearer.listening:
            return
        self._hearer.hurry()
        # Not again and again: an upstream that comes and goes must not keep all waiting.
        if now >= self._awake_until_ms + self._listen_wait_ms:
            self._awake_until_ms = now + min(AWAKE_MS, self._listen_wait_ms)

    def _deaf(self, ready_ms: int) -> tuple[Gate, Millis] | None:
        """Bounded, for being deaf must not stop all for ever."""
        if self._hearer.listening:
            return None
        now = self._clock.now_ms()
        began = max(ready_ms, now - self._hearer.deaf_for_ms())
        until = max(began + self._listen_wait_ms, self._awake_until_ms)
        return (Gate.LISTENING, Millis(until)) if now < until else None
