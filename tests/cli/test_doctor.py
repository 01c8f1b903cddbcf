"""The doctor, against sound and broken upstreams, folders and settings: in this process where that
is enough, as a command where that is what is asked about."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import ssl
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from listener.adapters.journal_sqlite import SqliteJournal
from listener.cli import exits
from listener.cli.doctor.command import examined
from listener.cli.doctor.finding import Finding, Look, exit_status, take_all
from listener.emulator import Emulator, Options
from tests.adapters.socket_source.scripted_server import Peer, ScriptedServer
from tests.adapters.upstream_http.raw_server import Talk, raw_server, reply
from tests.e2e.process import DaemonProcess
from tests.interop.node_server import NodeServer
from tests.tools import ToolMissing

from .terminal import Ended, end, start

SECRET = "hunter2-hunter2"
NOBODY_LISTENS = "http://127.0.0.1:9"

Examine = Callable[..., Awaitable[dict[str, Finding]]]


@pytest.fixture
def examine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Examine:
    """What is found with these settings, by what was looked at."""
    for name in [name for name in os.environ if name.startswith("CV_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)

    async def look(api: str, **settings: object) -> dict[str, Finding]:
        given = {"api_base_url": f"{api}/cv-enhance", "socket_url": api, "state_dir": tmp_path}
        for name, value in (given | settings).items():
            monkeypatch.setenv(f"CV_{name.upper()}", str(value))
        findings = await examined()
        assert SECRET not in repr(findings)
        return {finding.check: finding for finding in findings}

    return look


def verdicts(found: dict[str, Finding], *names: str) -> list[str]:
    return [found[name].verdict.value for name in names]


# ------------------------------------------------------------------------------------ the upstream


async def test_with_a_sound_upstream_all_is_well(examine: Examine) -> None:
    async with Emulator(Options()) as upstream:
        found = await examine(upstream.socket_url)
        assert {f.verdict.value for f in found.values()} <= {"ok", "warn"}
        assert exit_status(found.values()) == 0
        assert "Engine.IO 4" in found["socket"].found
        assert verdicts(found, "settings", "folder", "journal", "daemon", "http") == ["ok"] * 5
        assert "our clock is 0 s" in found["skew"].found
        assert not list(upstream.ledger.posts())


async def test_the_official_server_tells_of_recovery_and_of_its_refusals(examine: Examine) -> None:
    try:
        async with NodeServer(recovery_ms=60_000, namespace="/cv", token=SECRET) as server:
            await self_told(server, examine)
    except ToolMissing as missing:
        pytest.skip(str(missing))


async def self_told(server: NodeServer, examine: Examine) -> None:
    auth = f'{{"token": "{SECRET}"}}'
    found = await examine(server.url, socket_namespace="/cv", socket_auth=auth)
    assert verdicts(found, "upstream", "socket", "recovery") == ["ok"] * 3
    assert "replayed" in found["recovery"].found
    found = await examine(server.url, socket_namespace="/cv", socket_auth='{"token": "no"}')
    assert verdicts(found, "upstream", "socket") == ["ok", "fail"]
    assert "CV_SOCKET_AUTH" in found["socket"].advice
    found = await examine(server.url, socket_namespace="/nowhere", socket_auth=auth)
    assert "invalid_namespace" in found["socket"].found
    assert found["socket"].advice == "check CV_SOCKET_NAMESPACE"
    found = await examine(
        server.url, socket_namespace="/cv", socket_auth=auth, socket_transports="polling"
    )
    assert "over polling" in found["socket"].found
    assert verdicts(found, "recovery") == ["warn"]


async def test_a_server_of_the_generation_before_is_named(examine: Examine) -> None:
    async def of_version_2(peer: Peer) -> None:
        await peer.send('0{"sid":"x","upgrades":[],"pingInterval":25000,"pingTimeout":5000}', "40")
        await peer.gone()

    async with ScriptedServer(of_version_2) as server:
        found = await examine(server.url)
    assert found["socket"].verdict.value == "fail"
    assert "server_2x" in found["socket"].found
    assert "version 3" in found["socket"].advice


async def test_a_server_that_repeats_our_secret_does_not_get_it_shown(examine: Examine) -> None:
    async def refuses(peer: Peer) -> None:
        await peer.open()
        await peer.send('44{"message":"not with hunter2-hunter2"}')
        await peer.gone()

    async with ScriptedServer(refuses) as server:
        found = await examine(server.url, socket_auth=f'{{"key": "{SECRET}"}}')
    assert "refused: not with" in found["socket"].found


async def test_a_port_where_nobody_listens(examine: Examine) -> None:
    found = await examine(NOBODY_LISTENS)
    assert verdicts(found, "upstream", "http", "socket") == ["fail"] * 3
    assert exit_status(found.values()) == 69
    assert "refused" in found["upstream"].found.lower()


async def test_a_name_that_does_not_exist_ends_the_looks_behind_it(examine: Examine) -> None:
    found = await examine("http://no-such-host.invalid")
    assert "cannot be resolved" in found["upstream"].found
    assert "http" not in found
    assert "socket" not in found


LONG_AGO = "Sun, 06 Nov 1994 08:49:37 GMT"


async def html(talk: Talk) -> None:
    while True:
        seen = await talk.request()
        assert seen.line.startswith("GET ")
        await talk.say(reply(b"<html>", "200 OK", "Content-Type: text/html", f"Date: {LONG_AGO}"))


async def test_a_page_for_people_and_a_clock_that_is_off(examine: Examine) -> None:
    async with raw_server(html) as server:
        found = await examine(f"http://127.0.0.1:{server.port}")
        assert verdicts(found, "upstream", "http", "skew", "socket") == [
            "ok",
            "warn",
            "warn",
            "fail",
        ]
        assert "not an API" in found["http"].advice
        assert "ahead of" in found["skew"].found
        assert all(seen.line.startswith("GET ") for seen in server.seen)


async def test_a_redirect_is_told_and_not_followed(examine: Examine) -> None:
    async def moved(talk: Talk) -> None:
        await talk.request()
        await talk.say(reply(b"", "302 Found", f"Location: {NOBODY_LISTENS}/", "Connection: close"))

    async with raw_server(moved) as server:
        found = await examine(f"http://127.0.0.1:{server.port}")
    assert "302" in found["http"].found
    assert found["http"].verdict.value == "fail"


async def test_an_upstream_that_says_nothing_holds_it_up_for_its_bound_alone(
    examine: Examine,
) -> None:
    async def silent(talk: Talk) -> None:
        await talk.stall()

    async with raw_server(silent) as server:
        began = asyncio.get_running_loop().time()
        found = await examine(f"http://127.0.0.1:{server.port}", api_timeout=1)
        assert asyncio.get_running_loop().time() - began < 30
    assert verdicts(found, "upstream", "http", "socket") == ["ok", "fail", "fail"]


# ---------------------------------------------------------------------------------------------- TLS

AUTHORITY = """
[ca]
default_ca = it
[it]
database = index.txt
serial = serial
new_certs_dir = .
default_md = sha256
policy = any
x509_extensions = names
[any]
commonName = supplied
[names]
subjectAltName = IP:127.0.0.1
basicConstraints = CA:TRUE
"""


def openssl(folder: Path, *args: str) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("needs: openssl on PATH")
    subprocess.run(["openssl", *args], check=True, capture_output=True, timeout=30, cwd=folder)


def certificate(folder: Path, begins: str, ends: str) -> ssl.SSLContext:
    """cert.pem and key.pem, signed by itself, for just that time."""
    (folder / "ca.cnf").write_text(AUTHORITY)
    (folder / "index.txt").write_text("")
    (folder / "serial").write_text("01\n")
    new = ("req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost")
    openssl(folder, *new, "-keyout", "key.pem", "-out", "request.pem")
    sign = ("ca", "-batch", "-config", "ca.cnf", "-selfsign", "-keyfile", "key.pem")
    when = ("-startdate", begins, "-enddate", ends)
    openssl(folder, *sign, *when, "-in", "request.pem", "-out", "cert.pem", "-notext")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


async def over_tls(examine: Examine, context: ssl.SSLContext, **settings: object) -> Any:
    async with raw_server(html, tls=context) as server:
        return await examine(f"https://127.0.0.1:{server.port}", **settings)


async def test_a_certificate_that_nobody_vouches_for_or_that_is_over(
    examine: Examine, tmp_path: Path
) -> None:
    context = certificate(tmp_path, "20200101000000Z", "20990101000000Z")
    found = await over_tls(examine, context)
    assert "not trusted: self" in found["upstream"].found
    assert "CV_TLS_CA_FILE" in found["upstream"].advice
    assert found["http"].found == "no HTTP answer (tls failed)"
    found = await over_tls(examine, context, tls_ca_file=tmp_path / "cert.pem")
    assert "its certificate holds for 2" in found["upstream"].found
    assert found["upstream"].verdict.value == "ok"
    (tmp_path / "over").mkdir()
    context = certificate(tmp_path / "over", "20200101000000Z", "20200201000000Z")
    found = await over_tls(examine, context, tls_ca_file=tmp_path / "over" / "cert.pem")
    assert "certificate has expired" in found["upstream"].found


# ------------------------------------------------------------------------- settings, folder, daemon


async def test_settings_that_do_not_hold_are_told_line_by_line(examine: Examine) -> None:
    found = await examine(NOBODY_LISTENS, max_attempts="many")
    assert "CV_MAX_ATTEMPTS" in found["settings"].found
    assert exit_status(found.values()) == 78
    assert "engine" in found


async def test_functions_that_settings_name_are_loaded(examine: Examine) -> None:
    found = await examine(NOBODY_LISTENS, outcome_handlers="log,nowhere.to:be_found")
    assert found["settings"].verdict.value == "fail"
    assert "nowhere.to:be_found" in found["settings"].found
    assert exit_status(found.values()) == 78


async def test_what_others_could_read_is_told_and_how_to_close_it(
    examine: Examine, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text(SECRET)
    (tmp_path / "token").chmod(0o644)
    found = await examine(NOBODY_LISTENS)
    assert "token is open to others (0644)" in found["folder"].found
    assert "chmod" in found["folder"].advice
    assert exit_status(found.values()) == 77
    (tmp_path / "token").chmod(0o600)
    (tmp_path / "journal.db").write_bytes(b"no database at all" * 10)
    (tmp_path / "journal.db").chmod(0o600)
    found = await examine(NOBODY_LISTENS)
    assert verdicts(found, "folder", "journal") == ["ok", "fail"]
    assert exit_status(found.values()) == 74


async def test_a_watched_folder_that_is_not_there_or_open_to_others(
    examine: Examine, tmp_path: Path
) -> None:
    watch, settings = tmp_path / "cvs", {"state_dir": tmp_path / "state"}
    found = await examine(NOBODY_LISTENS, **settings, spool_watch=watch)
    assert (found["watch"].verdict, found["watch"].status) == ("fail", exits.IO_FAILED)
    assert "not there" in found["watch"].found
    watch.mkdir()
    for mode, verdict in ((0o755, "warn"), (0o700, "ok")):
        watch.chmod(mode)
        found = await examine(NOBODY_LISTENS, **settings, spool_watch=watch)
        assert found["watch"].verdict == verdict
    assert list(watch.iterdir()) == []


async def test_a_folder_that_may_not_be_written(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o500)
    # Root minds no modes, and has to be made to.
    obey = (
        "import sys, os; from tests.disks import hurt_daemon as h; os.getuid() or h._obey_modes()"
    )
    doctor = "from listener.cli.root import run; sys.exit(run(['doctor', '--json']))"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", f"{obey}; {doctor}"),
        env={**os.environ, "CV_STATE_DIR": str(state), "CV_API_BASE_URL": f"{NOBODY_LISTENS}/x"},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    ended = await end(process)
    found = {row["check"]: row for row in ended.objects()}
    assert found["folder"]["verdict"] == "fail"
    assert "may not be written" in found["folder"]["found"]
    assert found["fsync"]["verdict"] == "warn"
    assert ended.status == 77


async def doctor(folder: Path, upstream: Emulator, *args: str) -> Ended:
    env = {
        "CV_STATE_DIR": str(folder / "state"),
        "CV_API_BASE_URL": upstream.base_url,
        "CV_SOCKET_URL": upstream.socket_url,
    }
    return await end(await start(folder, "doctor", *args, env=env))


async def test_beside_a_daemon_it_disturbs_nothing(tmp_path: Path) -> None:
    async with (
        Emulator(Options()) as upstream,
        DaemonProcess(tmp_path, upstream.base_url, upstream.socket_url) as daemon,
    ):
        ended = await doctor(tmp_path, upstream, "--json")
        found = {row["check"]: row for row in ended.objects()}
        assert ended.status == 0, ended.out
        assert f"process {daemon.pid} runs at 127.0.0.1:" in found["daemon"]["found"]
        assert found["daemon"]["verdict"] == "ok"
        assert found["journal"]["verdict"] == "ok"
        assert not list(daemon.state_dir.glob(".doctor*"))
        await daemon.kill()
        ended = await doctor(tmp_path, upstream)
        assert "none runs on this state folder" in ended.out
        assert max(map(len, ended.out.splitlines())) <= 80
        # What it was killed over is in the log beside the journal, and is looked at with it.
        assert (daemon.state_dir / "journal.db-wal").stat().st_size > 0
        assert "the newest; no damage found" in " ".join(ended.out.split())
        assert not list(daemon.state_dir.glob(".look*"))


async def test_a_journal_of_which_pages_are_damaged_or_gone(
    examine: Examine, tmp_path: Path
) -> None:
    path = tmp_path / "journal.db"
    await (await SqliteJournal.open(path)).close()
    before = sorted(tmp_path.iterdir())
    found = await examine(NOBODY_LISTENS)
    assert found["journal"].found.endswith("the newest; no damage found")
    with path.open("r+b") as file:
        file.seek(3 * 4096)
        file.write(b"\xa5" * 8 * 4096)
    found = await examine(NOBODY_LISTENS)
    assert (found["journal"].verdict.value, exit_status(found.values())) == ("fail", 74)
    assert "restore" in found["journal"].advice
    assert sorted(tmp_path.iterdir()) == before, "it leaves nothing beside the journal"
    path.write_bytes(b"")
    assert verdicts(await examine(NOBODY_LISTENS), "journal") == ["ok"]
    (tmp_path / "spool").mkdir(mode=0o700)
    (tmp_path / "spool" / "0199a1b2-0000-7000-8000-000000000001").write_bytes(b"x")
    for _ in range(2):
        found = await examine(NOBODY_LISTENS)
        assert (found["journal"].verdict.value, exit_status(found.values())) == ("fail", 74)
        assert "that 1 file in spool/ belongs to" in found["journal"].found
        path.unlink(missing_ok=True)


async def test_an_interrupt_ends_it_and_leaves_nothing(tmp_path: Path) -> None:
    async def silent(talk: Talk) -> None:
        asked.set()
        await talk.stall()

    asked = asyncio.Event()
    async with raw_server(silent) as server:
        url = f"http://127.0.0.1:{server.port}"
        process = await start(tmp_path, "doctor", env={"CV_API_BASE_URL": f"{url}/x"})
        await asked.wait()
        process.send_signal(signal.SIGINT)
        ended = await end(process)
    assert (ended.status, ended.out, ended.err) == (130, "", "")
    assert not list(tmp_path.glob(".doctor*"))


async def test_looks_that_are_interrupted_are_waited_for_until_the_last_has_cleared_up() -> None:
    looking, cleared = asyncio.Event(), asyncio.Event()

    async def at_once() -> list[Finding]:
        await asyncio.Event().wait()
        return []

    async def in_a_while() -> list[Finding]:
        try:
            looking.set()
            await asyncio.Event().wait()
        finally:
            for _ in range(20):
                await asyncio.sleep(0)
            cleared.set()
        return []

    looks = [Look("one", exits.OK, at_once), Look("other", exits.OK, in_a_while)]
    taking = asyncio.ensure_future(take_all(looks, str))
    await looking.wait()
    taking.cancel()
    await asyncio.wait({taking})
    assert taking.cancelled()
    assert cleared.is_set()
