"""Traces of the real process, as a collector gets them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from listener.core.tracing import attempt_name, span_id, trace_id
from listener.emulator import Emulator, Options
from tests.adapters.collector import attributes, collector

from .process import ROOT, DaemonProcess, no_code_in

CODE = "Cv9E#nH4$xTz8!pY2aW^mK6rL"
SAMPLE = sorted((ROOT / "demo").iterdir())[0]


async def test_one_update_is_one_trace_from_the_log_to_the_upstream(tmp_path: Path) -> None:
    async with collector() as traces, Emulator(Options(extract=False)) as upstream:
        daemon = DaemonProcess(
            tmp_path, upstream.base_url, upstream.socket_url, traces_url=traces.url
        )
        async with daemon:
            upstream.plan(CODE, "throttled")
            name = await daemon.submit(CODE, SAMPLE)
            assert name is not None
            assert (await daemon.closed([name], 30))[name]["outcome"] == "confirmed"
            assert await daemon.stop() == 0
        by_span = {span.span_id.hex(): span for span in traces.spans}
        assert {span.trace_id.hex() for span in traces.spans} == {trace_id(name)}
        root = by_span[span_id(name)]
        posts = [by_span[span_id(attempt_name(name, number))] for number in (1, 2)]
        assert [attributes(post)["cv_listener.result"] for post in posts] == [
            "throttled",
            "accepted",
        ]
        (event,) = [
            span
            for span in traces.spans
            if attributes(span).get("cv_listener.seq") is not None
            and attributes(span)["cv_listener.disposition"] == "confirmed"
        ]
        assert [link.span_id for link in event.links] == [posts[1].span_id]
        assert {span.parent_span_id for span in (*posts, event)} == {root.span_id}
        assert attributes(root)["cv_listener.outcome"] == "confirmed"
        assert traces.about["service.name"] == "cv-listener"

        sent = [f"00-{trace_id(name)}-{post.span_id.hex()}-01" for post in posts]
        assert [post.traceparent for post in upstream.ledger.posts(CODE)] == sent
        lines = [line for line in daemon.lines() if line.get("submission_id") == name]
        assert {line["trace_id"] for line in lines} == {trace_id(name)}
        assert {line["span_id"] for line in lines if "attempt" not in line} == {span_id(name)}
        no_code_in(daemon, [CODE])
        assert CODE not in str(traces.spans)


async def test_a_collector_that_is_away_holds_nothing_up(tmp_path: Path) -> None:
    async with Emulator(Options(extract=False)) as upstream:
        daemon = DaemonProcess(
            tmp_path,
            upstream.base_url,
            upstream.socket_url,
            traces_url="http://127.0.0.1:9/v1/traces",
        )
        async with daemon:
            name = await daemon.submit(CODE, SAMPLE)
            assert name is not None
            assert (await daemon.closed([name], 30))[name]["outcome"] == "confirmed"
            assert await daemon.stop() == 0


def test_without_the_extra_the_setting_is_refused_with_what_to_do(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        "from listener.__main__ import main; sys.exit(main())"
    )
    environ = {
        "CV_STATE_DIR": str(tmp_path),
        "CV_TRACES_URL": "http://127.0.0.1:9/v1/traces",
        "CV_LOG_FORMAT": "json",
        "PYTHONPATH": str(ROOT),
        "PATH": "",
    }
    for command in ("run", "check", "doctor"):
        ended = subprocess.run(
            [sys.executable, "-c", program, command],
            env=environ,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        said = " ".join((ended.stdout + ended.stderr).split())
        assert ended.returncode == 78, said
        assert "CV_TRACES_URL: expected the extra otel to be installed" in said
        assert "-r locks/otel.txt" in said
