from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from .street import Street, opened


@pytest.fixture
async def street() -> AsyncIterator[Street]:
    async with opened() as made:
        yield made
