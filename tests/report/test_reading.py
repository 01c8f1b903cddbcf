"""From bytes to lines: what is the daemon's is found, all else is counted, nothing is a crash."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest

from listener.report import reading
from listener.report.reading import Line, Tally, Window, in_order, millis, opened, read

from .script import NOON, accepted, closed, line, sources

CONSOLE = b"12:00:00.000 INFO     submission.accepted      cv_4be1 size=416"


def read_all(
    *files: bytes, taken: set[str] | None = None, window: Window | None = None
) -> tuple[list[Line], Tally]:
    tally = Tally()
    wanted = {"submission.closed"} if taken is None else taken
    return list(read(sources(*files), wanted, window or Window(), tally)), tally


def test_what_is_taken_comes_whole_and_the_rest_by_its_name() -> None:
    lines, tally = read_all(accepted(1) + b"\n" + closed(1, "confirmed") + b"\n")
    assert [(one.at_ms, one.event) for one in lines] == [
        (NOON, "submission.accepted"),
        (NOON + 1_000, "submission.closed"),
    ]
    assert lines[0].fields == {}
    assert lines[1].fields["outcome"] == "confirmed"
    assert (tally.lines, tally.ours, tally.first_ms, tally.last_ms) == (2, 2, NOON, NOON + 1_000)


def test_what_is_loud_comes_whole_whoever_takes_it() -> None:
    (one,), _ = read_all(line("upstream.held", duration_ms=7), taken=set())
    assert one.fields["duration_ms"] == 7


@pytest.mark.parametrize(
    "wrap",
    [
        lambda ours: b"2026-01-31T12:00:00.1Z stdout F " + ours,
        lambda ours: b"Jan 31 12:00:00 host cv-listener[7]: " + ours,
        lambda ours: b"cv-listener-1  | " + ours + b"\r",
        lambda ours: json.dumps({"log": ours.decode() + "\n", "stream": "stdout"}).encode(),
        lambda ours: json.dumps({"MESSAGE": ours.decode(), "_PID": "7"}).encode(),
        lambda ours: json.dumps(dict(reversed(json.loads(ours).items()))).encode(),
        lambda ours: b"  " + ours + b"  ",
    ],
    ids=["cri", "syslog", "compose", "docker", "journald", "another order", "spaces"],
)
def test_a_line_is_found_in_what_others_put_around_it(wrap: Any) -> None:
    (one,), tally = read_all(wrap(closed(1, "confirmed")))
    assert one.fields["outcome"] == "confirmed"
    assert tally.ours == tally.lines == 1


@pytest.mark.parametrize(
    ("given", "counted"),
    [
        (b"hello", "other"),
        (b'{"level":"info","msg":"another program"}', "other"),
        (b"[1,2]", "other"),
        (b"null", "other"),
        (b"\x00\x00\x00", "other"),
        (b"\xff\xfe{", "other"),
        (CONSOLE, "console"),
        (b"\x1b[2m12:00:00.000\x1b[0m \x1b[32mINFO    \x1b[0m \x1b[1mdaemon.ready", "console"),
        (json.dumps({"log": CONSOLE.decode()}).encode(), "console"),
        (closed(1, "confirmed")[:-20], "torn"),
        (closed(1, "confirmed")[:120], "torn"),
        (accepted(1)[:-1], "torn"),
        (closed(1, "confirmed").replace(b"confirmed", b"\xff\xff"), "torn"),
        (closed(1, "confirmed").replace(b"T12:00", b"T12:77"), "torn"),
        (b'{"service":"cv-listener","event":"x.y"}', "torn"),
        (b'{"service":"cv-listener","event":7,"level":[],"timestamp":{}}', "torn"),
        (b'{"service":"cv-listener","x":' + b"[" * 5_000 + b"]" * 5_000 + b"}", "torn"),
    ],
)  # fmt: skip
def test_what_is_not_the_daemons_or_cannot_be_read_is_counted(given: bytes, counted: str) -> None:
    lines, tally = read_all(given + b"\n\n" + closed(1, "confirmed"))
    assert len(lines) == 1
    assert tally.lines == 2
    assert getattr(tally, counted) == 1
    assert tally.other + tally.console + tally.torn + tally.too_long == 1


@pytest.mark.parametrize("block", [1, 7, 1_000, 1 << 20])
def test_lines_are_the_same_however_the_blocks_fall(
    monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(reading, "BLOCK", block)
    monkeypatch.setattr(reading, "LONGEST_LINE", 2_000)
    wanted = closed(1, "confirmed")
    huge = b'{"timestamp":"' + b"x" * 5_000
    lines, tally = read_all(b"\n".join([wanted, huge, b"", wanted, huge]))
    assert [one.fields["outcome"] for one in lines] == ["confirmed", "confirmed"]
    assert (tally.too_long, tally.lines, tally.torn) == (2, 4, 0)


def test_lines_outside_of_the_window_are_counted_alone() -> None:
    files = b"\n".join(accepted(n, at_s=n) for n in range(10))
    lines, tally = read_all(files, window=Window(NOON + 3_000, NOON + 5_000))
    assert [one.at_ms for one in lines] == [NOON + 3_000, NOON + 4_000]
    assert (tally.ours, tally.outside) == (10, 8)


# ---------------------------------------------------------------------------------------- files


def test_gzip_is_unpacked_whatever_its_name(tmp_path: Path) -> None:
    file = tmp_path / "daemon.log.1"
    file.write_bytes(gzip.compress(closed(1, "confirmed")))
    tally = Tally()
    assert len(list(read([(1, opened(str(file)))], set(), Window(), tally))) == 1
    assert tally.broken == []


@pytest.mark.parametrize("damage", ["cut", "garbage after", "flipped"])
def test_of_damaged_gzip_what_could_be_read_is_told(tmp_path: Path, damage: str) -> None:
    text = b"\n".join(closed(n, "confirmed", at_s=n) for n in range(9_000))
    packed = gzip.compress(text, 1)
    file = tmp_path / "daemon.log.gz"
    changed = {
        "cut": packed[: len(packed) // 2],
        "garbage after": packed + b"garbage",
        "flipped": packed[:-8] + bytes([packed[-8] ^ 1]) + packed[-7:],
    }
    file.write_bytes(changed[damage])
    tally = Tally()
    found = len(list(read([(7, opened(str(file)))], set(), Window(), tally)))
    assert found > 3_000
    assert [number for number, _ in tally.broken] == [7]
    assert "gzip" in tally.broken[0][1]
    assert not tally.failed


class _Failing(io.RawIOBase):
    def __init__(self, data: bytes) -> None:
        self._data = data

    def read(self, size: int = -1) -> bytes:
        data, self._data = self._data, b""
        if not data:
            raise OSError(5, "Input/output error")
        return data


def test_a_file_that_the_system_cannot_read_on_is_told() -> None:
    tally = Tally()
    failing = cast("BinaryIO", _Failing(closed(1, "confirmed")))
    assert len(list(read([(1, failing)], set(), Window(), tally))) == 1
    assert tally.broken == [(1, "the system says: Input/output error")]
    assert tally.failed


def test_files_are_read_in_order_of_their_first_lines_and_once(tmp_path: Path) -> None:
    def file(name: str, data: bytes) -> str:
        (tmp_path / name).write_bytes(data)
        return str(tmp_path / name)

    late = file("a.log", b"other\n" + accepted(1, at_s=100))
    early = file("b.log.2.gz", gzip.compress(accepted(1, at_s=-100)))
    untold = file("c.log", b"nothing")
    (tmp_path / "again.log").hardlink_to(late)
    given = [untold, late, early, str(tmp_path / "again.log"), early]
    assert in_order(given) == [(3, early), (2, late), (1, untold)]


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("2026-01-31T12:00:00Z", NOON),
        ("2026-01-31T13:00:00.5+01:00", NOON + 500),
        ("2026-01-31T12:00:00", None),
        ("yesterday", None),
        ("", None),
        (7, None),
        ("2026-01-31T12:00:00Z" * 9, None),
    ],
)
def test_moments(text: object, ms: int | None) -> None:
    assert millis(text) == ms
