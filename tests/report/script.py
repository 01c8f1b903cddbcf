"""Scripts of lines, as a daemon writes them, and what the accounts make of them."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, BinaryIO, cast

from listener.core.catalogue import CATALOGUE
from listener.report.account import Account, Taker
from listener.report.reading import Window

NOON = 1_769_860_800_000
ID = "0199a1b2-0000-7000-8000-{:012d}"


def line(event: str, at_s: float = 0.0, *, run: str = "run-1", **fields: Any) -> bytes:
    """One line; ``at_s``: seconds after noon. The level is the catalogue's."""
    moment = datetime.fromtimestamp(round(NOON + at_s * 1000) / 1000, UTC)
    told = {
        "timestamp": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": CATALOGUE[event].level_of(fields).value,
        "event": event,
        "v": 1,
        "service": "cv-listener",
        "version": "0.1.0",
        "run_id": run,
        "replica": "host-1",
    }
    return json.dumps(told | fields, separators=(",", ":")).encode()


def accepted(number: int, at_s: float = 0.0, **fields: Any) -> bytes:
    return line("submission.accepted", at_s, submission_id=ID.format(number), **fields)


def closed(
    number: int, outcome: str, at_s: float = 1.0, *, version: int = 4, **fields: Any
) -> bytes:
    told: dict[str, Any] = {
        "submission_id": ID.format(number),
        "cv_ref": f"cv_{number:012d}",
        "outcome": outcome,
        "late": False,
        "submission_version": version,
        "attempts": 1,
        "total_ms": round(at_s * 1000),
    }
    if outcome == "confirmed":
        told |= {"attribution": "exclusive", "confirm_ms": 250, "evidence": ["event"]}
    return line("submission.closed", at_s, **told | fields)


def corrected(
    number: int, before: str, outcome: str, at_s: float = 9.0, *, version: int = 6, **fields: Any
) -> bytes:
    told = json.loads(closed(number, outcome, at_s, version=version))
    names = ("submission_id", "cv_ref", "submission_version", "attempts", "attribution")
    kept = {name: told[name] for name in (*names, "confirm_ms", "evidence") if name in told}
    more = {"outcome": outcome, "outcome_before": before, "late": outcome == "confirmed"}
    return line("submission.corrected", at_s, **kept | more | fields)


def reattributed(number: int, at_s: float = 10.0, version: int | None = 7) -> bytes:
    more: dict[str, Any] = {} if version is None else {"submission_version": version}
    return line(
        "submission.reattributed",
        at_s,
        submission_id=ID.format(number),
        attribution="contended",
        **more,
    )


def sources(*files: bytes) -> list[tuple[int, BinaryIO]]:
    return [(n, cast("BinaryIO", io.BytesIO(data))) for n, data in enumerate(files, 1)]


def account(
    lines: Sequence[bytes], window: Window | None = None, others: Sequence[Taker] = ()
) -> Account:
    """What they come to."""
    found = Account()
    text = b"".join(one + b"\n" for one in lines)
    found.read(sources(text), window or Window(), others)
    return found
