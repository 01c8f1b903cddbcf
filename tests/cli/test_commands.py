"""Commands against a running daemon, each a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.adapters.web.rig import ALL, CODE, PDF, READ, Daemon, daemon, docx, pdf_of, until

from .terminal import cli, end, start


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Daemon]:
    """A daemon whose state folder is the command's, with a CV in it."""
    (tmp_path / "cv.pdf").write_bytes(PDF)
    (tmp_path / "cv.docx").write_bytes(docx())
    (tmp_path / "token").write_text(ALL + "\n")
    async with daemon(tmp_path) as running:
        yield running


async def submitted(tmp_path: Path, *more: str, code: str = CODE) -> str:
    """Submit one, not waiting; its id."""
    ended = await cli(tmp_path, "submit", "--json", *more, "--", code, "cv.pdf")
    assert ended.status == 0, ended.err
    return str(ended.objects()[0]["id"])


async def test_submitting_tells_the_id_and_waiting_the_outcome(
    house: Daemon, tmp_path: Path
) -> None:
    ended = await cli(tmp_path, "submit", CODE, "cv.pdf", "--wait")
    assert (ended.status, ended.err) == (0, "")
    assert "confirmed (exclusive)" in ended.out
    assert max(map(len, ended.out.splitlines())) <= 80
    ended = await cli(tmp_path, "submit", CODE, "cv.pdf", "cv.docx", "--wait", "--json")
    assert [shown["outcome"] for shown in ended.objects()] == ["confirmed", "confirmed"]
    ended = await cli(tmp_path, "submit", CODE, "cv.docx")
    assert (ended.status, len(ended.out.splitlines())) == (0, 2)
    assert CODE not in ended.out


@pytest.mark.parametrize("line", [CODE.encode(), CODE.encode() + b"\n", CODE.encode() + b"\r\n"])
async def test_a_code_comes_from_stdin_or_a_file(
    house: Daemon, tmp_path: Path, line: bytes
) -> None:
    ended = await cli(tmp_path, "submit", "-", "cv.pdf", "--wait", stdin=line)
    assert ended.status == 0, ended.err
    (tmp_path / "code").write_bytes(line)
    ended = await cli(tmp_path, "submit", "--code-file", "code", "cv.pdf", "--wait")
    assert ended.status == 0, ended.err
    assert [code for code, _, _ in house.upstream.posted] == [CODE, CODE]


async def test_a_code_may_be_any_text(house: Daemon, tmp_path: Path) -> None:
    codes = ["-x", "--wait", " padded ", "päß/wörd?", "a%20b", "%"]
    for code in codes:
        await submitted(tmp_path, "--wait", code=code)
    assert [code for code, _, _ in house.upstream.posted] == codes


async def test_a_file_may_have_any_name(house: Daemon, tmp_path: Path) -> None:
    name = os.fsdecode(b"\xff.pdf")
    (tmp_path / "cv.pdf").rename(tmp_path / name)
    (tmp_path / "all.csv").write_bytes(b"cv_code,path\none," + b"\xff.pdf\n")
    for args in (["submit", CODE, name, "--wait"], ["submit", "--manifest", "all.csv", "--wait"]):
        ended = await cli(tmp_path, *args)
        assert ended.status == 0, ended.err
    assert house.upstream.posted == [(CODE, PDF, ".pdf"), ("one", PDF, ".pdf")]


async def test_the_worst_outcome_is_the_exit_status(house: Daemon, tmp_path: Path) -> None:
    house.upstream.open.clear()
    process = await start(tmp_path, "submit", CODE, "cv.pdf", "cv.docx", "--wait", "--json")
    await house.upstream.arrived.wait()
    second: list[str] = []
    while not second:
        listed = await cli(tmp_path, "list", "--state", "queued", "--json")
        second = [shown["id"] for shown in listed.objects()]
    ended = await cli(tmp_path, "cancel", second[0], "--json")
    assert (ended.status, ended.objects()[0]["outcome"]) == (0, "cancelled")
    house.upstream.open.set()
    ended = await end(process)
    assert [shown["outcome"] for shown in ended.objects()] == ["confirmed", "cancelled"]
    assert ended.status == 4


