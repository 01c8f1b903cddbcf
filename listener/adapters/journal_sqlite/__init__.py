"""The journal in one SQLite file: many small writes, one durable commit for all that wait."""

from .inspection import inspect
from .journal import SqliteJournal
from .lock import FileLock
from .snapshot import open_snapshot, settle_copy
from .store import UNSETTLED

__all__ = ["UNSETTLED", "FileLock", "SqliteJournal", "inspect", "open_snapshot", "settle_copy"]
