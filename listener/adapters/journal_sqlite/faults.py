"""What an error of SQLite means for the operator."""

from __future__ import annotations

from pathlib import Path

import apsw

from listener.core.errors import JournalDamaged, JournalFault

_ADVICE: tuple[tuple[type[apsw.Error], str, str], ...] = (
    (
        apsw.NotADBError,
        "a file that is no SQLite database",
        "move it away, or point CV_STATE_DIR elsewhere",
    ),
    (
        apsw.CorruptError,
        "a damaged database",
        "stop, keep a copy, check the disk, and restore the journal from a backup",
    ),
    (apsw.FullError, "a full disk", "free some space, then start again; nothing is half written"),
    (
        apsw.ReadOnlyError,
        "a file or a disk that is read-only",
        "make the journal and its folder writable for this user",
    ),
    (
        apsw.PermissionsError,
        "a file that this user may not open",
        "make the journal and its folder readable and writable for this user",
    ),
    (
        apsw.CantOpenError,
        "a file that cannot be opened",
        "check that its folder exists and that this user may write in it",
    ),
    (
        apsw.BusyError,
        "another program that keeps the database locked",
        "close whatever else has the journal open (a database browser, a backup), then start again",
    ),
    (
        apsw.IOError,
        "an I/O error of the disk",
        "look for disk errors in the kernel's log, then start again; what was acknowledged is kept",
    ),
)


def journal_fault(error: Exception, path: Path, doing: str) -> JournalFault:
    """Says what was expected, found and to be done. SQLite's own text holds no stored values."""
    if isinstance(error, JournalFault):
        return error
    found, advice = next(
        ((found, advice) for kind, found, advice in _ADVICE if isinstance(error, kind)),
        ("an unexpected error", "keep a copy of the journal: this is a bug, or a damaged file"),
    )
    code = getattr(error, "extendedresult", None)
    damaged = isinstance(error, apsw.NotADBError | apsw.CorruptError)
    return (JournalDamaged if damaged else JournalFault)(
        f"{doing} the journal {path}: expected a working SQLite file, found {found}"
        f" ({type(error).__name__} {code}: {error}); {advice}"
    )


def found_of(error: apsw.Error) -> str:
    """What was found, in a few words and SQLite's own."""
    found = next((found for kind, found, _ in _ADVICE if isinstance(error, kind)), "an error")
    return f"{found} ({type(error).__name__}: {error})"
