"""What a submission would meet, without one: the files and the record are looked at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from listener.client import CVNotFoundException, CVService, CVServiceException
from listener.core.names import CvCode

from . import configured, exits, files, output

WORDS = ("status", "cv_enhance_status", "cv_id", "application_id")


def look(code: CvCode, paths: Sequence[Path], as_json: bool) -> int:
    """Tell what would be sent where, and how the record stands. The exit status: as if submitted,
    as far as can be known."""
    settings = configured.settings()
    found: dict[str, Any] = {"files": [files.look(path, settings.max_file_bytes) for path in paths]}
    service = CVService(
        settings.api_base_url, settings.api_timeout_s, headers=settings.api_headers_plain()
    )
    status = exits.OK if all(one["problem"] is None for one in found["files"]) else exits.USAGE
    with service:
        try:
            record = service.get_cv_by_code(code)
        except CVNotFoundException:
            found["record"], status = "not found", status or exits.REJECTED
        except CVServiceException as error:
            found["record"], status = error.message, status or exits.UNAVAILABLE
        else:
            data = record.get("data")
            known = data if isinstance(data, dict) else record
            found["record"] = {word: known[word] for word in WORDS if known.get(word) is not None}
    if as_json:
        output.write_json(found)
    else:
        output.write_pairs(_pairs(found))
    return status


def _pairs(found: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for number, file in enumerate(found["files"], 1):
        yield f"file {number}", *files.told(file)
    record = found["record"]
    if isinstance(record, dict):
        told = ", ".join(f"{name} {value}" for name, value in record.items()) or "found"
        yield "record", told, "green"
    else:
        yield "record", str(record), "red"
    yield "nothing", "was sent or stored", "dim"
