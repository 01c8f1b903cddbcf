"""What the heartbeat takes for a sign that it listens for the wrong thing."""

from __future__ import annotations

import pytest

from listener.core.names import Outcome
from listener.ports.journal import Tally
from listener.service.heartbeat import unheard_of


@pytest.mark.parametrize(
    ("ended", "count"),
    [
        ({Outcome.UNCONFIRMED: 2, Outcome.NOT_DISPATCHED: 1}, 3),
        ({Outcome.PRESUMED: 7}, 0),  # after crashes, for one: we were deaf, and know it
        ({Outcome.UNCONFIRMED: 3, Outcome.CONFIRMED: 1}, 0),
        ({Outcome.REJECTED: 5, Outcome.UNDELIVERED: 5}, 0),
    ],
)
def test_only_what_should_have_been_heard_makes_a_silent_ear_suspicious(
    ended: dict[Outcome, int], count: int
) -> None:
    assert unheard_of(Tally(closed_by_outcome=ended)) == count
