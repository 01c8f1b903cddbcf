"""The server's own life: probes, start and stop, too many and too quiet clients."""

from __future__ import annotations

import asyncio
import gc
import json
import stat
from pathlib import Path

import httpx
import pytest

from listener.adapters.web import Scope, Tokens, WebServer, state_token
from listener.core.evidence import PostResult
from listener.core.names import PostKind
from listener.service.service import ServicePolicy
from tests.fakes.journal_memory import MemoryJournal

from .rig import ALL, Daemon, Lines, RealClock, daemon, until


async def test_the_probes_need_no_token_and_no_name(house: Daemon) -> None:
    headers = {"Host": "any.example", "Authorization": ""}
    alive = await house.http.get("/livez", headers=headers)
    assert (alive.status_code, alive.text) == (200, "alive\n")
    ready = await house.http.get("/readyz", headers=headers)
    assert (ready.status_code, ready.json()) == (200, {"ready": True})
    verbose = (await house.http.get("/readyz?verbose", headers=headers)).json()
    assert [check["name"] for check in verbose["checks"] if check["required"]] == [
        "journal",
        "recovery",
        "intake",
    ]


async def test_the_probes_speak_as_they_are_asked(house: Daemon) -> None:
    json_, text = {"Accept": "application/json"}, {"Accept": "text/plain, application/json"}
    alive = await house.http.get("/livez", headers=json_)
    assert alive.json() == {"alive": True}
    verbose = (await house.http.get("/livez?verbose", headers=json_)).json()
    assert [check["name"] for check in verbose["checks"]] == ["loop", "journal"]
    alive = await house.http.get("/livez?verbose")
    assert alive.text == "alive\n[+] loop: turns\n[+] journal: answers\n"
    ready = await house.http.get("/readyz?verbose", headers=text)
    assert ready.headers["Content-Type"].startswith("text/plain")
    assert ready.text.splitlines()[:2] == ["ready", "[+] journal: answers"]
    house.service.stop()
    ready = await house.http.get("/readyz?verbose", headers=text)
    assert ready.status_code == 503
    assert ready.text.startswith("not ready: intake: draining\n")
    assert "[-] intake: draining\n" in ready.text


async def test_a_journal_that_hangs_fails_the_probes_and_each_says_so(tmp_path: Path) -> None:
    written = asyncio.Event()
    written.set()

    async def pause() -> None:
        await written.wait()

    journal = MemoryJournal(pause=pause)
    policy = ServicePolicy(journal_silent_s=0.8)
    async with daemon(tmp_path, journal=journal, policy=policy) as house:
        written.clear()
        slow = await house.http.get("/livez")
        ready = await house.http.get("/readyz")
        dead = await house.http.get("/livez")
        assert (slow.status_code, ready.status_code, dead.status_code) == (200, 503, 503)
        assert ready.json()["reasons"][0].startswith("journal: no answer for 2.")
        assert dead.text.startswith("not alive: journal: no answer for ")
        dead = await house.http.get("/livez", headers={"Accept": "application/json"})
        assert (dead.status_code, dead.json()["alive"]) == (503, False)
        written.set()
        assert (await house.http.get("/readyz")).status_code == 200
        assert (await house.http.get("/livez")).status_code == 200


async def test_one_that_does_not_listen_is_ready_and_says_why(house: Daemon) -> None:
    house.ear.lose_for_good("server_disconnect")
    await until(lambda: house.service.hearer.deaf_reason is not None)
    checks = (await house.http.get("/readyz?verbose")).json()["checks"]
    (subscription,) = [check for check in checks if check["name"] == "subscription"]
    assert (subscription["ok"], subscription["required"]) == (False, False)
    assert "(server_disconnect)" in subscription["detail"]
    (sending,) = [check for check in checks if check["name"] == "sending"]
    assert (sending["ok"], sending["required"]) == (False, False)
    assert "updates wait for it to listen until " in sending["detail"]


async def test_one_to_whom_the_upstream_fails_says_that_nothing_is_sent(house: Daemon) -> None:
    failed = PostResult(PostKind.POSSIBLY_SENT, "http_500", 500)
    house.upstream.ends = [(failed, None)] * house.service.policy.breaker_failures
    for number in range(house.service.policy.breaker_failures):
        await house.post(code=f"fails-{number}")
    await until(lambda: bool(house.log.of("upstream.circuit_opened")))
    told = (await house.http.get("/v1/status")).json()
    assert (told["ready"], told["gate"]) == (True, "circuit")
    (sending,) = [check for check in told["checks"] if not check["ok"]]
    at = told["gate_until"][11:19]
    assert sending == {
        "name": "sending",
        "ok": False,
        "required": False,
        "detail": f"circuit open (http_500), next try at {at} UTC",
    }
    assert sending in (await house.http.get("/readyz?verbose")).json()["checks"]


async def test_one_of_whom_the_upstream_wants_quiet_says_until_when(house: Daemon) -> None:
    house.upstream.ends = [
        (PostResult(PostKind.THROTTLED, "throttled", 429, retry_after_ms=20_000), None)
    ]
    await house.post()
    await until(lambda: bool(house.log.of("upstream.held")))
    told = (await house.http.get("/v1/status")).json()
    (sending,) = [check for check in told["checks"] if not check["ok"]]
    at = told["gate_until"][11:19]
    assert (told["gate"], sending["name"]) == ("hold", "sending")
    assert sending["detail"] == f"the upstream asked for quiet until {at} UTC"


