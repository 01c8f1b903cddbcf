"""The whole daemon behind a line that is spoiled: every end honest, nothing applied twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from listener.core.names import Outcome

from .house import CODE, applied, house
from .modes import Garbage, Reset, Slow, Stall, Swallow, Truncate
from .proxy import FaultProxy

Spoil = Callable[[FaultProxy], None]


def up(mode: object) -> Spoil:
    return lambda line: setattr(line.up, "mode", mode)


def down(mode: object) -> Spoil:
    return lambda line: setattr(line.down, "mode", mode)


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(up(Reset(after=2_000)), id="reset in the upload"),
        pytest.param(up(Truncate(after=2_000)), id="closed in the upload"),
        pytest.param(up(Stall(after=2_000)), id="stalled in the upload"),
        pytest.param(up(Swallow(after=2_000)), id="swallowed upload"),
        pytest.param(down(Reset(after=0)), id="reset before the reply"),
        pytest.param(down(Truncate(after=20)), id="closed in the reply"),
        pytest.param(down(Stall(after=0)), id="no reply"),
        pytest.param(down(Garbage()), id="garbage for a reply"),
        pytest.param(down(Slow(bytes_per_s=20)), id="a slow reply"),
    ],
)
async def test_a_spoiled_http_line(tmp_path: Path, spoil: Spoil) -> None:
    """Spoiled from the POST on until the attempt is over, then whole again: it ends confirmed, and
    was applied once."""
    async with house(tmp_path, CV_BASELINE="on") as home:
        before = await home.submit("first")
        assert (await home.closed(before)).outcome is Outcome.CONFIRMED
        readings = len(home.upstream.ledger.readings())
        name = await home.submit()
        await home.upstream.ledger.until(lambda told: len(told.readings()) > readings, seconds=20)
        spoil(home.http)
        await home.first_attempt(name)
        home.http.heal()
        end = await home.closed(name)
        assert applied(home) == 1
        assert end.outcome is Outcome.CONFIRMED


@pytest.mark.parametrize("politely", [True, False])
async def test_an_ear_that_is_cut_after_the_update_was_applied(
    tmp_path: Path, politely: bool
) -> None:
    """Its event is lost: the record says that it was applied, and that we were deaf."""
    async with house(tmp_path) as home:
        home.upstream.plan(CODE, "late_event", event_delay_ms=300)
        name = await home.submit()
        await home.upstream.ledger.until(lambda _: applied(home), seconds=20)
        await home.socket.refuse()
        home.socket.cut(politely=politely)
        await home.upstream.ledger.until(lambda told: told.events(CODE), seconds=20)
        await home.socket.start()
        end = await home.closed(name)
        assert end.outcome is Outcome.PRESUMED
        assert end.deaf_ms > 0
        assert applied(home) == 1


async def test_an_upstream_that_is_away_for_a_while(tmp_path: Path) -> None:
    """Nothing listens on either line: what is accepted meanwhile goes out when they are back."""
    async with house(tmp_path) as home:
        await home.http.refuse()
        await home.socket.refuse()
        home.socket.cut()
        names = [await home.submit(f"{CODE}-{number}") for number in range(10)]
        await asyncio.sleep(1)  # some attempts find nobody
        await home.http.start()
        await home.socket.start()
        ends = [await home.closed(name) for name in names]
        assert {end.outcome for end in ends} == {Outcome.CONFIRMED}
        assert all(applied(home, f"{CODE}-{number}") == 1 for number in range(10))
