"""Outcome handlers of the real process: told, failing, killed in between."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from standardwebhooks import Webhook

from listener.emulator import Emulator, Options
from tests.adapters.socket_source.ear import eventually
from tests.handlers.receiver import Receiver

from .process import ROOT, DaemonProcess, no_code_in

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
CODE = "Cv9E#nH4$xTz8!pY2aW^mK6rL"
SAMPLE = next(file for file in sorted((ROOT / "demo").iterdir()) if file.suffix == ".pdf")


def the_program(folder: Path) -> Path:
    """Notes each run, and fails at the first one."""
    file = folder / "on outcome"
    file.write_text(
        f"#!{sys.executable}\nimport json, os, sys\n"
        f"with open({str(folder / 'runs')!r}, 'a') as runs:\n"
        "    print(json.dumps([sys.argv[1:], dict(os.environ), json.load(sys.stdin)]), file=runs)\n"
        f"sys.exit('not yet' if sum(1 for _ in open({str(folder / 'runs')!r})) == 1 else 0)\n"
    )
    file.chmod(0o700)
    return file


async def test_each_handler_is_told_and_one_that_fails_repeats_no_other(tmp_path: Path) -> None:
    file, runs = the_program(tmp_path), tmp_path / "runs"
    async with (
        Emulator(Options(extract=False)) as upstream,
        Receiver() as receiver,
        Receiver(lambda _: "500") as channel,
        DaemonProcess(
            tmp_path,
            upstream.base_url,
            upstream.socket_url,
            outcome_handlers="log,webhook,chat,program",
            webhook_url=receiver.url,
            webhook_secret=SECRET,
            chat_url=channel.url,
            program=f"'{file}' --channel 'the ops'",
        ) as daemon,
    ):
        name = await daemon.submit(CODE, SAMPLE)
        assert name is not None
        shown = (await daemon.closed([name], 60))[name]
        await receiver.until(1)
        await eventually(lambda: runs.exists() and runs.read_text().count("\n") == 2)
        await eventually(lambda: "handler.recovered" in daemon.output.read_text())
        assert await daemon.stop() == 0
        (post,) = receiver.received
        assert channel.received == [], "what is confirmed is not for the channel"
    assert Webhook(SECRET).verify(post.body, dict(post.headers))["data"] == shown
    first, second = (json.loads(line) for line in runs.read_text().splitlines())
    assert first == second
    argv, environ, told = first
    assert (argv, told) == (["--channel", "the ops"], shown)
    assert environ["CV_OUTCOME"] == "confirmed"
    assert not [name for name in environ if name.startswith("CV_") and "OUTCOME" not in name]
    (failed,) = (line for line in daemon.lines() if line["event"] == "handler.failed")
    assert (failed["handler"], failed["tries"], failed["submission_id"]) == ("program", 1, name)
    assert failed["error"] == "expected exit status 0, found 1: not yet"
    assert failed["retry_in_s"] < 2
    assert post.body.count(b"cv_code") == 0
    no_code_in(daemon, [CODE])
    for secret in (SECRET, receiver.url, channel.url):
        assert secret not in daemon.output.read_text()


async def test_killed_between_delivery_and_crossing_off_it_is_delivered_again_as_the_same(
    tmp_path: Path,
) -> None:
    async with (
        Emulator(Options(extract=False)) as upstream,
        Receiver() as receiver,
        DaemonProcess(
            tmp_path,
            upstream.base_url,
            upstream.socket_url,
            module="tests.kills.doomed",
            outcome_handlers="webhook",
            webhook_url=receiver.url,
            webhook_secret=SECRET,
        ) as daemon,
    ):
        await daemon.stop()
        daemon.environ = {
            "DOOMED_AT": "reaction.handled:1",
            "DOOMED_TOLD": str(tmp_path / "told"),
            "DOOMED_REACTIONS": str(tmp_path / "reactions"),
        }
        await daemon.start()
        name = await daemon.submit(CODE, SAMPLE)
        assert name is not None
        assert await daemon.ended(60) == -9
        daemon.environ = {}
        await daemon.start()
        await receiver.until(2)
        assert (await daemon.closed([name], 60))[name]["outcome"] == "confirmed"
        assert await daemon.stop() == 0
        await daemon.start()
        assert await daemon.stop() == 0
    first, again = receiver.received
    assert first.headers["webhook-id"] == again.headers["webhook-id"]
    assert first.body == again.body
    for post in (first, again):
        Webhook(SECRET).verify(post.body, dict(post.headers))


async def test_a_receiver_that_is_gone_is_told_of_and_left_alone(tmp_path: Path) -> None:
    async with (
        Emulator(Options(extract=False)) as upstream,
        Receiver(lambda _: "410") as receiver,
        DaemonProcess(
            tmp_path,
            upstream.base_url,
            upstream.socket_url,
            outcome_handlers="log,webhook",
            webhook_url=receiver.url,
            webhook_secret=SECRET,
        ) as daemon,
    ):
        ids = [await daemon.submit(f"{CODE}{number}", SAMPLE) for number in range(2)]
        await daemon.closed([name for name in ids if name is not None], 60)
        await eventually(lambda: daemon.output.read_text().count("outcome.reported") == 2)
        await eventually(lambda: "handler.disabled" in daemon.output.read_text())
        assert len(receiver.received) <= 2
        receiver.answer = lambda _: "ok"
        assert await daemon.stop() == 0
        before = len(receiver.received)
        await daemon.start()
        await receiver.until(before + 2)
        assert await daemon.stop() == 0
    lines = [line for line in daemon.lines() if line["event"] == "handler.disabled"]
    assert {(line["reason"], line["level"]) for line in lines} == {("gone", "critical")}
    told = [post.json["data"]["id"] for post in receiver.received[before:]]
    assert sorted(told) == sorted(str(name) for name in ids)


UNRULY = """
import asyncio, threading, time
from pathlib import Path
from listener.ports.reaction import HandlerFailed

async def endless(submission):
    with Path("endless").open("a") as calls:
        print("called", file=calls)
    raise HandlerFailed("later", again_in_s=float("inf"))

async def swallows(submission):
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            Path("swallowed").touch()

async def blocks(submission):
    await asyncio.to_thread(threading.Event().wait)
"""


async def test_whatever_functions_do_the_daemon_goes_on_ends_and_says_what_would_not(
    tmp_path: Path,
) -> None:
    (tmp_path / "unruly.py").write_text(UNRULY)
    calls = tmp_path / "endless"
    names = ["unruly:endless", "unruly:swallows", "unruly:blocks"]
    async with (
        Emulator(Options(extract=False)) as upstream,
        DaemonProcess(
            tmp_path,
            upstream.base_url,
            upstream.socket_url,
            outcome_handlers=",".join(names),
            handler_timeout=0.5,
        ) as daemon,
    ):
        assert await daemon.submit(CODE, SAMPLE) is not None
        await eventually(lambda: calls.exists() and calls.read_text().count("called") >= 2)
        await eventually((tmp_path / "swallowed").exists)
        assert await daemon.stop() == 0
    (line,) = (line for line in daemon.lines() if line["event"] == "task.abandoned")
    task, thread = line["left"]
    assert task == "handler unruly:swallows"
    assert thread.startswith("worker unruly:blocks_0 at ")
    assert daemon.lines()[-1] == line, "and nothing is written after it, by nobody"
