"""Every implementation of a port goes through the same tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from listener.ports.journal import Journal
from tests.fakes.journal_memory import MemoryJournal

from .journals import MemoryStore, SqliteStore, Store


@pytest.fixture(params=["sqlite", "memory"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """An empty journal that can be restarted."""
    made: Store
    if request.param == "sqlite":
        made = await SqliteStore.at(tmp_path)
    else:
        made = MemoryStore(MemoryJournal())
    yield made
    await made.close()


@pytest.fixture
def journal(store: Store) -> Journal:
    """An empty journal."""
    return store.journal