async def test_listing_and_showing(house: Daemon, tmp_path: Path) -> None:
    assert (await cli(tmp_path, "list")).err == "none yet: cv-listener submit CODE FILE\n"
    ids = [await submitted(tmp_path, "--wait", code=f"code-{number}") for number in range(3)]
    ended = await cli(tmp_path, "list", "--json", "--limit", "2")
    assert [shown["id"] for shown in ended.objects()] == ids[:0:-1]
    ended = await cli(tmp_path, "list", "--all", "--outcome", "confirmed")
    assert [line.split()[0] for line in ended.out.splitlines()] == ["id", *reversed(ids)]
    assert max(map(len, ended.out.splitlines())) <= 80
    ended = await cli(tmp_path, "list", "--outcome", "rejected")
    assert (ended.status, ended.out, ended.err) == (0, "", "none\n")
    ended = await cli(tmp_path, "show", ids[0])
    assert ended.status == 0
    for said in (ids[0], "confirmed", "enhancement", "cv_id 456", "UTC"):
        assert said in ended.out
    ended = await cli(tmp_path, "show", ids[0].upper(), "--json")
    assert ended.objects()[0]["id"] == ids[0]
    ended = await cli(tmp_path, "show", ids[0].replace("7000", "7fff"))
    assert (ended.status, ended.out) == (64, "")


async def test_gaps_are_listed(house: Daemon, tmp_path: Path) -> None:
    house.upstream.open.clear()
    await submitted(tmp_path)
    await house.upstream.arrived.wait()
    await house.deaf("polling")
    ended = await cli(tmp_path, "gaps")
    heading, newest, oldest = ended.out.splitlines()
    assert heading.startswith("since (UTC)")
    assert newest.split()[3:] == ["s", "polling", "1", "1", "open"]
    assert oldest.split()[4:] == ["started", "0"]
    house.upstream.open.set()
    ended = await cli(tmp_path, "gaps", "--json", "--limit", "1")
    assert [gap["reason"] for gap in ended.objects()] == ["polling"]
    assert len((await cli(tmp_path, "gaps", "--all", "--json")).objects()) == 2


async def test_the_status_is_told(house: Daemon, tmp_path: Path) -> None:
    await submitted(tmp_path, "--wait")
    ended = await cli(tmp_path, "status")
    assert ended.status == 0
    assert f"ready, at 127.0.0.1:{house.web.port}" in ended.out
    assert "confirmed 1" in ended.out
    assert (await cli(tmp_path, "status", "--json")).objects()[0]["closed"] == {"confirmed": 1}


@pytest.mark.parametrize(
    ("name", "content", "status", "said"),
    [
        ("empty.pdf", b"", 64, "The CV file is empty"),
        ("text.pdf", b"text", 64, "no PDF and no DOCX"),
        ("large.pdf", pdf_of(300_000), 64, "too large"),
    ],
)
async def test_a_refusal_ends_with_its_status(
    house: Daemon, tmp_path: Path, name: str, content: bytes, status: int, said: str
) -> None:
    (tmp_path / name).write_bytes(content)
    ended = await cli(tmp_path, "submit", CODE, "cv.pdf", name)
    assert ended.status == status
    assert said in ended.err
    assert "FILE 2 of 2" in ended.err
    assert "1 accepted before it" in ended.err
    assert CODE not in ended.err


async def test_a_token_that_does_not_reach(house: Daemon, tmp_path: Path) -> None:
    for token in ("wrong-token", READ):
        ended = await cli(tmp_path, "submit", CODE, "cv.pdf", env={"CV_INTAKE_TOKEN": token})
        assert ended.status == 77
        assert "CV_INTAKE_TOKEN" in ended.err
        assert token not in ended.err
    (tmp_path / "token").unlink()
    assert (await cli(tmp_path, "status")).status == 77


@pytest.mark.parametrize(
    "args",
    [["status"], ["list"], ["gaps"], ["submit", "X", "cv.pdf", "--wait"], ["show", "0" * 36]],
)
async def test_without_a_daemon_it_is_said_how_to_start_one(
    tmp_path: Path, args: list[str]
) -> None:
    (tmp_path / "cv.pdf").write_bytes(PDF)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: nobody else gets the port either
        port = str(taken.getsockname()[1])
        ended = await cli(tmp_path, *args, env={"CV_INTAKE_PORT": port})
    assert (ended.status, ended.out) == (69, "")
    assert f"no daemon answers at 127.0.0.1:{port}" in ended.err
    assert "cv-listener run" in ended.err
    ended = await cli(tmp_path, *args, env={"CV_INTAKE_PORT": "0"})
    assert ended.status == 69
    assert "no daemon runs on" in ended.err
    assert "cv-listener run" in ended.err


