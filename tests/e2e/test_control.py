"""The real process is paused, killed, resumed and drained over HTTP."""

from __future__ import annotations

from pathlib import Path

from listener.emulator import Emulator, Options

from .process import ROOT, DaemonProcess, no_code_in

CODE = "Cv9E#nH4$xTz8!pY2aW^mK6rL"
SAMPLE = sorted((ROOT / "demo").iterdir())[0]


async def test_a_pause_outlives_a_kill_and_a_drain_ends_in_order(tmp_path: Path) -> None:
    async with (
        Emulator(Options(extract=False)) as upstream,
        DaemonProcess(tmp_path, upstream.base_url, upstream.socket_url, heartbeat=1) as daemon,
    ):
        since = (await daemon.post("/v1/pause")).json()["paused_since"]
        name = await daemon.submit(CODE, SAMPLE)
        assert name is not None
        await daemon.kill()
        await daemon.start()
        status = await daemon.get("/v1/status")
        assert (status["paused_since"], status["open"]) == (since, {"queued": 1})
        shown = await daemon.get(f"/v1/submissions/{name}")
        assert (shown["attempts"], shown["waiting_for"]) == (0, "resume")
        assert upstream.ledger.posts() == []
        assert (await daemon.post("/v1/resume")).json()["paused_since"] is None
        assert (await daemon.closed([name], 30))[name]["outcome"] == "confirmed"
        answer = await daemon.post("/v1/drain")
        assert (answer.status_code, answer.json()["draining"]) == (202, True)
        assert await daemon.ended() == 0
    events = [line["event"] for line in daemon.lines()]
    assert events.count("sending.paused") == 2
    assert events[-1] == "daemon.stopped"
    no_code_in(daemon, [CODE])
