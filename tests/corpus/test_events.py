"""Every row of the events, through the reading of the body and both paths of the ear."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from listener.core.wire import read_event
from tests.fuzz.ear import Ears, Event
from tests.fuzz.frames import probes_of

from .rows import EVENTS, EventRow, HeardRow


@pytest.fixture(scope="module")
def ears() -> Iterator[Ears]:
    made = Ears()
    yield made
    made.close()


def named(row: EventRow) -> str:
    return row.name


def test_there_are_enough_of_them() -> None:
    assert len(EVENTS) >= 150
    assert len({row.name for row in EVENTS}) == len(EVENTS)


@pytest.mark.parametrize("row", [r for r in EVENTS if r.args is not None], ids=named)
def test_a_body_is_read(row: EventRow) -> None:
    assert row.args is not None and row.heard is not None
    (wanted,) = row.heard
    args = row.args[:-1] if wanted.offset is not None else row.args
    body = read_event(args)
    assert (body.code, body.problem) == (wanted.code, wanted.problem)
    if wanted.payload is not None:
        assert json.loads(body.payload) == wanted.payload


@pytest.mark.parametrize("row", EVENTS, ids=named)
def test_both_paths_hear_what_they_should(row: EventRow, ears: Ears) -> None:
    probes = probes_of(row.namespace) if row.lives and row.event == "cv_updated" else []
    fast, slow = (
        ears.hear(
            [*row.frames, *probes],
            fast=fast,
            namespace=row.namespace,
            event=row.event,
            session=row.session,
        )
        for fast in (True, False)
    )
    assert fast.events == slow.events
    assert (fast.offered, fast.alive, fast.end) == (slow.offered, slow.alive, slow.end)
    assert (fast.alive, fast.end) == (row.lives, row.end)
    heard = fast.events
    if probes:
        heard = heard[:-2]
        assert [event.code for event in fast.events[-2:]] == ["probe-plain", "probe-ack"]
    if row.heard is not None:
        assert len(heard) == len(row.heard)
        for event, wanted in zip(heard, row.heard, strict=True):
            _hold(event, wanted)


def _hold(event: Event, wanted: HeardRow) -> None:
    assert (event.code, event.problem) == (wanted.code, wanted.problem)
    assert event.offset == wanted.offset
    if wanted.ack is not None:
        assert event.wants_ack == wanted.ack
    if wanted.payload is not None:
        assert json.loads(event.payload) == wanted.payload
