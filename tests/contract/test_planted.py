"""Bugs planted in the journal's conditions: the random life of three journals sees each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from listener.adapters.journal_sqlite import commits, hearing

from .test_journal_machine import JournalMachine

Patch = pytest.MonkeyPatch


def stale_lease_writes(patch: Patch) -> None:
    """A commit under a claim that another holds by now is written all the same."""
    patch.setattr(commits, "_superseded", lambda *_: False)


def a_version_is_given_twice(patch: Patch) -> None:
    """A lane that was removed and comes back starts at version 1 again."""
    patch.setattr(commits, "note_removed_version", lambda *_: None)


def an_event_overwrites_another(patch: Patch) -> None:
    """A number that the inbox has is taken for a new event."""

    def append(db: Any, rows: Any, resume: Any) -> None:
        for row in rows:
            db.execute("DELETE FROM inbox WHERE seq = ?", (row.heard.seq,))
        real(db, rows, resume)

    real = hearing.append_events
    patch.setattr(hearing, "append_events", append)


PLANTS = (
    stale_lease_writes,
    a_version_is_given_twice,
    an_event_overwrites_another,
)


@pytest.mark.parametrize("plant", PLANTS, ids=[plant.__name__ for plant in PLANTS])
def test_the_machine_sees(plant: Callable[[Patch], None], monkeypatch: Patch) -> None:
    plant(monkeypatch)
    quick = settings(max_examples=300, stateful_step_count=50, phases=[Phase.generate])
    with pytest.raises(Exception):  # noqa: B017, PT011  whatever the machine or SQLite says to it
        run_state_machine_as_test(JournalMachine, settings=quick)
