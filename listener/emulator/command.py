"""The command ``emulate``: the embedded upstream alone, telling what it does, line by line."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import signal
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, TextIO

import click

if TYPE_CHECKING:
    from .emulator import Emulator
    from .ledger import Entry
    from .options import Options

DEFAULT_PORT = 8700

LOOPBACK = {"127.0.0.1", "::1", "localhost"}


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    default=DEFAULT_PORT,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Port; 0 takes any that is free.",
)
@click.option("--seed", default=0, show_default=True, help="The same seed draws the same faults.")
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="NAME=ODDS",
    help="Of each request (5% or 0.05), or of the first so many (x3). May be repeated.",
)
@click.option("--list-faults", is_flag=True, help="Say what each fault does, and end.")
@click.option(
    "--auto-create/--no-auto-create",
    default=True,
    show_default=True,
    help="Whether an unknown code comes into being when it is first asked for.",
)
@click.option(
    "--codes",
    type=click.File("r", encoding="utf-8"),
    metavar="FILE",
    help="Codes that exist, one a line; - reads them from stdin.",
)
@click.option("--reply-delay", default=0, metavar="MS", help="Delay of each reply.")
@click.option("--event-delay", default=200, show_default=True, metavar="MS", help="Of each event.")
@click.option("--job-time", default=5000, show_default=True, metavar="MS", help="Of each job.")
@click.option(
    "--payload",
    default="plain",
    show_default=True,
    type=click.Choice(["plain", "wrapped", "minimal", "full", "reply", "hostile"]),
    help="Shape of the event's body.",
)
@click.option("--namespace", default="/", show_default=True, help="Of the socket.")
@click.option("--event", default="cv_updated", show_default=True, help="Name of the event.")
@click.option("--join", metavar="NAME", help="What a client must emit before it hears anything.")
@click.option("--extract/--no-extract", default=True, help="Whether files are read for their text.")
@click.option("--control/--no-control", default=True, help="Whether /_plan, /_ledger … are there.")
@click.option("--quiet", is_flag=True, help="Tell the address alone.")
def emulate(
    *,
    host: str,
    port: int,
    seed: int,
    faults: tuple[str, ...],
    list_faults: bool,
    auto_create: bool,
    codes: TextIO | None,
    reply_delay: int,
    event_delay: int,
    job_time: int,
    payload: str,
    namespace: str,
    event: str,
    join: str | None,
    extract: bool,
    control: bool,
    quiet: bool,
) -> None:
    """Run an upstream that keeps the CV service's contract, and breaks it where told to.

    Point CV_API_BASE_URL at the address it prints. Codes are shown as hashes that differ with
    each run. GET /_ledger tells the truth of all it did.
    """
    from .fault_words import FAULT_WORDS
    from .faultbook import read_odds
    from .options import Options
    from .plan import FAULTS, PlanInvalid

    if list_faults:
        for name in FAULTS:
            click.echo(f"{name:<17}{FAULT_WORDS[name]}")
        return
    known = tuple(line.rstrip("\r\n") for line in codes if line.strip()) if codes else ()
    try:
        options = Options(
            host=host,
            port=port,
            seed=seed,
            faults=dict(map(read_odds, faults)),
            auto_create=auto_create,
            codes=known,
            reply_delay_ms=reply_delay,
            event_delay_ms=event_delay,
            job_ms=job_time,
            payload=payload,
            namespace=namespace,
            event=event,
            join_event=join,
            extract=extract,
            control=control,
        )
    except PlanInvalid as error:
        raise click.UsageError(str(error)) from None
    if host not in LOOPBACK:
        click.echo(f"warning: anyone who reaches {host} can use this upstream", err=True)
    # What a PDF reader finds odd in a file is nobody's business here.
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    asyncio.run(_run(options, quiet=quiet))


async def _run(options: Options, *, quiet: bool) -> None:
    from .emulator import Emulator

    emulator = Emulator(options, watch=None if quiet else _Teller(click.echo))
    try:
        await emulator.start()
    except OSError as error:
        told = f"expected {options.host}:{options.port} to be free: {error.strerror or 'it is not'}"
        click.echo(f"error: {told}; choose another --port", err=True)
        raise SystemExit(69) from None
    try:
        click.echo(f"CV_API_BASE_URL={emulator.base_url}")
        await _until_told_to_stop()
    finally:
        await emulator.stop()
        if not quiet:
            click.echo(_summary(emulator))


async def _until_told_to_stop() -> None:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        # Where the loop cannot take signals, Ctrl-C raises KeyboardInterrupt as ever.
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, told.set)
    await told.wait()


class _Teller:
    """One line for each thing that happens. The key of its hashes is made anew for each run."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._key = secrets.token_bytes(16)

    def __call__(self, what: str, entry: Entry) -> None:
        if (line := self._line(what, entry)) is not None:
            clock = datetime.now().astimezone().strftime("%H:%M:%S.%f")[:-3]
            self._write(f"{clock}  {line}")

    def _line(self, what: str, entry: Entry) -> str | None:
        from listener.core.names import CvCode
        from listener.core.wire import cv_ref

        from . import ledger as book

        if isinstance(entry, book.SocketEntry):
            return f"socket  {what}  {entry.detail}".rstrip()
        ref = cv_ref(self._key, CvCode(entry.code))
        match entry:
            case book.PostEntry():
                return _post_line(what, ref, entry)
            case book.ReadingEntry() if what == "ended":
                return f"{ref}  GET   {entry.status or entry.ended}{_fault(entry.fault)}"
            case book.ForeignEntry():
                return f"{ref}  FOREIGN update applied"
            case book.JobEntry():
                state = "dispatched" if what == "dispatched" else entry.result
                return f"{ref}  job   {entry.kind} {state}  (#{entry.for_post})"
            case book.EventEntry():
                shape = f"{entry.payload}, {entry.receivers} listening"
                return f"{ref}  EVENT for #{entry.for_post}  ({shape})"
        return None


def _post_line(what: str, ref: str, entry: Entry) -> str | None:
    from .ledger import PostEntry

    assert isinstance(entry, PostEntry)  # noqa: S101  the only caller has looked
    head = f"{ref}  POST  #{entry.number}"
    if what == "body" and entry.whole_body:
        return f"{head} received, {entry.size or 0} bytes{_fault(entry.fault)}"
    if what == "applied":
        return f"{head} applied"
    if what == "ended":
        return f"{head} {entry.status or entry.ended}"
    return None


def _fault(name: str) -> str:
    return "" if name == "none" else f"  [{name}]"


def _summary(emulator: Emulator) -> str:
    posts = emulator.ledger.posts()
    applied = sum(post.applied for post in posts)
    events = len(emulator.ledger.events())
    return f"{len(posts)} posts, {applied} applied, {events} events"
