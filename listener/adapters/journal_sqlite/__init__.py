"""The journal in one SQLite file, for one daemon."""

from .journal import SqliteJournal

__all__ = ["SqliteJournal"]
