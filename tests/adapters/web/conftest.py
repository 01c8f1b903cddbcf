"""One daemon a test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from .rig import Daemon, daemon


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Daemon]:
    """A running daemon with nothing in it."""
    async with daemon(tmp_path) as running:
        yield running
