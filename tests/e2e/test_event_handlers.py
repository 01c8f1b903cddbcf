"""Functions for other events, of the real process: told in order, and again after a kill."""

from __future__ import annotations

import json
from pathlib import Path

from tests.adapters.socket_source.ear import eventually
from tests.adapters.socket_source.python_server import PythonServer

from .process import DaemonProcess

SECRET = "Cv9E#nH4$xTz8!pY2aW^mK6rL"
HOOKS = """
import asyncio, json
from pathlib import Path
from listener.ports.inbound import InboundEvent

async def on_viewed(event: InboundEvent) -> None:
    with open("told", "a") as told:
        print(json.dumps([event.sequence, event.name, event.args]), file=told)
    if not Path("released").exists():
        await asyncio.Event().wait()

async def failing(event: InboundEvent) -> None:
    raise ValueError(event.args)
"""


async def test_killed_between_hearing_and_handling_it_is_told_again_in_order(
    tmp_path: Path,
) -> None:
    (tmp_path / "hooks.py").write_text(HOOKS)
    told = tmp_path / "told"

    def lines() -> list[list[object]]:
        return [json.loads(line) for line in told.read_text().splitlines()]

    async with (
        PythonServer() as server,
        DaemonProcess(
            tmp_path,
            "http://127.0.0.1:9/cv-enhance",
            server.url,
            event_handlers="cv_viewed=hooks:on_viewed,cv_viewed=hooks:failing",
        ) as daemon,
    ):
        await eventually(lambda: "subscription.established" in daemon.output.read_text())
        for number in range(3):
            await server.emit({"cv_code": SECRET, "n": number}, event="cv_viewed")
        await server.emit({"cv_code": SECRET})
        await eventually(lambda: daemon.output.read_text().count('"event.stored"') == 6)
        await eventually(lambda: told.exists() and len(lines()) == 1)
        await eventually(lambda: "handler.failed" in daemon.output.read_text())
        figures = await daemon.metrics()
        for name, waiting, failures in (("on_viewed", 3, 0), ("failing", 3, 1)):
            of = f'{{handler="hooks:{name}"}}'
            assert figures[f"cv_listener_handler_waiting{of}"] == waiting
            assert figures[f"cv_listener_handler_failures_total{of}"] >= failures
            assert figures[f"cv_listener_handler_disabled{of}"] == 0
        await daemon.kill()
        (tmp_path / "released").touch()
        await daemon.start()
        await eventually(lambda: len(lines()) == 4)
        assert await daemon.stop() == 0
    expected = [[n + 1, "cv_viewed", [{"cv_code": SECRET, "n": n}]] for n in range(3)]
    assert lines() == [expected[0], *expected]
    told_of = daemon.output.read_text()
    failed = [line for line in daemon.lines() if line["event"] == "handler.failed"]
    assert {(line["handler"], line["heard_event"], line["seq"]) for line in failed} == {
        ("hooks:failing", "cv_viewed", 1)
    }
    assert {line["error_type"] for line in failed} == {"ValueError"}
    assert SECRET not in told_of
    handled = [line["seq"] for line in daemon.lines() if line["event"] == "event.handled"]
    assert handled == [1, 2, 3]
