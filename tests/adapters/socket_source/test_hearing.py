"""One suite over both servers and both paths: what is emitted is heard, once, in order."""

from __future__ import annotations

import pytest

from listener.adapters.socket_source import OnConnect
from listener.core.names import CvCode, GapReason
from listener.ports.event_source import ConnectFailed, Listening, Lost

from .conftest import Start
from .ear import Ear, codes, eventually


async def test_what_is_emitted_is_heard(start: Start, fast_path: bool) -> None:
    server = await start()
    async with Ear(server.url, first_seq=41, fast_path=fast_path) as ear:
        listening = await ear.until(Listening)
        assert (listening.recovered, listening.transport) == (False, "websocket")
        assert listening.gap_reason is GapReason.STARTED
        await server.emit({"cv_code": "Cv9E#nH4$xTz8!", "status": "processing"}, {"cv_code": "b"})
        first, second = await ear.hear(2)
        assert codes([first, second]) == ["Cv9E#nH4$xTz8!", "b"]
        assert (first.seq, second.seq) == (41, 42)
        assert first.payload == '{"status":"processing"}'
        assert not first.replayed and first.acknowledge is None and first.problem is None
        assert "Cv9E" not in repr(first)


async def test_a_burst_is_heard_in_order(start: Start, fast_path: bool) -> None:
    server = await start()
    async with Ear(server.url, fast_path=fast_path) as ear:
        await ear.until(Listening)
        await server.burst(5000)
        events = await ear.hear(5000)
        assert codes(events) == [f"code-{number}" for number in range(5000)]
        assert [event.seq for event in events] == list(range(1, 5001))


async def test_every_kind_of_event_keeps_its_place(start: Start, fast_path: bool) -> None:
    server = await start()
    async with Ear(server.url, fast_path=fast_path) as ear:
        await ear.until(Listening)
        for number in range(20):
            await server.emit({"cv_code": f"plain-{number}"})
            await server.emit({"cv_code": f"ack-{number}"}, how="ack")
            await server.emit({"cv_code": f"other-{number}"}, event="something_else")
            await server.emit({"cv_code": f"binary-{number}"}, how="binary")
        wanted = [f"{kind}-{n}" for n in range(20) for kind in ("plain", "ack", "binary")]
        assert codes(await ear.hear(60)) == wanted


async def test_an_ack_goes_out_after_the_commit(start: Start, fast_path: bool) -> None:
    server = await start()

    async def acked(count: int) -> bool:
        return len((await server.status())["acks"]) >= count

    async with Ear(server.url, fast_path=fast_path) as ear:
        await ear.until(Listening)
        await server.emit({"cv_code": "a"}, {"cv_code": "b"}, how="ack")
        first, second = await ear.hear(2)
        assert first.acknowledge is not None and second.acknowledge is not None
        await second.acknowledge()
        await eventually(lambda: acked(1))
        assert (await server.status())["acks"] == ["b"]
        await first.acknowledge()
        await first.acknowledge()
        await eventually(lambda: acked(2))
        assert (await server.status())["acks"] == ["b", "a"]


async def test_an_ack_to_a_connection_that_is_gone_harms_nobody(
    start: Start, fast_path: bool
) -> None:
    server = await start()
    async with Ear(server.url, fast_path=fast_path) as ear:
        await ear.until(Listening)
        await server.emit({"cv_code": "a"}, how="ack")
        (event,) = await ear.hear(1)
        await server.drop()
        await ear.until(Lost)
        assert event.acknowledge is not None
        await event.acknowledge()
        await ear.until(Listening)
        assert (await server.status())["acks"] == []


async def test_a_server_that_disconnects_us_is_connected_to_again(
    start: Start, fast_path: bool
) -> None:
    server = await start()
    async with Ear(server.url, fast_path=fast_path) as ear:
        await ear.until(Listening)
        await server.emit({"cv_code": "before"})
        await server.kick()
        assert codes(await ear.hear(1)) == ["before"]
        assert (await ear.until(Lost)).reason == "server_disconnect"
        again = await ear.until(Listening)
        assert not again.recovered and again.gap_reason is GapReason.NO_RECOVERY_OFFERED
        await server.emit({"cv_code": "after"})
        assert codes(await ear.hear(1)) == ["after"]


