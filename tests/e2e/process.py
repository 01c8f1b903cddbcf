"""The daemon as a process: started, asked over HTTP, killed, started again; its output kept."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from listener.core.log_faults import faults_of

ROOT = Path(__file__).resolve().parent.parent.parent
START_S = 60.0
STOP_S = 30.0


class DaemonDied(AssertionError):
    """It ended before it was ready. ``status``: its exit status, -9 where it was killed."""

    def __init__(self, status: int, output: str) -> None:
        super().__init__(f"the daemon ended with {status}: {output[-2000:]}")
        self.status = status


class DaemonProcess:
    """``async with DaemonProcess(folder, base_url, …) as daemon``; settings by name, without CV_.

    One output file for all its lives, so that a search finds what any of them wrote. ``module``
    stands in for ``listener`` where a test needs a process that it can hurt (``python -m module
    run``), and ``environ`` tells it how; both may be changed between two lives.
    """

    def __init__(
        self,
        folder: Path,
        base_url: str,
        socket_url: str,
        module: str = "listener",
        **settings: object,
    ) -> None:
        self.module = module
        self.environ: dict[str, str] = {}
        self.state_dir = folder / "state"
        self.output = folder / "output.log"
        self._environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith("CV_")},
            "CV_API_BASE_URL": base_url,
            "CV_SOCKET_URL": socket_url,
            "CV_STATE_DIR": str(self.state_dir),
            "CV_INTAKE_PORT": "0",
            "CV_LOG_FORMAT": "json",
            "CV_LOG_LEVEL": "debug",
            **{f"CV_{name.upper()}": str(value) for name, value in settings.items()},
        }
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None
        self._client: httpx.AsyncClient | None = None
        self._stopping = False
        self._torn: set[str] = set()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None and self._process.returncode is None:
            await self.kill()
        if error is None:
            # Joined: what is wrong stands in the message, however deep it is raised.
            assert not (faults := "; ".join(self.faults())), faults

    async def start(self) -> None:
        """Start a process, and wait until it is ready. Raises DaemonDied."""
        await self.launch()
        await self.ready()

    async def launch(self) -> None:
        """Start a process, and wait for nothing."""
        (self.state_dir / "intake.json").unlink(missing_ok=True)
        self._stopping = False
        await self._forget_client()
        with self.output.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                self.module,
                "run",
                cwd=self._folder,
                env=self._environ | self.environ | {"PYTHONPATH": str(ROOT)},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    async def ready(self) -> None:
        """Wait until the process that was launched takes submissions. Raises DaemonDied."""
        assert self._process is not None
        async with asyncio.timeout(START_S):
            while not (self.state_dir / "intake.json").exists():
                if self._process.returncode is not None:
                    self._end_torn_line()
                    raise DaemonDied(self._process.returncode, self.output.read_text())
                await asyncio.sleep(0.02)
        address = json.loads((self.state_dir / "intake.json").read_text())
        kept = self.state_dir / "token"
        token = kept.read_text().strip() if kept.exists() else ""
        self._client = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{address['port']}",
            headers={"Authorization": f"Bearer {token}"},
            timeout=60,
            limits=httpx.Limits(max_connections=32),
        )

    @property
    def address(self) -> str | None:
        """Where it answers, while it runs."""
        return None if self._client is None else str(self._client.base_url)

    def hang_up(self) -> None:
        """SIGHUP."""
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    @property
    def url(self) -> str:
        """Where it serves, as it is reached."""
        assert self._client is not None
        return str(self._client.base_url).rstrip("/")

    @property
    def port(self) -> int:
        """Of that."""
        assert self._client is not None and self._client.base_url.port is not None
        return self._client.base_url.port

    @property
    def token(self) -> str:
        """The one of its state folder."""
        return (self.state_dir / "token").read_text().strip()

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int:
        """The running process's."""
        assert self._process is not None
        return self._process.pid

    async def kill(self) -> None:
        """``kill -9``."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> int:
        """SIGTERM; the exit status."""
        return await self._end(signal.SIGTERM)

    def terminate(self) -> None:
        """SIGTERM, without waiting for the end of it."""
        assert self._process is not None
        self._stopping = True
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)

    async def ended(self, seconds: float = STOP_S) -> int:
        """Wait until the process ends of itself; its status. Raises TimeoutError."""
        assert self._process is not None
        async with asyncio.timeout(seconds):
            status = await self._process.wait()
        await self._forget_client()
        self._end_torn_line()
        return status

    async def _forget_client(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _end(self, number: signal.Signals) -> int:
        assert self._process is not None
        if number == signal.SIGTERM:
            self.terminate()
        elif self._process.returncode is None:
            self._process.send_signal(number)
        return await self.ended()

    def _end_torn_line(self) -> None:
        """A kill can cut a line short; the next life's first line begins on its own."""
        text = self.output.read_text(errors="replace")
        if text and not text.endswith("\n"):
            self._torn.add(text.splitlines()[-1])
            with self.output.open("ab") as output:
                output.write(b"\n")

    async def submit(self, code: str, file: Path, key: str | None = None) -> str | None:
        """The id of an accepted submission; None if the daemon died before it answered, or
        declined because it was told to stop. ``key``: sent as ``Idempotency-Key``."""
        client = self._client
        if client is None:
            return None
        try:
            answer = await client.post(
                "/v1/submissions",
                data={"cv_code": code},
                files={"cv": (file.name, file.read_bytes(), "application/pdf")},
                headers={} if key is None else {"Idempotency-Key": key},
            )
        except httpx.TransportError:
            return None
        if answer.status_code == 503 and self._stopping:
            return None
        assert answer.status_code in (200, 202), answer.text
        return str(answer.json()["id"])

    async def get(self, path: str) -> Any:
        """The JSON of one GET."""
        assert self._client is not None
        answer = await self._client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def metrics(self) -> dict[str, float]:
        """Each series, as it stands on the page, with its value."""
        assert self._client is not None
        answer = await self._client.get("/metrics")
        assert answer.status_code == 200, answer.text
        rows = (row.rsplit(" ", 1) for row in answer.text.splitlines() if row[:1] != "#")
        return {series: float(value) for series, value in rows}

    async def listed(self) -> list[dict[str, Any]]:
        """Every submission, as the daemon shows it."""
        rows: list[dict[str, Any]] = []
        cursor = ""
        while True:
            page = await self.get(f"/v1/submissions?limit=500{cursor}")
            rows += page["submissions"]
            if page["next_cursor"] is None:
                return rows
            cursor = f"&cursor={page['next_cursor']}"

    async def post(self, path: str, **given: Any) -> httpx.Response:
        """The answer to one POST; ``given`` as httpx has it."""
        assert self._client is not None
        return await self._client.post(path, **given)

    async def closed(self, ids: Iterable[str], seconds: float) -> dict[str, dict[str, Any]]:
        """Each submission once it is closed."""
        assert self._client is not None
        found: dict[str, dict[str, Any]] = {}
        async with asyncio.timeout(seconds):
            for name in ids:
                shown: dict[str, Any] = {"state": None}
                while shown["state"] != "closed":
                    answer = await self._client.get(
                        f"/v1/submissions/{name}", headers={"Prefer": "wait=20"}
                    )
                    assert answer.status_code == 200, answer.text
                    shown = answer.json()
                found[name] = shown
        return found

    def lines(self) -> list[dict[str, Any]]:
        """Every line of its log, all lives of it. What is no JSON fails here, save a line that a
        kill cut short."""
        found: list[dict[str, Any]] = []
        for line in self.output.read_text(errors="replace").splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                if line not in self._torn:
                    raise
        return found

    def faults(self) -> list[str]:
        """What is wrong with its lines, each kind once. What is no line of the log at all (a word
        on stderr before there is a log) is not looked at."""
        found: dict[str, None] = {}
        for text in self.output.read_text(errors="replace").splitlines():
            if text.startswith('{"timestamp"') and text not in self._torn:
                found |= dict.fromkeys(faults_of(json.loads(text)))
        return list(found)

    def spooled(self) -> list[Path]:
        """Files in the spool."""
        return [path for path in (self.state_dir / "spool").iterdir() if path.is_file()]


def no_code_in(daemon: DaemonProcess, codes: Iterable[str]) -> None:
    """No code in the output, in any form it could take there."""
    text = daemon.output.read_text()
    for code in codes:
        forms = {code, quote(code, safe=""), quote(code), json.dumps(code)[1:-1], repr(code)[1:-1]}
        for form in forms:
            assert form not in text, "a code stands in the output"
