"""What is emitted once connected: in order, each acknowledged, after every connection but those
that were recovered."""

from __future__ import annotations

import pytest

from listener.adapters.socket_source import OnConnect
from listener.core.names import GapReason
from listener.ports.event_source import ConnectFailed, Listening, Lost, Resume

from .conftest import Start
from .ear import Ear, codes, eventually
from .scripted_server import Peer, ScriptedServer

SAID = ['421["login",{"as":"cv"}]', '422["join","cvs"]', '423["ready"]']
EMITS = [OnConnect("login", ({"as": "cv"},)), OnConnect("join", ("cvs",)), OnConnect("ready")]


async def test_each_is_sent_once_the_one_before_was_acknowledged(fast_path: bool) -> None:
    said: list[str | None] = []

    async def scene(peer: Peer) -> None:
        await peer.open()
        await peer.admit()
        for number in (1, 2, 3):
            said.append(await peer.receive())
            # Before its answer nothing more is said: what comes next is the answer to a ping.
            await peer.send("2")
            said.append(await peer.receive())
            await peer.event(f"before-{number}")
            await peer.send(f"43{number}[]")
        await peer.event("after")
        await peer.gone()

    async with (
        ScriptedServer(scene) as server,
        Ear(server.url, fast_path=fast_path, on_connect=EMITS) as ear,
    ):
        signals = [await ear.next() for _ in range(5)]
        told = [getattr(signal, "code", type(signal)) for signal in signals]
        # Only after the last are we subscribed.
        assert told == ["before-1", "before-2", "before-3", Listening, "after"]
    assert said == [SAID[0], "3", SAID[1], "3", SAID[2], "3"]


@pytest.mark.parametrize("no", ['[{"ok":false}]', '[{"error":"who are you?"}]'])
async def test_after_a_refusal_nothing_more_is_asked(no: str, fast_path: bool) -> None:
    said: list[str | None] = []

    async def scene(peer: Peer) -> None:
        await peer.open()
        await peer.admit()
        said.append(await peer.receive())
        await peer.send(f"431{no}")
        while said[-1] is not None:
            said.append(await peer.receive())

    async with (
        ScriptedServer(scene) as server,
        Ear(server.url, fast_path=fast_path, on_connect=EMITS) as ear,
    ):
        failed = await ear.until(ConnectFailed)
        assert (failed.reason, failed.refused) == ("subscribe_refused", True)
        assert failed.detail == "login was refused"
        await eventually(lambda: None in said)
        assert said[:2] == [SAID[0], None]
        assert not [signal for signal in ear.signals if isinstance(signal, Listening)]


async def test_one_of_several_that_is_not_acknowledged(fast_path: bool) -> None:
    async def scene(peer: Peer) -> None:
        await peer.open()
        await peer.admit()
        assert await peer.receive() == SAID[0]
        await peer.send("431[]")
        assert await peer.receive() == SAID[1]
        # An answer to nothing, and one to what was answered before.
        await peer.send("437[]", "431[]")
        await peer.gone()

    emits = [EMITS[0], OnConnect("join", ("cvs",), 0.1), EMITS[2]]
    async with (
        ScriptedServer(scene) as server,
        Ear(server.url, fast_path=fast_path, on_connect=emits) as ear,
    ):
        failed = await ear.until(ConnectFailed)
        assert (failed.reason, failed.refused) == ("subscribe_timeout", False)
        assert failed.detail == "join was not acknowledged in 0.1 s"


async def test_who_wants_no_answer_asks_for_none_and_waits_for_none(fast_path: bool) -> None:
    said: list[str | None] = []

    async def scene(peer: Peer) -> None:
        await peer.open()
        await peer.admit()
        said.extend([await peer.receive(), await peer.receive()])
        await peer.gone()

    emits = [OnConnect("login", ({"as": "cv"},), None), OnConnect("join", ("cvs",), None)]
    async with (
        ScriptedServer(scene) as server,
        Ear(server.url, fast_path=fast_path, on_connect=emits) as ear,
    ):
        await ear.until(Listening)
        await eventually(lambda: len(said) == 2)
    assert said == ['42["login",{"as":"cv"}]', '42["join","cvs"]']


async def test_a_connection_that_ends_while_an_answer_is_awaited_says_why(fast_path: bool) -> None:
    async def scene(peer: Peer) -> None:
        await peer.open()
        await peer.admit()
        await peer.receive()
        await peer.send("41")
        await peer.gone()

    async with (
        ScriptedServer(scene) as server,
        Ear(server.url, fast_path=fast_path, on_connect=EMITS) as ear,
    ):
        assert (await ear.until(ConnectFailed)).reason == "server_disconnect"


async def test_it_is_repeated_unless_the_session_was_recovered(fast_path: bool) -> None:
    """Sessions are told apart by their ids: the second connection recovers, the third does not."""
    sessions = iter(["first", "first", "second", "second"])
    joined: list[str] = []

    async def scene(peer: Peer) -> None:
        offered = (await peer.open()).get("pid")
        pid = next(sessions)
        await peer.admit(pid)
        if offered != pid:
            assert await peer.receive() == '421["join","cvs"]'
            joined.append(pid)
            await peer.send("431[]")
        await peer.event("heard", f"offset-of-{pid}")

    async with (
        ScriptedServer(scene) as server,
        Ear(
            server.url,
            fast_path=fast_path,
            on_connect=[EMITS[1]],
            resume=Resume("from the journal", "1"),
        ) as ear,
    ):
        told = []
        for _ in range(4):
            listening = await ear.until(Listening)
            told.append((listening.recovered, listening.gap_reason))
            await ear.until(Lost)
    assert told == [
        (False, GapReason.NOT_RECOVERED),
        (True, None),
        (False, GapReason.NOT_RECOVERED),
        (True, None),
    ]
    assert joined == ["first", "second"]


async def test_where_the_official_server_must_be_asked_a_restart_is_asked_again(
    start_node: Start, fast_path: bool
) -> None:
    server = await start_node(join="join", recovery_ms=60_000)
    async with Ear(server.url, fast_path=fast_path, on_connect=[EMITS[1]]) as ear:
        for number, end in enumerate((server.drop, server.restart, server.kick)):
            await ear.until(Listening)
            await server.emit({"cv_code": f"round-{number}"})
            assert codes(await ear.hear(1)) == [f"round-{number}"]
            await end()
        await ear.until(Listening)
        await server.emit({"cv_code": "last"})
        assert codes(await ear.hear(1)) == ["last"]
        # Not after the cut, for that was recovered.
        assert (await server.status())["joins"] == 3
