"""Events that say of themselves that nothing was updated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from listener.ports.journal import InboxRow
from listener.ports.log import Log

SAID: Mapping[str, str] = {
    '"cv_updated":false': "not_updated",
    '"status":"error"': "status_error",
}
"""As the kept payload has it, and the word for it."""


def tell_denials(rows: Sequence[InboxRow], log: Log) -> None:
    """Of codes known here, and not correlated yet: each is told. It counts as any other, for what
    the upstream promises is that it emits after the dispatch, whatever the event carries."""
    for row in rows:
        if row.code is None or row.disposition is not None:
            continue
        for text, word in SAID.items():
            if text in row.payload:
                log.emit("event.denied", cv_ref=log.ref(row.code), seq=row.heard.seq, said=word)
                break