async def test_one_that_reads_no_record_says_so(house: Daemon) -> None:
    readings, now = house.service.enquirer.breaker, RealClock().now_ms()
    for _ in range(house.service.policy.breaker_failures):
        readings.record(False, now, "timeout")
    checks = (await house.http.get("/v1/status")).json()["checks"]
    (wrong,) = [check for check in checks if check["name"] == "readings"]
    assert not wrong["ok"]
    assert wrong["detail"].startswith("paused (timeout), next try ")


async def test_it_says_where_it_is_while_it_runs(tmp_path: Path) -> None:
    async with daemon(tmp_path) as house:
        assert stat.S_IMODE(house.address_file.stat().st_mode) == 0o600
        told = json.loads(house.address_file.read_text())
        assert (told["host"], told["port"]) == ("127.0.0.1", house.web.port)
        assert house.log.of("intake.opened") == [{"host": "127.0.0.1", "port": house.web.port}]
    assert not house.address_file.exists()


async def test_another_daemons_address_is_left_alone(tmp_path: Path) -> None:
    async with daemon(tmp_path) as house:
        told = json.loads(house.address_file.read_text())
        house.address_file.write_text(json.dumps({**told, "pid": 1}))
    assert house.address_file.exists()


async def test_an_address_that_is_taken_is_a_fault_and_leaves_nothing(house: Daemon) -> None:
    file = house.address_file.with_name("second.json")
    second = WebServer(
        # Never asked: it does not come to listen.
        None,  # type: ignore[arg-type]  # no front is needed to fail
        Lines(),
        Tokens({ALL: Scope.ADMIN}),
        port=house.web.port,
        address_file=file,
    )
    with pytest.raises(OSError, match="address already in use"):
        await second.start()
    assert not file.exists()
    await second.stop()


async def test_who_waits_is_answered_at_the_stop(tmp_path: Path) -> None:
    async with daemon(tmp_path) as house:
        house.upstream.open.clear()
        waiting = asyncio.create_task(house.post(headers={"Prefer": "wait=300"}))
        await house.upstream.arrived.wait()
        await house.web.stop()
        answer = await waiting
        assert answer.status_code == 202
        assert answer.json()["state"] == "sending"
        with pytest.raises(httpx.ConnectError):
            await house.http.get("/livez")


async def test_a_waiter_that_leaves_is_forgotten(house: Daemon) -> None:
    house.upstream.open.clear()
    location = (await house.post()).headers["Location"]
    await house.upstream.arrived.wait()
    before = len(asyncio.all_tasks())
    writers = []
    for _ in range(50):
        _, writer = await asyncio.open_connection("127.0.0.1", house.web.port)
        writer.write(
            f"GET {location} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {ALL}\r\n"
            "Prefer: wait=300\r\n\r\n".encode()
        )
        writers.append(writer)
    await until(lambda: len(asyncio.all_tasks()) >= before + 100)
    for writer in writers:
        writer.close()
        await writer.wait_closed()
    await until(lambda: len(asyncio.all_tasks()) <= before)


async def test_one_connection_too_many_is_told_to_come_back(tmp_path: Path) -> None:
    async with daemon(tmp_path, connections=3) as house:
        pairs = [await asyncio.open_connection("127.0.0.1", house.web.port) for _ in range(3)]
        for _, writer in pairs:
            writer.write(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        for reader, _ in pairs:
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        answer = await house.raw(b"")
        assert answer.startswith(b"HTTP/1.1 503")
        assert b"Retry-After" in answer
        for _, writer in pairs:
            writer.close()
            await writer.wait_closed()
        await until(lambda: not house.web.connected)
        assert (await house.http.get("/livez")).status_code == 200


@pytest.mark.parametrize("sent", [b"", b"GET /livez HTTP/1.1\r\nHost: loc"])
async def test_a_client_that_says_too_little_is_let_go(tmp_path: Path, sent: bytes) -> None:
    async with daemon(tmp_path, idle_timeout_s=0.2) as house:
        assert await house.raw(sent) == b""


async def test_thousands_of_requests_leave_nothing_behind(house: Daemon) -> None:
    async def ask(count: int) -> None:
        for _ in range(count):
            answer = await house.http.get("/v1/submissions", headers={"Authorization": "Bearer x"})
            assert answer.status_code == 401

    await ask(50)
    gc.collect()
    tasks, objects = len(asyncio.all_tasks()), len(gc.get_objects())
    await asyncio.gather(*(ask(100) for _ in range(20)))
    async with house.http.stream("GET", "/livez"):
        pass
    gc.collect()
    # Each kept connection of the client has a task; each forgotten request would be an object.
    assert len(asyncio.all_tasks()) < tasks + 40
    assert len(gc.get_objects()) < objects + 10_000


async def test_a_token_is_made_once_and_kept_private(tmp_path: Path) -> None:
    path = tmp_path / "token"
    token = state_token(path)
    assert len(token) >= 40
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert state_token(path) == token
    Tokens({token: Scope.ADMIN}).check(f"bearer {token}", Scope.ADMIN)


@pytest.mark.parametrize("tokens", [{}, {"": Scope.READ}, {"two words": Scope.READ}])
def test_tokens_that_no_header_can_carry(tokens: dict[str, Scope]) -> None:
    with pytest.raises(ValueError, match="expected"):
        Tokens(tokens)
