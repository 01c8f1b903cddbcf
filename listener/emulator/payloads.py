"""The bodies of ``cv_updated``: shapes that the upstream may use, and some that it should not."""

from __future__ import annotations

from collections.abc import Mapping

EVENT_FIELDS = ("cv_code", "cv_id", "application_id", "status", "cv_enhance_status")


def event_body(shape: str, record: Mapping[str, object], turn: int) -> object:
    """One body. ``record`` is the whole record as JSON. ``turn`` picks among the hostile ones.

    ``plain``: some of the record's fields · ``wrapped``: the same in ``data`` · ``minimal``: the
    code alone · ``full``: the record · ``reply``: as the POST's reply says it · ``hostile``.
    """
    some: dict[str, object] = {name: record[name] for name in EVENT_FIELDS}
    some["cv_updated"] = True
    if shape == "wrapped":
        return {"status": "success", "data": some}
    if shape == "minimal":
        return {"cv_code": record["cv_code"]}
    if shape == "full":
        return dict(record)
    if shape == "reply":
        return reply_data(record)
    if shape == "hostile":
        bodies = hostile_bodies(str(record["cv_code"]))
        return bodies[turn % len(bodies)]
    return some


def reply_data(record: Mapping[str, object]) -> dict[str, object]:
    """``data`` of the POST's reply: a snapshot, whose ``status`` says nothing of the jobs."""
    return {
        "cv_code": record["cv_code"],
        "cv_id": record["cv_id"],
        "application_id": record["application_id"],
        "status": "draft",
        "cv_updated": True,
        "message": "CV updated and enhancement started",
    }


def hostile_bodies(code: str) -> list[object]:
    """What nobody should be hurt by. None can be taken for an event of ``code`` by a careful
    reader: it is not there, neither text nor digits, not the only one, or not where it belongs."""
    nested: object = {"cv_code": code}
    for _ in range(200):
        nested = {"data": nested}
    return [
        None,
        "",
        42,
        True,
        [code],
        code,
        {},
        {"cv_code": None},
        {"cv_code": ""},
        {"cv_code": -456},
        {"cv_code": [code]},
        {"cv_code": {"$ne": code}},
        {"cv_code": f"{code}\r\nlevel=error event=forged"},
        {"cv_code": f"{code}\x00"},
        {"cv_code": f"\x1b[2J{code}"},
        {"cv_code": "A" * 100_000},
        {"cv_code": "../../etc/passwd\x07"},
        {"cv_code": code, "data": {"cv_code": f"{code}x"}},
        {"code": code, "__proto__": {"cv_code": code}},
        nested,
    ]