async def test_a_disconnect_in_the_moment_of_the_connection_is_not_overlooked(
    start: Start, fast_path: bool
) -> None:
    server = await start(kick_on_connect=3)
    async with Ear(server.url, fast_path=fast_path) as ear:
        for _ in range(3):
            await ear.until(Listening)
            assert (await ear.until(Lost)).reason == "server_disconnect"
        await ear.until(Listening)
        await server.emit({"cv_code": "heard"})
        assert codes(await ear.hear(1)) == ["heard"]


async def test_cuts_and_restarts_are_outlived(start: Start, fast_path: bool) -> None:
    server = await start()
    async with Ear(server.url, fast_path=fast_path) as ear:
        for number in range(4):
            await ear.until(Listening)
            await server.emit({"cv_code": f"round-{number}"})
            assert codes(await ear.hear(1)) == [f"round-{number}"]
            await (server.restart() if number % 2 else server.drop())
            lost = await ear.until(Lost)
            assert (lost.reason, lost.overflow) == ("transport_closed", False)


async def test_a_namespace_of_its_own(start: Start, fast_path: bool) -> None:
    server = await start(namespace="/cv", path="/live/socket")
    options = {"namespace": "/cv", "path": "/live/socket"}
    async with Ear(server.url, fast_path=fast_path, **options) as ear:
        await ear.until(Listening)
        await server.emit({"cv_code": "a"})
        await server.emit({"cv_code": "b"}, how="ack")
        assert codes(await ear.hear(2)) == ["a", "b"]
        await server.kick()
        assert (await ear.until(Lost)).reason == "server_disconnect"


async def test_an_event_with_a_name_that_json_may_escape(start: Start, fast_path: bool) -> None:
    name = 'größe "1"'
    server = await start(event=name)
    async with Ear(server.url, fast_path=fast_path, event=name) as ear:
        await ear.until(Listening)
        await server.emit({"cv_code": "a"})
        assert codes(await ear.hear(1)) == ["a"]


async def test_polling_alone(start: Start, fast_path: bool) -> None:
    server = await start(transports=("polling",))
    async with Ear(server.url, fast_path=fast_path, transports=("polling",)) as ear:
        listening = await ear.until(Listening)
        assert (listening.transport, listening.gap_reason) == ("polling", GapReason.STARTED)
        await server.burst(500)
        assert codes(await ear.hear(500)) == [f"code-{number}" for number in range(500)]
        await server.emit({"cv_code": "a"}, how="ack")
        (event,) = await ear.hear(1)
        assert event.acknowledge is not None
        await server.kick()
        assert (await ear.until(Lost)).reason == "server_disconnect"
        assert (await ear.until(Listening)).gap_reason is GapReason.POLLING


@pytest.mark.parametrize("transports", [("polling",), ("websocket",)])
async def test_headers_go_with_every_request(
    start: Start, fast_path: bool, transports: tuple[str, ...]
) -> None:
    server = await start(header="Bearer s3cr3t", transports=transports)
    headers = {"Authorization": "Bearer wrong"}
    options = {"transports": transports, "headers": lambda: headers}
    async with Ear(server.url, fast_path=fast_path, **options) as ear:
        refused = await ear.until(ConnectFailed)
        assert refused.refused and refused.reason in {"http_401", "http_403", "http_400"}
        headers = {"Authorization": "Bearer s3cr3t"}
        await ear.until(Listening)
        await server.burst(20)
        await ear.hear(20)
        await server.emit({"cv_code": "a"}, how="ack")
        (event,) = await ear.hear(1)
        assert event.acknowledge is not None
        await event.acknowledge()
        await server.emit({"cv_code": "b"})
        assert codes(await ear.hear(1)) == ["b"]


