"""Every named fault does what its name says, on the wire and in the ledger."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from listener.emulator import FAULTS, Emulator, Options, PlanInvalid

from .conftest import Client, Ear
from .test_contract import PDF

POST_FAULTS = sorted(name for name, plan in FAULTS.items() if plan.on == "post")
BROKEN = {"reset", "close", "truncated"}
STATUS = {
    "ok": 200,
    "error": 500,
    "throttled": 429,
    "unavailable": 503,
    "not_found": 404,
    "status_error": 200,
    "unreadable": 200,
    "redirect": 307,
    "slow": 200,
}


@pytest.mark.parametrize("name", POST_FAULTS)
async def test_a_fault_of_an_update(upstream: Emulator, client: Client, name: str) -> None:
    plan = FAULTS[name]
    quick = {"reply_delay_ms": 50} if plan.reply_delay_ms > 50 else {}
    late = {"event_delay_ms": 60} if plan.event_delay_ms > 60 else {}
    upstream.plan("code", name, slow_ms=100, apply_delay_ms=20, **quick, **late)
    if plan.answer == "hang":
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await client.post("code", PDF)
    elif plan.answer in BROKEN:
        with pytest.raises(aiohttp.ClientError):
            await client.post("code", PDF)
    else:
        reply = await client.post("code", PDF)
        assert reply.status == STATUS[plan.answer]
        assert ("retry-after" in reply.headers) == (plan.retry_after_s >= 0)
    (post,) = await upstream.posted("code")
    assert post.fault == name
    if plan.apply == "never":
        assert not post.applied
        assert not upstream.ledger.events("code")
        return
    await upstream.ledger.until(lambda told: told.post(post.number).applied)
    wanted = plan.events + plan.chaff
    await upstream.ledger.until(
        lambda told: len(told.emitted_for_post(post.number)) >= wanted or wanted == 0
    )
    assert len(upstream.ledger.emitted_for_post(post.number)) == wanted
    assert len(upstream.ledger.foreign("code")) == (plan.foreign != "none")


async def test_a_plan_is_for_so_many_requests_of_its_code(
    upstream: Emulator, client: Client
) -> None:
    answer = await client.control("/_plan", code="one", fault="error_before", times=2)
    assert answer.status == 200
    statuses = [(await client.post(code, PDF)).status for code in ("one", "two", "one", "one")]
    assert statuses == [500, 200, 500, 200]


@pytest.mark.parametrize("name", sorted(set(FAULTS) - set(POST_FAULTS) - {"get_hang"}))
async def test_a_fault_of_a_reading(upstream: Emulator, client: Client, name: str) -> None:
    plan = FAULTS[name]
    if plan.answer == "reset":
        # Twice: a reading is idempotent, and aiohttp asks once more by itself.
        upstream.plan("code", name, times=2)
        with pytest.raises(aiohttp.ClientError):
            await client.get("code")
    else:
        upstream.plan("code", name, reply_delay_ms=20)
        reply = await client.get("code")
        assert reply.status == STATUS[plan.answer]
        if plan.omit:
            assert not set(plan.omit) & set(reply.body["data"])
    assert (await client.get("code")).status == 200


def test_a_plan_that_makes_no_sense_is_refused() -> None:
    upstream = Emulator(Options())
    for fault, changes in (("nothing", {}), ("error_before", {"status": 99})):
        with pytest.raises(PlanInvalid):
            upstream.plan("code", fault, **changes)


async def test_the_ledger_over_http_tells_what_the_object_tells(
    upstream: Emulator, client: Client
) -> None:
    await client.post("code", PDF)
    await upstream.ledger.until(lambda told: told.events("code"))
    told = (await client.ledger())["codes"]["code"]
    (post,) = told["posts"]
    assert post["applied"]
    assert post["emitted_for_post"] == 1
    assert post["size"] == len(PDF)
    await client.control("/_reset")
    assert (await client.ledger())["codes"] == {}


async def test_what_the_socket_can_be_made_to_do(
    upstream: Emulator, client: Client, ear: Ear
) -> None:
    assert upstream.socket.clients == 1
    upstream.socket.pause()
    await client.post("held", PDF)
    assert not upstream.ledger.events("held")
    upstream.socket.resume()
    await upstream.ledger.until(lambda told: told.events("held"))
    upstream.socket.deafen()
    await client.post("deaf", PDF)
    (event,) = await upstream.ledger.until(lambda told: told.events("deaf"))
    assert event.receivers == 0
    gone = asyncio.Event()
    ear.sio.on("disconnect", gone.set)
    assert await upstream.socket.kick() == 1
    async with asyncio.timeout(5):
        await gone.wait()


async def test_stopped_and_started_it_keeps_its_port_and_its_ledger(client: Client) -> None:
    upstream = client.upstream
    await client.post("code", PDF)
    port = upstream.port
    await upstream.stop()
    with pytest.raises(aiohttp.ClientConnectorError):
        await client.get("code")
    await upstream.start()
    assert upstream.port == port
    assert (await client.get("code")).status == 200
    assert len(upstream.ledger.posts("code")) == 1
