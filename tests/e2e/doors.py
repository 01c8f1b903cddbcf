"""Every door that a code comes in by: each is given codes, and tells what it made of each. What
stands in any output of any of them is kept, to be searched."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import io
import os
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from listener import (
    AsyncCVService,
    CVAPIException,
    CVService,
    InvalidCode,
    Listener,
    load_settings,
)
from listener.emulator import Emulator
from tests.adapters.web.rig import form
from tests.cli.terminal import Ended, cli
from tests.corpus.rows import CodeRow

from .process import ROOT, DaemonProcess

SURNAME = "Wolfeschlegelstein"
"""In each file and in its name: a name from a CV, which nothing may show."""
NAME_BYTES = 255
AT_ONCE = 8


def raw(code: str) -> bytes:
    """As it is written, halves of surrogate pairs too."""
    return code.encode("utf-8", "surrogatepass")


def from_text(row: CodeRow) -> str | None:
    """What a door that reads a text file makes of the row: a line break at the end is the file's,
    not the code's. None: it refuses."""
    if row.wire is not None:
        return row.code
    return {"ABC123XYZ\n": "ABC123XYZ", "a\r": "a"}.get(row.code)


def from_sidecar(row: CodeRow) -> str | None:
    """The same, and the mark that some editors begin a text with is no part of it."""
    found = from_text(row)
    return None if found is None else found.removeprefix("\ufeff") or None


def exactly(row: CodeRow) -> str | None:
    """What every other door makes of it."""
    return None if row.wire is None else row.code


Reads = Callable[[CodeRow], str | None]


def sendable(rows: Iterable[CodeRow], reads: Reads) -> list[str]:
    """What goes out of these."""
    return sorted(code for row in rows if (code := reads(row)) is not None)


@dataclass
class House:
    """A daemon before an upstream, with a folder that it watches."""

    folder: Path
    upstream: Emulator
    daemon: DaemonProcess
    watched: Path
    said: list[tuple[str, str]] = field(default_factory=list)
    """(where, what) was said by any door."""

    def content(self, door: str) -> bytes:
        """The file that this door alone sends, so that the ledger tells the doors apart."""
        return f"%PDF-1.7\n% {SURNAME} {door}\n%%EOF\n".encode()

    def file(self, door: str) -> Path:
        path = self.folder / door / f"{SURNAME}.pdf"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(self.content(door))
        return path

    def sent(self, door: str) -> list[str]:
        """The codes that the upstream was sent this door's file for."""
        digest = hashlib.sha256(self.content(door)).hexdigest()
        return sorted(post.code for post in self.upstream.ledger.posts() if post.sha256 == digest)

    async def settled(self) -> dict[str, Any]:
        """The daemon's status, once nothing is open."""
        async with asyncio.timeout(60):
            while (status := await self.daemon.get("/v1/status"))["open"]:  # noqa: ASYNC110  a process: nothing to await
                await asyncio.sleep(0.05)
        return dict(status)

    def say(self, door: str, *texts: object) -> None:
        self.said += [(door, str(text)) for text in texts]

    async def typed(self, door: str, *args: str, stdin: bytes = b"") -> Ended:
        """A command, as the daemon's user types it."""
        env = {
            "PYTHONPATH": str(ROOT),
            "CV_API_BASE_URL": self.upstream.base_url,
            "CV_SOCKET_URL": self.upstream.socket_url,
        }
        ended = await cli(self.daemon.state_dir, *args, stdin=stdin, env=env)
        self.say(door, ended.out, ended.err)
        return ended


async def each(rows: Iterable[CodeRow], one: Callable[[CodeRow], Awaitable[None]]) -> None:
    """``one`` of each row, some at once."""
    places = asyncio.Semaphore(AT_ONCE)

    async def placed(row: CodeRow) -> None:
        async with places:
            await one(row)

    async with asyncio.TaskGroup() as group:
        for row in rows:
            group.create_task(placed(row))


# ----------------------------------------------------------------------------------- the daemon's


async def http_api(house: House, rows: Sequence[CodeRow]) -> list[str]:
    async def one(row: CodeRow) -> None:
        parts = (("cv_code", None, raw(row.code)), ("cv", "a.pdf", house.content("http_api")))
        answer = await house.daemon.post(
            "/v1/submissions",
            content=form(*parts),
            headers={"Content-Type": "multipart/form-data; boundary=b0undary"},
        )
        house.say("http_api", answer.text, answer.headers)
        if from_text(row) is None:
            assert (answer.status_code, answer.json()["reason"]) == (400, "invalid_code")
        else:
            assert answer.status_code == 202

    await each(rows, one)
    return sendable(rows, from_text)


