"""What is done on each outcome."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class OutcomeHandler(Protocol):
    """Called after the commit, at least once per (id, version), never concurrently for one id.

    Raising (or taking too long) means "again later"; it never changes an outcome.
    """

    async def __call__(self, submission: Mapping[str, object]) -> None:
        """``submission`` is the public JSON form: it holds ``cv_ref``, never the code."""
        ...
