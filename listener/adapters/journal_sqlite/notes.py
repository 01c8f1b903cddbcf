"""Small things that must survive, by name."""

from __future__ import annotations

import apsw

from listener.ports.journal import FirstLook

from .inbound import inbound_waiting
from .reads import lanes


def first_look(db: apsw.Connection) -> FirstLook:
    """As the port says."""
    found = dict(db.execute("SELECT name, value FROM notes ORDER BY name"))
    return FirstLook(lanes(db), found, inbound_waiting(db))


def note(db: apsw.Connection, name: str) -> str | None:
    """As the port says."""
    found = db.execute("SELECT value FROM notes WHERE name = ?", (name,)).get
    return None if found is None else str(found)


def set_note(db: apsw.Connection, name: str, value: str | None) -> None:
    """As the port says."""
    if value is None:
        db.execute("DELETE FROM notes WHERE name = ?", (name,))
    else:
        db.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (name, value))


def prove(db: apsw.Connection) -> None:
    """As the port says. SQLite writes nothing where a row is set to what it is: so it counts."""
    db.execute(
        "INSERT INTO numbers VALUES ('proofs', 1)"
        " ON CONFLICT (name) DO UPDATE SET value = value + 1"
    )
