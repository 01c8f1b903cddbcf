"""Many lines that are alike: some are told, and of the others how many there were."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable

SOME = 10
"""Lines of one place within a minute; beyond them they are counted."""
A_WHILE_S = 60.0
PLACES = 500


class Flood:
    """Counts what is said from one place, and holds back what is too much. ``suppress`` is called
    for each line that is held back."""

    def __init__(self, suppress: Callable[[], None]) -> None:
        self._suppress = suppress
        self._places: dict[Hashable, tuple[float, int]] = {}

    def held_back(self, place: Hashable) -> int | None:
        """None: this one is too many. Else how many were, since the last that was told."""
        now = time.monotonic()
        begun, count = self._places.get(place, (now, 0))
        told = 0
        if now - begun > A_WHILE_S:
            told, begun, count = max(0, count - SOME), now, 0
        if len(self._places) >= PLACES:
            self._places.clear()
        self._places[place] = (begun, count + 1)
        if count < SOME:
            return told
        self._suppress()
        return None