async def test_what_is_no_daemon_is_said(tmp_path: Path) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = str(server.sockets[0].getsockname()[1])
        ended = await cli(tmp_path, "status", env={"CV_INTAKE_PORT": port})
    assert ended.status == 69
    assert "is no cv-listener" in ended.err


async def test_an_interrupted_wait_says_what_is_still_on_its_way(
    house: Daemon, tmp_path: Path
) -> None:
    house.upstream.open.clear()
    process = await start(tmp_path, "submit", CODE, "cv.pdf", "--wait")
    await house.upstream.arrived.wait()
    # It waits once its second request is in: the daemon holds a connection with a handler then.
    async with asyncio.timeout(60):
        while not house.service.bulletin._waiters:  # noqa: ASYNC110 - a process: nothing to await
            await asyncio.sleep(0.01)
    process.send_signal(signal.SIGINT)
    ended = await end(process)
    assert ended.status == 130
    assert "still on their way: 0199a1b2" in ended.err
    assert "Traceback" not in ended.err


async def test_a_reader_that_leaves_ends_it_quietly(house: Daemon, tmp_path: Path) -> None:
    for number in range(3):
        await submitted(tmp_path, code=f"code-{number}")
    for args in (["list", "--json"], ["list"], ["--help"]):
        await without_reader(tmp_path, *args)


async def without_reader(tmp_path: Path, *args: str) -> None:
    process = await start(tmp_path, *args)
    assert process.stdout is not None
    process.stdout._transport.close()  # type: ignore[attr-defined]  # the reading end, before it writes
    ended = await end(process)
    assert (ended.status, ended.err) == (141, "")


async def test_a_daemon_that_restarts_is_waited_for(tmp_path: Path) -> None:
    (tmp_path / "cv.pdf").write_bytes(PDF)
    (tmp_path / "token").write_text(ALL)
    async with daemon(tmp_path) as house:
        house.upstream.open.clear()
        process = await start(tmp_path, "submit", CODE, "cv.pdf", "--wait", "--json")
        await house.upstream.arrived.wait()
        port = house.web.port
    async with daemon(tmp_path, port=port) as house:
        house.upstream.emits = True
        # What was sending is in doubt now; its event is what closes it.
        house.ear.hear(CODE)
        ended = await end(process)
    assert ended.objects()[0]["outcome"] == "confirmed", ended.err
    assert ended.status == 0


async def test_explaining_tells_what_it_means_and_its_story(house: Daemon, tmp_path: Path) -> None:
    name = await submitted(tmp_path, "--wait")
    ended = await cli(tmp_path, "explain", name.upper())
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.startswith("It ended as confirmed; its event was heard")
    assert "means       Its event was heard: both jobs were dispatched." in ended.out
    lines = ended.out.splitlines()
    assert [line for line in lines if line.endswith("attempt 1 begins; the record was read before")]
    assert "closed as confirmed, exclusive" in lines[-1]
    assert max(map(len, lines)) <= 80
    assert CODE not in ended.out
    [told] = (await cli(tmp_path, "explain", name, "--json")).objects()
    assert told["submission"]["id"] == name
    assert told["story"][-1]["event"] == "submission.closed"
    assert (await cli(tmp_path, "explain", CODE)).status == 64


async def test_tail_shows_what_happens_and_what_happened(house: Daemon, tmp_path: Path) -> None:
    name = await submitted(tmp_path, "--wait")
    ended = await cli(
        tmp_path, "tail", "--after", "0", "--submission", name, "--until-closed", "--json"
    )
    assert (ended.status, ended.err) == (0, "")
    told = ended.objects()
    assert told[0]["event"] == "submission.accepted"
    assert (told[-1]["event"], told[-1]["outcome"]) == ("submission.closed", "confirmed")
    after = told[-2]["sequence"]
    ended = await cli(tmp_path, "tail", "--after", after, "--submission", name, "--until-closed")
    assert (ended.status, len(ended.out.splitlines())) == (0, 1)
    assert f"submission.closed        {name}  outcome=confirmed" in ended.out
    assert CODE not in ended.out
    assert (await cli(tmp_path, "tail", "--until-closed")).status == 64
    # Closed already, and whatever is shown of it, it ends.
    of_it = ("tail", "--submission", name, "--until-closed", "--json")
    ended = await cli(tmp_path, *of_it, "--event", "attempt.began")
    assert (ended.status, [told["event"] for told in ended.objects()]) == (0, ["attempt.began"])
    gone = "0199a1b2-0000-7000-8000-ffffffffffff"
    beyond = ("tail", "--submission", name, "--until-closed", "--after", "1000000")
    ended = await cli(tmp_path, *beyond)
    assert (ended.status, ended.out) == (0, ""), "it closed before that, and does not close again"
    ended = await cli(tmp_path, "tail", "--submission", gone, "--until-closed")
    assert (ended.status, "found none by that id" in ended.err) == (64, True)
    ended = await cli(tmp_path, "tail", "--after", "yesterday")
    assert ended.status == 64
    assert "as an earlier event's id gave it" in ended.err


