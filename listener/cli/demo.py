"""The whole in one go: an embedded upstream, the daemon, real files, a few faults, and the end."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import exits, output
from .command import Command, json_option

if TYPE_CHECKING:
    from listener.compose import Daemon
    from listener.emulator import Emulator

SAMPLES = Path(__file__).resolve().parent.parent.parent / "demo"
DOCUMENTED_CODE = "Cv9E#nH4$xTz8!pY2aW^mK6rL"
CLOSED_WITHIN_S = 25.0


@dataclass(frozen=True, slots=True)
class Scene:
    """One update: what is sent, what the upstream does to it, and how that must end."""

    title: str
    file: str
    code: str
    fault: str | None
    ends: tuple[str, ...]
    posts: int = 1
    applied: int = 1


SCENES = (
    Scene("the documented code", "amina-haddad.pdf", DOCUMENTED_CODE, None,
          ("confirmed",)),
    Scene("a code with / ? % in it", "fatima-alaoui.docx", "Zü/1 ? 100%", None,
          ("confirmed",)),
    Scene("event before its reply", "jose-nunez-garcia.pdf", "Demo+early&1",
          "event_first",
          ("confirmed",)),
    Scene("applied, then a reset", "li-ming.pdf", "Demo=reset;2", "reset_after",
          ("confirmed",)),
    Scene("429, Retry-After: 1", "li-ming.pdf", "Demo~wait.3", "throttled",
          ("confirmed",), posts=2),
    Scene("500, unapplied: sent again", "amina-haddad.pdf", "Demo'error'4",
          "error_before", ("confirmed",), posts=2),
    Scene("accepted, not dispatched", "fatima-alaoui.docx", 'Demo"none"5', "not_dispatched",
          ("not_dispatched",), applied=0),
    Scene("refused with 404", "jose-nunez-garcia.pdf", "Demo!gone!6", "not_found",
          ("rejected",), applied=0),
)  # fmt: skip
DEAF = Scene("event lost while cut off", "li-ming.pdf", "Demo@deaf@7", "late_event",
             ("presumed",))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ending:
    """How one scene ended, beside what the upstream's ledger says."""

    scene: Scene
    shown: Mapping[str, Any]
    posts: int
    applied: int

    @property
    def right(self) -> bool:
        """Whether it ended as the ledger says it should."""
        known = self.posts == self.scene.posts and self.applied == self.scene.applied
        return known and self.shown["outcome"] in self.scene.ends


@click.command(cls=Command)
@click.option("--quiet", is_flag=True, help="Only the summary, without the log.")
@json_option
def demo(*, quiet: bool, as_json: bool) -> int:
    """Watch updates go out, events come back, and faults end honestly. Needs nothing.

    Starts an embedded upstream and the daemon on free ports, submits the sample CVs, plays some
    faults, and ends with who was confirmed, how, and how fast. Exit status 0 only if each ended as
    the upstream's own ledger says it should.
    """
    if not SAMPLES.is_dir():
        raise exits.CommandFailed(
            exits.UNAVAILABLE,
            "expected the sample CVs in the folder 'demo' of the project, found none",
            "run it from a checkout, with 'make demo'",
        )
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="cv-listener-demo-") as folder:
        endings = _play(Path(folder), quiet=quiet or as_json)
    if as_json:
        for ending in endings:
            scene, told = ending.scene, {"posts": ending.posts, "applied": ending.applied}
            output.write_json(
                {"scene": scene.title, "right": ending.right, **told, "submission": ending.shown}
            )
    else:
        _summary(endings, time.monotonic() - began)
    return exits.OK if all(ending.right for ending in endings) else exits.UNCONFIRMED


def _play(folder: Path, *, quiet: bool) -> list[Ending]:
    import logging

    from listener.compose import open_log
    from listener.settings import load

    settings = load(
        {
            "CV_API_BASE_URL": "http://127.0.0.1:1/cv-enhance",
            "CV_STATE_DIR": str(folder / "state"),
            "CV_INTAKE_PORT": "0",
            "CV_CONFIRM_TIMEOUT": "3",
            "CV_SETTLE_PERIOD": "2",
            "CV_ENQUIRIES": "1",
            "CV_LOG_FORMAT": "console",
        },
        dotenv=None,
    )
    # What a PDF reader finds odd in a file is nobody's business here.
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    stream = (folder / "log").open("w") if quiet else sys.stdout
    log = open_log(settings, stream, strict=True)
    try:
        return asyncio.run(_scenes(settings, log))
    finally:
        log.close()
        if quiet:
            stream.close()


