"""A manifest's rows, all of them and none twice; a dry run; and the daemon's own commands."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest

from listener.cli import bulk
from listener.cli.daemon import Daemon as CliDaemon
from listener.cli.daemon import find
from listener.emulator import Emulator, Options
from listener.ports.journal import Query
from tests.adapters.web.rig import ALL, CODE, PDF, Daemon, daemon

from .terminal import cli, end, start


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Daemon]:
    (tmp_path / "cv.pdf").write_bytes(PDF)
    (tmp_path / "token").write_text(ALL + "\n")
    async with daemon(tmp_path) as running:
        yield running


def written(path: Path, rows: Iterable[tuple[str, str]], heading: str = "cv_code,path") -> Path:
    with path.open("w", newline="") as file:
        file.write(heading + "\n" if heading else "")
        csv.writer(file).writerows(rows)
    return path


def results(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


async def test_every_row_is_submitted_once_however_often_it_is_given(
    house: Daemon, tmp_path: Path
) -> None:
    (tmp_path / "cvs").mkdir()
    codes = [f'{CODE}-{number}, "quoted"' for number in range(40)]
    for number in range(40):
        (tmp_path / f"cvs/{number}.pdf").write_bytes(PDF + b"%d" % number)
    written(tmp_path / "all.csv", [(code, f"cvs/{n}.pdf") for n, code in enumerate(codes)])
    for _ in range(2):
        ended = await cli(tmp_path, "submit", "--manifest", "all.csv", "--wait")
        assert ended.status == 0, ended.err
        assert "40 rows: 40 confirmed; all.results.csv" in ended.err
        told = results(tmp_path / "all.results.csv")
        assert sorted(int(row["line"]) for row in told) == list(range(2, 42))
        assert {row["outcome"] for row in told} == {"confirmed"}
        assert len({row["id"] for row in told}) == 40
        assert (tmp_path / "all.results.csv").stat().st_mode & 0o777 == 0o600
        assert CODE not in (tmp_path / "all.results.csv").read_text() + ended.err
        assert sorted(code for code, _, _ in house.upstream.posted) == sorted(codes)
    ended = await cli(tmp_path, "submit", "--manifest", "all.csv", "--wait", "--run", "again")
    assert ended.status == 0, ended.err
    assert len(house.upstream.posted) == 80


async def test_rows_of_one_code_are_accepted_in_their_order(house: Daemon, tmp_path: Path) -> None:
    """The last of them is what is to stand, though it is smaller, and many are under way."""
    sizes = [100_000, 80_000, 60_000, 40_000, 100, 10, 10]
    for number, size in enumerate(sizes[:-1]):
        (tmp_path / f"{number}.pdf").write_bytes(PDF + b"%" * size)
    rows = [(CODE, f"{min(number, 5)}.pdf") for number in range(len(sizes))]
    manifest = written(tmp_path / "all.csv", rows)
    ended = await cli(tmp_path, "submit", "--manifest", "all.csv", "--parallel", "7")
    assert ended.status == 0, ended.err
    told = sorted(results(tmp_path / "all.results.csv"), key=lambda row: int(row["line"]))
    found = await house.journal.submissions(Query())
    accepted = [stored.submission for stored in reversed(found)]
    assert [s.file.size - len(PDF) for s in accepted] == sizes[:-1]
    assert [row["id"] for row in told[:-1]] == [s.id for s in accepted]
    assert told[-1]["id"] == told[-2]["id"], "the same code and file are the same submission"
    before = manifest.read_text()
    ended = await cli(tmp_path, "submit", "--manifest", "all.csv", "--results", "./all.csv")
    assert (ended.status, manifest.read_text()) == (64, before)


async def test_a_row_that_does_not_hold_and_nothing_is_submitted(
    house: Daemon, tmp_path: Path
) -> None:
    rows = [("good", "cv.pdf"), ("..", "cv.pdf"), ("good", "no.pdf"), ("alone",)]
    written(tmp_path / "bad.csv", rows)  # type: ignore[arg-type]  # one is too short on purpose
    ended = await cli(tmp_path, "submit", "--manifest", "bad.csv")
    assert ended.status == 64
    assert "3 of 4 rows do not hold, and nothing was submitted" in ended.err
    for line in ("line 3: expected a cv_code, found only dots", "line 4: ", "line 5: expected a"):
        assert line in ended.err
    assert house.upstream.posted == []
    for name in ("no.csv", "."):
        assert (await cli(tmp_path, "submit", "--manifest", name)).status == 64
    written(tmp_path / "none.csv", [])
    assert (await cli(tmp_path, "submit", "--manifest", "none.csv")).status == 64
    ended = await cli(tmp_path, "submit", "--manifest", "none.csv", CODE, "cv.pdf")
    assert "takes no CODE" in ended.err


@pytest.mark.parametrize("heading", ["file,Code", "", "\ufeffcv_code,path"])
async def test_headings_of_all_kinds(house: Daemon, tmp_path: Path, heading: str) -> None:
    row = ("cv.pdf", CODE) if heading.startswith("file") else (CODE, "cv.pdf")
    written(tmp_path / "one.csv", [row], heading)
    ended = await cli(tmp_path, "submit", "--manifest", "one.csv", "--results", "out.csv")
    assert ended.status == 0, ended.err
    assert len(results(tmp_path / "out.csv")) == 1


async def test_a_code_that_goes_back_to_what_it_had_is_updated_again(
    house: Daemon, tmp_path: Path
) -> None:
    """A later row replaced it; only a row that repeats the one before it is that one."""
    (tmp_path / "other.pdf").write_bytes(PDF + b"%other")
    rows = [(CODE, name) for name in ("cv.pdf", "other.pdf", "cv.pdf", "cv.pdf")]
    written(tmp_path / "back.csv", rows)
    for _ in range(2):
        ended = await cli(tmp_path, "submit", "--manifest", "back.csv", "--json")
        assert ended.status == 0, ended.err
        told = sorted(ended.objects(), key=lambda row: row["line"])
        ids = [row["id"] for row in told]
        assert (len(set(ids)), ids[2]) == (3, ids[3])
        found = await house.journal.submissions(Query())
        sizes = [stored.submission.file.size for stored in reversed(found)]
        assert sizes == [len(PDF), len(PDF) + 6, len(PDF)]


def test_all_rows_wait_together_and_say_so_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    patience = bulk._Patience()
    assert not patience.over("no daemon answers")
    now[0] = bulk.PATIENCE_S - 1
    assert not patience.over("no daemon answers")
    patience.renew()
    now[0] += 2
    assert not patience.over("no room")
    now[0] += bulk.PATIENCE_S + 1
    assert patience.over("no room")
    said = capsys.readouterr().err.splitlines()
    assert said == [
        f"waiting, 10 minutes at most: {why}" for why in ("no daemon answers", "no room")
    ]


async def test_what_is_no_file_is_refused_and_waited_for_by_nobody(
    house: Daemon, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe.pdf")
    written(tmp_path / "pipes.csv", [(CODE, "pipe.pdf")])
    ended = await cli(tmp_path, "submit", "--manifest", "pipes.csv")
    assert ended.status == 64
    ended = await cli(tmp_path, "submit", CODE, "pipe.pdf")
    assert ended.status == 64
    assert "found a pipe or a device" in ended.err


async def test_another_separator_is_named(tmp_path: Path) -> None:
    (tmp_path / "semicolons.csv").write_text(f"cv_code;path\n{CODE};cv.pdf\n")
    ended = await cli(tmp_path, "submit", "--manifest", "semicolons.csv")
    assert "expected a code and a path with a comma between them" in ended.err
    assert CODE not in ended.err


async def test_an_interrupt_says_how_to_go_on_and_going_on_repeats_nothing(
    house: Daemon, tmp_path: Path
) -> None:
    written(tmp_path / "many.csv", [(f"code-{number}", "cv.pdf") for number in range(60)])
    house.upstream.open.clear()
    command = await start(tmp_path, "submit", "--manifest", "many.csv", "--wait", "--parallel", "4")
    async with asyncio.timeout(30):
        await house.upstream.arrived.wait()
    command.send_signal(signal.SIGINT)
    ended = await end(command)
    assert ended.status == 130
    assert "nothing is submitted twice" in ended.err
    house.upstream.open.set()
    ended = await cli(tmp_path, "submit", "--manifest", "many.csv", "--wait")
    assert ended.status == 0, ended.err
    assert sorted(code for code, _, _ in house.upstream.posted) == sorted(
        f"code-{number}" for number in range(60)
    )


async def test_the_gravest_row_is_the_exit_status(house: Daemon, tmp_path: Path) -> None:
    (tmp_path / "no-cv.pdf").write_bytes(b"MZ no CV at all")
    written(tmp_path / "mixed.csv", [("one", "cv.pdf"), ("two", "no-cv.pdf")])
    ended = await cli(tmp_path, "submit", "--manifest", "mixed.csv", "--wait")
    assert ended.status == 64
    told = {row["line"]: row for row in results(tmp_path / "mixed.results.csv")}
    assert told["2"]["outcome"] == "confirmed"
    assert "PDF" in told["3"]["error"]


async def test_a_dry_run_reads_the_record_and_sends_nothing(tmp_path: Path) -> None:
    (tmp_path / "cv.pdf").write_bytes(PDF)
    (tmp_path / "empty.pdf").write_bytes(b"")
    async with Emulator(Options(extract=False)) as upstream:
        env = {"CV_API_BASE_URL": upstream.base_url, "CV_STATE_DIR": str(tmp_path / "state")}
        ended = await cli(tmp_path, "submit", "--dry-run", CODE, "cv.pdf", env=env)
        assert ended.status == 0, ended.err
        assert "would be sent" in ended.out
        assert "was sent or stored" in ended.out
        assert CODE not in ended.out + ended.err
        ended = await cli(
            tmp_path, "submit", "--dry-run", CODE, "cv.pdf", "empty.pdf", "--json", env=env
        )
        assert ended.status == 64
        [told] = ended.objects()
        assert told["files"][1]["problem"].startswith("expected a PDF")
        assert not upstream.ledger.posts()
        assert len(upstream.ledger.readings()) == 2
    ended = await cli(tmp_path, "submit", "--dry-run", CODE, "cv.pdf", env=env)
    assert ended.status == 69
    assert not (tmp_path / "state").exists()


async def test_pause_holds_back_and_resume_sends(house: Daemon, tmp_path: Path) -> None:
    assert (await cli(tmp_path, "pause")).status == 0
    ended = await cli(tmp_path, "submit", CODE, "cv.pdf", "--json")
    assert ended.status == 0
    ended = await cli(tmp_path, "status")
    assert "paused" in ended.out
    assert house.upstream.posted == []
    assert (await cli(tmp_path, "resume", "--json")).status == 0
    async with asyncio.timeout(30):
        await house.upstream.arrived.wait()


async def test_a_daemon_that_started_anew_at_another_port_is_found(
    house: Daemon, tmp_path: Path
) -> None:
    """What was shown the daemon is not shown again to whoever has its old port."""
    told = json.loads((tmp_path / "intake.json").read_text())
    with socket.create_server(("127.0.0.1", 0)) as old:
        (tmp_path / "intake.json").write_text(json.dumps({**told, "port": old.getsockname()[1]}))
        with CliDaemon(lambda: find(tmp_path, "127.0.0.1", 0, None)) as daemon:
            before = daemon.shown
            (tmp_path / "intake.json").write_text(json.dumps(told))
            daemon.look_again()
            assert daemon.shown == f"127.0.0.1:{told['port']}" != before
            (tmp_path / "intake.json").unlink()
            daemon.look_again()
            assert daemon.shown == f"127.0.0.1:{told['port']}", "none is there: the last is kept"