async def test_tail_shows_the_shapes_of_what_is_received_and_no_values(
    house: Daemon, tmp_path: Path
) -> None:
    for more in (["--json"], []):
        process = await start(tmp_path, "tail", "--raw-shape", *more)
        await until(lambda: house.ear.overhearing.watched)
        house.ear.overhearing.frame('42["cv_updated",{"cv_code":"' + CODE + '","id":7}]')
        house.ear.overhearing.frame('42["cv_moved",{"' + CODE + '":1}]')
        house.ear.overhearing.frame("42[")
        assert process.stdout is not None
        async with asyncio.timeout(60):
            lines = [(await process.stdout.readline()).decode() for _ in range(3)]
        process.send_signal(signal.SIGINT)
        ended = await end(process)
        assert ended.status == 130
        assert "never values" in ended.err
        assert CODE not in "".join(lines)
        if more:
            told = [json.loads(line) for line in lines]
            assert [one["understood"] for one in told] == ["yes", "other_event", "no_event"]
            assert told[0]["arguments"] == [{"object": {"cv_code": "string", "id": "integer"}}]
        else:
            assert lines[0][14:] == (
                "understood            cv_updated in /  {cv_code: string, id: integer}\n"
            )
            assert lines[1].endswith("cv_moved in /  {(1 hidden): integer}\n")
            assert lines[2].endswith("(unreadable, 3 bytes)\n")
        await until(lambda: not house.ear.overhearing.watched)
    assert (await cli(tmp_path, "tail", "--raw-shape", "--after", "0")).status == 64
    (tmp_path / "token").write_text(READ)
    assert (await cli(tmp_path, "tail", "--raw-shape")).status == 77


async def test_tail_picks_outcomes_and_says_how_to_go_on(house: Daemon, tmp_path: Path) -> None:
    house.upstream.emits = False
    name = await submitted(tmp_path)
    await cli(tmp_path, "cancel", name)
    house.upstream.emits = True
    other = await submitted(tmp_path, "--wait", code="another")
    process = await start(tmp_path, "tail", "--since", "0", "--outcome", "confirmed", "--json")
    assert process.stdout is not None
    async with asyncio.timeout(60):
        told = json.loads(await process.stdout.readline())
    process.send_signal(signal.SIGINT)
    ended = await end(process)
    assert (told["submission_id"], told["outcome"]) == (other, "confirmed")
    assert ended.err.startswith("go on with --after ")
    assert (await cli(tmp_path, "tail", "--submission", CODE)).status == 64


async def test_a_tail_of_no_daemon_ends_at_once(tmp_path: Path) -> None:
    ended = await cli(tmp_path, "tail", env={"CV_INTAKE_PORT": "1"})
    assert (ended.status, "start one: cv-listener run" in ended.err) == (69, True)


async def test_tail_goes_on_after_a_daemon_that_came_back(tmp_path: Path) -> None:
    (tmp_path / "cv.pdf").write_bytes(PDF)
    (tmp_path / "token").write_text(ALL + "\n")
    async with daemon(tmp_path) as running:
        port = running.web.port
        first = await submitted(tmp_path, "--wait", code="first")
        following = await start(tmp_path, "tail", "--after", "0", "--json")
    async with daemon(tmp_path, port=port):
        second = await submitted(tmp_path, "--wait", code="second")
        told: list[dict[str, str]] = []
        async with asyncio.timeout(60):
            while len([one for one in told if one["event"] == "submission.closed"]) < 2:
                assert following.stdout is not None
                told.append(json.loads(await following.stdout.readline()))
        following.send_signal(signal.SIGINT)
        assert (await end(following)).status == 130
    closed = [one["submission_id"] for one in told if one["event"] == "submission.closed"]
    assert closed == [first, second]
    sequences = [one["sequence"] for one in told]
    assert len(set(sequences)) == len(sequences)
