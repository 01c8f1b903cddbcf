"""A look at a journal that no daemon uses: nothing of it is changed, and no lock is taken."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import apsw

from .faults import found_of
from .migrations import APPLICATION_ID
from .store import check

COPIED_BYTES = 256 << 20
"""A larger one is not copied to be looked at."""


@dataclass(frozen=True, slots=True)
class Look:
    """``damage``: None where none was found. ``whole``: every page was reached, in time. ``ours``:
    a database of cv-listener's, of ``version``; an empty one, of version 0, counts as one."""

    version: int = 0
    ours: bool = True
    damage: str | None = None
    whole: bool = True


def inspect(path: Path, seconds: float) -> Look:
    """Blocking, for about so long. Raises OSError.

    A file that SQLite is not told to be at rest would be given files beside it, perhaps of another
    user than the daemon's. One with a log beside it, which a daemon that was killed leaves, is no
    whole without that: both are copied, into the same folder, and the copies lose their names as
    soon as they are open.
    """
    log = path.with_name(f"{path.name}-wal")
    if not log.exists() or not log.stat().st_size:
        return _looked(f"{path.absolute().as_uri()}?immutable=1", seconds, None)
    if path.stat().st_size + log.stat().st_size > COPIED_BYTES:
        return Look(whole=False)
    with TemporaryDirectory(prefix=".look-", dir=path.parent) as aside:
        copy = Path(aside) / path.name
        shutil.copyfile(path, copy)
        shutil.copyfile(log, copy.with_name(log.name))
        return _looked(copy.as_uri(), seconds, Path(aside))


def _of(found: str) -> str:
    """On one line, without the heading that SQLite gives it."""
    return " ".join(found.split()).removeprefix("*** in database main *** ")


def _looked(uri: str, seconds: float, aside: Path | None) -> Look:
    flags = apsw.SQLITE_OPEN_READONLY if aside is None else apsw.SQLITE_OPEN_READWRITE
    try:
        db = apsw.Connection(uri, flags=flags | apsw.SQLITE_OPEN_URI)
        try:
            db.pragma("trusted_schema", False)
            version = int(db.pragma("user_version"))
            empty = version == 0 and not db.execute("SELECT 1 FROM sqlite_schema LIMIT 1").get
            ours = empty or int(db.pragma("application_id")) == APPLICATION_ID
            for left in () if aside is None else tuple(aside.iterdir()):
                left.unlink()
            found, whole = check(db, "quick_check", seconds)
            return Look(version, ours, None if found == "ok" else _of(found), whole)
        finally:
            db.close()
    except apsw.Error as error:
        return Look(damage=found_of(error))
