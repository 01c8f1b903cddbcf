"""The one interpreter of decisions, where the journal says no."""

from __future__ import annotations

import asyncio

from listener.core.names import State
from listener.ports.journal import LaneCommit
from tests.simulation.life import Life

from .test_rooms import CODE, lived, service_of, submit, until


def test_a_lane_that_somebody_else_has_written_is_read_anew() -> None:
    async def story(life: Life) -> None:
        service = service_of(life)
        name = await submit(life, CODE)
        await until(life, name, State.AWAITING)
        row = await service.engine._journal.load_lane(CODE)
        written = await service.engine._journal.commit(
            LaneCommit(code=CODE, expected_version=row.version, lane=row.lane, due_ms=None)
        )
        assert written == row.version + 1
        async with asyncio.timeout(60):
            cancelled = await service.intake.cancel(name)
        assert cancelled is not None
        assert cancelled.submission.state is State.CLOSED

    lived(story, events={"silent": 1.0})