async def _scenes(settings: Any, log: Any) -> list[Ending]:
    from listener.compose import daemon
    from listener.emulator import Emulator, Options

    async with Emulator(Options(event_delay_ms=150, job_ms=1_500)) as upstream:
        own = settings.model_copy(
            update={"api_base_url": upstream.base_url, "socket_url": upstream.socket_url}
        )
        async with daemon(own, log) as running:
            for scene in (*SCENES, DEAF):
                upstream.create(scene.code)
                if scene is DEAF:
                    upstream.plan(scene.code, "late_event", event_delay_ms=700)
                elif scene.fault is not None:
                    upstream.plan(scene.code, scene.fault)
            first = [await _submit(running, scene) for scene in SCENES]
            ends = [await _closed(running, submission_id) for submission_id in first]
            ends.append(await _deaf(running, upstream))
        return [
            _ending(upstream, scene, end) for scene, end in zip((*SCENES, DEAF), ends, strict=True)
        ]


async def _deaf(running: Daemon, upstream: Emulator) -> Mapping[str, Any]:
    """Restart the upstream's socket after the update was applied: its event comes meanwhile."""
    submission_id = await _submit(running, DEAF)
    await upstream.ledger.until(lambda ledger: any(p.applied for p in ledger.posts(DEAF.code)))
    await upstream.socket.restart(down_ms=1_500)
    return await _closed(running, submission_id)


async def _submit(running: Daemon, scene: Scene) -> Any:
    async def chunks() -> AsyncIterator[bytes]:
        yield await asyncio.to_thread((SAMPLES / scene.file).read_bytes)

    answer = await running.service.intake.submit(scene.code, chunks(), scene.file)
    return getattr(answer, "submission_id", None)


async def _closed(running: Daemon, submission_id: Any) -> Mapping[str, Any]:
    from listener.service.front import ServiceFront

    front = ServiceFront(running.service, running.world)
    shown = await front.wait_closed(submission_id, CLOSED_WITHIN_S)
    if shown is None:
        raise exits.CommandFailed(exits.INTERNAL, "expected a submission, found it unknown")
    return shown


def _ending(upstream: Emulator, scene: Scene, shown: Mapping[str, Any]) -> Ending:
    posts = upstream.ledger.posts(scene.code)
    return Ending(scene, shown, len(posts), sum(post.applied for post in posts))


def _summary(endings: Sequence[Ending], seconds: float) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title="What became of them", title_justify="left", pad_edge=False, box=None)
    for heading in ("", "what happened", "outcome", "how it is known", "confirmed in"):
        table.add_column(heading, no_wrap=heading == "outcome", overflow="fold")
    for ending in endings:
        shown = ending.shown
        colour = {"confirmed": "green", "presumed": "yellow"}.get(str(shown["outcome"]), "red")
        table.add_row(
            Text("✓" if ending.right else "✗", "green" if ending.right else "bold red"),
            f"{ending.scene.title}",
            Text(str(shown["outcome"] or shown["state"]), colour),
            _known_by(shown),
            _span(shown["sent_at"], shown["heard_at"]),
        )
    console = Console(highlight=False)
    with console.capture() as drawn:
        console.print(table)
    right = sum(ending.right for ending in endings)
    posts = sum(ending.posts for ending in endings)
    output.write_line(
        f"\n{drawn.get()}\n{right} of {len(endings)} ended as the upstream's ledger says they"
        f" should, with {posts} POSTs, in {seconds:.1f} s."
    )


def _known_by(shown: Mapping[str, Any]) -> str:
    evidence = shown["dispatch"]["enhancement"]["evidence"]
    words = {"event": "the event", "record_processing": "the record", "replayed_event": "a replay"}
    said = " and ".join(words.get(item, item) for item in evidence)
    return said or str(shown["reason"] or "").replace("_", " ")


def _span(start: str | None, end: str | None) -> str:
    from datetime import datetime

    if start is None or end is None:
        return "—"
    span = datetime.fromisoformat(end) - datetime.fromisoformat(start)
    return f"{span.total_seconds():.2f} s"
