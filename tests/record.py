"""What a long proof found, kept for the page of proofs (``docs/proof.md``)."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "proof"

Cell = int | float | str


def write_record(
    name: str,
    command: str,
    figures: Mapping[str, Cell],
    rows: Sequence[Mapping[str, Cell]] = (),
) -> Path:
    """Write ``docs/proof/NAME.json``; an older one of that name is replaced.

    ``command``: what was run, as a reader would type it. ``figures``: one value each, under the
    words that the page shows. ``rows``: a table, each row with the same keys, where there is one.
    """
    told = {
        "command": command,
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"Python {platform.python_version()}, {os.cpu_count()} cores",
        "figures": dict(figures),
        "rows": [dict(row) for row in rows],
    }
    path = FOLDER / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path
