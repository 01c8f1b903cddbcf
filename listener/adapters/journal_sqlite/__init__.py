"""The journal in one SQLite file: many small writes, one durable commit for all that wait."""

from .journal import SqliteJournal
from .snapshot import open_snapshot, settle_copy

__all__ = ["SqliteJournal", "open_snapshot", "settle_copy"]
