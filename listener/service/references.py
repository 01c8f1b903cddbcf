"""How submissions are found by a ``cv_ref``, whichever key made it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from listener.core.names import CvCode
from listener.ports.journal import Journal

NOTE = "refs_of"
PAGE = 500
NOBODY = CvCode("")
"""No code: its ref tells which key is in use."""


class References:
    """A code's refs are stored when its lane is, and stay while anything of the code does. Under
    another key (or in a journal of a version that stored none) the refs of all that is stored are
    made once, before the first search that wants them; the old ones lead there as before."""

    def __init__(self, journal: Journal, found_by: Callable[[CvCode], tuple[str, ...]]) -> None:
        self._journal = journal
        self._found_by = found_by
        self._renewing = asyncio.Lock()
        self._known: str | None = None

    async def renew(self) -> None:
        """Return once every stored code is found by the ref that the present key makes."""
        async with self._renewing:
            key, *_ = self._found_by(NOBODY)
            if key == self._known:
                return
            if await self._journal.note(NOTE) != key:
                await self._make_all()
                await self._journal.set_note(NOTE, key)
            self._known = key

    async def _make_all(self) -> None:
        after: CvCode | None = None
        while codes := await self._journal.codes(after, PAGE):
            await self._journal.add_refs(
                [(ref, code) for code in codes for ref in self._found_by(code)]
            )
            after = codes[-1]