async def gateway(house: House, rows: Sequence[CodeRow]) -> list[str]:
    """By the upstream's own client, before the gateway."""
    return await _service(house, "gateway", f"{house.daemon.url}/cv-enhance", rows)


async def manifest(house: House, rows: Sequence[CodeRow]) -> list[str]:
    """One that holds, and one whose every row is refused."""
    file = house.file("manifest")
    for name, wanted in (("good", True), ("bad", False)):
        chosen = [row for row in rows if (row.wire is not None) == wanted]
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        writer.writerow(("cv_code", "path"))
        writer.writerows((row.code, file) for row in chosen)
        path = house.folder / f"{name}.csv"
        path.write_bytes(raw(text.getvalue()))
        ended = await house.typed("manifest", "submit", "--manifest", str(path))
        if wanted:
            assert ended.status == 0, ended.err
            house.say("manifest", path.with_suffix(".results.csv").read_text())
        else:
            assert ended.status == 64
            count = len(chosen)
            assert f"{count} of {count} rows do not hold, and nothing was submitted" in ended.err
    return sendable(rows, exactly)


def _as_name(code: str) -> str:
    """A file named after its code; where that began with a dot, it would be hidden."""
    encoded = quote(raw(code), safe="") + ".pdf"
    return "%2E" + encoded[1:] if encoded.startswith(".") else encoded


async def file_name(house: House, rows: Sequence[CodeRow]) -> list[str]:
    """Percent-encoded. No letters are no name, and too many are none either."""
    names = {_as_name(row.code): row for row in rows if row.code}
    fitting = {name.encode(): row for name, row in names.items() if len(name) <= NAME_BYTES}
    return await _watched(house, "file_name", fitting)


async def bare_file_name(house: House, rows: Sequence[CodeRow]) -> list[str]:
    """As the code is: a name may hold any byte but two. Not where something in it would be read as
    an escape."""
    names = {raw(row.code) + b".pdf": row for row in rows if "%" not in row.code}
    possible = {
        name: row
        for name, row in names.items()
        if len(name) <= NAME_BYTES and not name.startswith(b".") and not set(name) & {0, 0x2F}
    }
    return await _watched(house, "bare_file_name", possible)


async def sidecar(house: House, rows: Sequence[CodeRow]) -> list[str]:
    """The code lies beside the file."""
    names = {}
    for number, row in enumerate(rows):
        name = f"{SURNAME}-{number}.pdf"
        (house.watched / f"{name}.code").write_bytes(raw(row.code))
        names[name.encode()] = row
    return await _watched(house, "sidecar", names, from_sidecar)


async def _watched(
    house: House, door: str, names: dict[bytes, CodeRow], reads: Reads = exactly
) -> list[str]:
    """Moved in, and waited for until what became of each lies where it belongs."""
    made = house.file(door)
    os.utime(made, (1, 1))  # So old a file is complete at first sight.
    for name in names:
        partial = house.folder / "partial"
        os.link(made, partial)
        partial.rename(house.watched / os.fsdecode(name))
    expected = sendable(names.values(), reads)
    counts = {"done": len(expected), "refused": len(names) - len(expected)}
    async with asyncio.timeout(120):
        while counts != (found := {s: len(_results(house.watched / s)) for s in counts}):
            assert all(found[shelf] <= counts[shelf] for shelf in counts), (found, counts)
            assert house.daemon.alive
            await asyncio.sleep(0.1)
    for shelf in counts:
        for path in _results(house.watched / shelf):
            house.say(door, path.read_text())
            path.unlink()
    return expected


def _results(shelf: Path) -> list[Path]:
    return [path for path in shelf.iterdir() if path.name.endswith(".result.json")]


# ------------------------------------------------------------------------- the command, one by one


async def stdin(house: House, rows: Sequence[CodeRow]) -> list[str]:
    file = str(house.file("stdin"))
    for row in rows:
        ended = await house.typed("stdin", "submit", "-", file, stdin=raw(row.code))
        assert ended.status == (64 if from_text(row) is None else 0), ended.err
    return sendable(rows, from_text)


async def code_file(house: House, rows: Sequence[CodeRow]) -> list[str]:
    file, code = house.file("code_file"), house.folder / "code.txt"
    for row in rows:
        code.write_bytes(raw(row.code) + b"\n")
        args = ("submit", "--code-file", str(code), str(file), "--wait", "--json")
        ended = await house.typed("code_file", *args)
        assert ended.status == (64 if row.wire is None else 0), ended.err
    return sendable(rows, exactly)