async def test_polling_upgraded_to_a_websocket(start: Start, fast_path: bool) -> None:
    server = await start()
    async with Ear(server.url, fast_path=fast_path, transports=("polling", "websocket")) as ear:
        assert (await ear.until(Listening)).transport == "websocket"
        await server.burst(200)
        assert codes(await ear.hear(200)) == [f"code-{number}" for number in range(200)]


async def test_a_refusal_is_named_and_ended_by_a_new_token(start: Start, fast_path: bool) -> None:
    server = await start(token="the-new-token")
    tokens = iter(["an-old-token", "an-old-token"])

    def auth() -> dict[str, str]:
        return {"token": next(tokens, "the-new-token")}

    async with Ear(server.url, fast_path=fast_path, auth=auth) as ear:
        for failures in (1, 2):
            refused = await ear.until(ConnectFailed)
            assert (refused.reason, refused.refused) == ("refused", True)
            assert (refused.failures, refused.detail) == (failures, "not authorized")
        await ear.until(Listening)
        assert not [signal for signal in ear.signals if isinstance(signal, Lost)]


async def test_a_namespace_that_is_not_there(start: Start, fast_path: bool) -> None:
    server = await start()
    async with Ear(server.url, fast_path=fast_path, namespace="/nobody") as ear:
        refused = await ear.until(ConnectFailed)
        assert refused.refused and refused.reason in {"invalid_namespace", "refused"}


async def test_what_subscribes_us_is_sent_after_every_connection(
    start: Start, fast_path: bool
) -> None:
    server = await start(join="subscribe")
    on_connect = [OnConnect("subscribe", ("cv", {"all": True}))]
    async with Ear(server.url, fast_path=fast_path, on_connect=on_connect) as ear:
        for number in range(3):
            await ear.until(Listening)
            assert (await server.status())["joins"] == number + 1
            await server.emit({"cv_code": f"round-{number}"})
            assert codes(await ear.hear(1)) == [f"round-{number}"]
            await server.drop()


async def test_a_subscription_that_is_refused(start: Start, fast_path: bool) -> None:
    server = await start(join="subscribe", join_answer={"status": "error"})
    on_connect = [OnConnect("subscribe")]
    async with Ear(server.url, fast_path=fast_path, on_connect=on_connect) as ear:
        failed = await ear.until(ConnectFailed)
        assert (failed.reason, failed.refused) == ("subscribe_refused", True)


async def test_a_subscription_that_nobody_acknowledges(start: Start, fast_path: bool) -> None:
    server = await start()
    on_connect = [OnConnect("nobody_knows_this", (), 0.05)]
    async with Ear(server.url, fast_path=fast_path, on_connect=on_connect) as ear:
        failed = await ear.until(ConnectFailed)
        assert (failed.reason, failed.refused) == ("subscribe_timeout", False)
        assert "nobody_knows_this" in failed.detail


async def test_pings_keep_a_quiet_connection(start: Start, fast_path: bool) -> None:
    server = await start(ping_interval_ms=100, ping_timeout_ms=2000)
    async with Ear(server.url, fast_path=fast_path) as ear:
        await ear.until(Listening)
        before = ear.source.last_frame_ms
        assert before is not None
        await eventually(lambda: (ear.source.last_frame_ms or 0) >= before + 500)
        await server.emit({"cv_code": "still"})
        assert codes(await ear.hear(1)) == ["still"]
        assert len(ear.signals) == 2


async def test_pending_until_it_is_handed_out(start: Start, fast_path: bool) -> None:
    server = await start()
    async with Ear(server.url, fast_path=fast_path) as ear:
        await ear.until(Listening)
        await server.emit({"cv_code": "a"}, {"cv_code": "b"}, {"cv_code": "a"})
        await eventually(lambda: ear.source.queue.events == 3)
        pending = ear.source.pending
        a, b, c = CvCode("a"), CvCode("b"), CvCode("c")
        assert pending(a) and pending(b) and not pending(c)
        await ear.source.next_batch(2)
        assert pending(a) and not pending(b)
        await ear.source.next_batch(2)
        assert not pending(a)