async def argument(house: House, rows: Sequence[CodeRow]) -> list[str]:
    """What the system lets be one: any bytes but NUL."""
    file, possible = str(house.file("argument")), [row for row in rows if "\0" not in row.code]
    for row in possible:
        code = os.fsdecode(raw(row.code))
        ended = await house.typed("argument", "submit", "--", code, file)
        assert ended.status == (64 if row.wire is None else 0), ended.err
    return sendable(possible, exactly)


async def once(house: House, rows: Sequence[CodeRow]) -> list[str]:
    """Without the daemon."""
    file = str(house.file("once"))
    for row in rows:
        ended = await house.typed("once", "submit", "--once", "-", file, stdin=raw(row.code))
        assert ended.status == (64 if from_text(row) is None else 0), ended.err
    return sendable(rows, from_text)


async def asking(house: House, rows: Sequence[CodeRow]) -> list[str]:
    """What sends nothing: a dry run reads the record."""
    file = str(house.file("asking"))
    for row in rows:
        args = ("submit", "--dry-run", "-", file)
        ended = await house.typed("asking", *args, stdin=raw(row.code))
        assert ended.status == (64 if from_text(row) is None else 0), ended.err
        assert row.wire is None or house.upstream.ledger.readings(row.code)
    return []


# -------------------------------------------------------------------------- programs of one's own


async def embedded(house: House, rows: Sequence[CodeRow]) -> list[str]:
    log, content = io.StringIO(), house.content("embedded")
    settings = load_settings(
        {
            "CV_API_BASE_URL": house.upstream.base_url,
            "CV_SOCKET_URL": house.upstream.socket_url,
            "CV_STATE_DIR": str(house.folder / "own"),
            "CV_LOG_FORMAT": "json",
            "CV_LOG_LEVEL": "debug",
        },
        dotenv=None,
    )
    async with Listener(settings, log=log) as listener:

        async def one(row: CodeRow) -> None:
            reason = None
            try:
                handle = await listener.submit(row.code, content, name=f"{SURNAME}.pdf")
            except InvalidCode as error:
                house.say("embedded", error, repr(error))
                reason = error.reason
            else:
                assert await handle.outcome() == "confirmed"
                house.say("embedded", handle, await handle.submission())
            assert reason == row.refused

        await each(rows, one)
    house.say("embedded", log.getvalue())
    return sendable(rows, exactly)


async def service(house: House, rows: Sequence[CodeRow]) -> list[str]:
    """Straight to the upstream, in a thread."""
    return await _service(house, "service", house.upstream.base_url, rows)


async def _service(house: House, door: str, base: str, rows: Sequence[CodeRow]) -> list[str]:
    content = house.content(door)

    def all_of_them() -> None:
        with CVService(base) as client:
            for row in rows:
                try:
                    client.get_cv_by_code(row.code)
                    client.update_cv_edits(row.code, content)
                    status = 200
                except CVAPIException as error:
                    house.say(door, error, repr(error), error.message)
                    status = error.status_code
                assert status == (400 if row.wire is None else 200)
            house.say(door, repr(client))

    await asyncio.to_thread(all_of_them)
    return sendable(rows, exactly)


async def async_service(house: House, rows: Sequence[CodeRow]) -> list[str]:
    content = house.content("async_service")
    async with AsyncCVService(house.upstream.base_url) as client:

        async def one(row: CodeRow) -> None:
            try:
                await client.get_cv_by_code(row.code)
                await client.update_cv_edits(row.code, content)
                status = 200
            except CVAPIException as error:
                house.say("async_service", error, repr(error), error.message)
                status = error.status_code
            assert status == (400 if row.wire is None else 200)

        await each(rows, one)
        house.say("async_service", repr(client))
    return sendable(rows, exactly)


Door = Callable[[House, Sequence[CodeRow]], Awaitable[list[str]]]
"""Gives each row to the door, and what should have gone out."""

DOORS: tuple[Door, ...] = (
    *(http_api, gateway, manifest, file_name, bare_file_name, sidecar),
    *(code_file, stdin, argument),
    # Last: to the daemon these are other parties, and after their events its lanes rest a while.
    *(embedded, service, async_service, once, asking),
)
A_PROCESS_EACH = frozenset({code_file, stdin, argument, once, asking})
