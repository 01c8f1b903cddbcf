"""The daemon as a process: signals, what SIGHUP changes, and the exit status."""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from urllib.parse import urlsplit

from listener import ending
from listener.adapters.logs import StructuredLog, quiet_libraries, watch_loop
from listener.adapters.supervisor import Supervisor
from listener.compose import (
    Daemon,
    daemon,
    log_with,
    open_log,
    ref_key,
    ref_key_before,
    wanted_tokens,
)
from listener.core.endings import OK, exit_status, hint
from listener.core.errors import CvListenerError
from listener.core.event_spec import Level
from listener.measuring import Meters
from listener.settings import Settings, known_settings, load
from listener.traced import traced

LIVE = frozenset(
    {
        *("CV_INTAKE_TOKEN", "CV_INTAKE_TOKENS", "CV_ROTATION_PERIOD"),
        *("CV_REF_KEY", "CV_REF_KEY_PREVIOUS", "CV_LOG_LEVEL"),
    }
)
"""What SIGHUP changes in a running daemon; the others wait for a restart."""

END_S = 20.0
"""What an end takes at most beside CV_DRAIN_TIMEOUT: connections and the journal are closed."""


async def serve(
    settings: Settings, log: StructuredLog, on_ready: Callable[[Daemon], None] | None = None
) -> None:
    """Run the daemon until SIGTERM, SIGINT or the command to drain, and drain it. A second signal
    ends it at once. Systemd, where it is there, is told of each of these."""
    loop = asyncio.get_running_loop()
    watch_loop(loop, log)
    stop = asyncio.Event()

    def ended(number: signal.Signals) -> None:
        if stop.is_set():
            log.close()
            # At once: what is under way counts as possibly sent at the next start.
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended, number)
    loop.add_signal_handler(signal.SIGHUP, lambda: None)
    meters = Meters(log)
    _say_started(settings, log)
    supervisor = Supervisor()
    async with (
        traced(settings, log),
        _fed(supervisor) as feed,
        daemon(settings, log, meters=meters) as running,
    ):
        loop.add_signal_handler(signal.SIGHUP, _reload_told, running, log, supervisor)
        feed(running)
        if on_ready is not None:
            on_ready(running)
        told = asyncio.create_task(stop.wait())
        told.add_done_callback(lambda _: running.service.stop())
        await running.service.stopping()
        supervisor.stopping(settings.drain_timeout_s + END_S)
    told.cancel()
    log.emit("daemon.stopped")


@contextlib.asynccontextmanager
async def _fed(supervisor: Supervisor) -> AsyncIterator[Callable[[Daemon], None]]:
    """What is yielded is to be called once the daemon is ready: from then on, and while it drains,
    signs of its life are given."""
    async with asyncio.TaskGroup() as group:
        feeding: list[asyncio.Task[None]] = []

        def feed(running: Daemon) -> None:
            supervisor.ready()
            fed = supervisor.feed(partial(_alive, running), partial(_status, running))
            feeding.append(group.create_task(fed, name="supervisor"))

        try:
            yield feed
        finally:
            for task in feeding:
                task.cancel()


async def _alive(running: Daemon) -> bool:
    return (await running.front.alive()).alive


def _status(running: Daemon) -> str:
    service = running.service
    hears = "listening" if service.hearer.listening else "deaf"
    sends = f"{service.dispatcher.in_flight} attempts under way"
    sending = running.front.sending()
    if sending.quiet is not None:
        sends = f"{sends}, nothing more is sent ({sending.quiet.why})"
    return f"{hears}; {'sending is paused' if sending.paused_ms is not None else sends}"


def _say_started(settings: Settings, log: StructuredLog) -> None:
    upstream = urlsplit(settings.api_base_url)
    log.emit(
        "daemon.started",
        python=platform.python_version(),
        state_dir=str(settings.state_dir),
        url=f"{upstream.scheme}://{upstream.netloc.rpartition('@')[2]}",
        settings=settings.changed(),
    )


def run_daemon(settings: Settings) -> int:
    """Run the daemon in this process; the exit status."""
    try:
        log = open_log(settings, sys.stdout)
    except CvListenerError as error:
        # No line of this log stands for a code, so that any key will do.
        log = log_with(settings, sys.stdout, secrets.token_bytes(32))
        log.fault("daemon.failed", error, hint=hint(error))
        log.close()
        return exit_status(error)
    quiet_libraries(log)
    status, abandoned = OK, False

    def left(names: Sequence[str]) -> None:
        nonlocal abandoned
        abandoned = True
        log.emit("task.abandoned", left=list(names))

    try:
        ending.run(serve(settings, log), left)
    except BaseException as error:  # noqa: BLE001  # the last one to see it: it is told, and is the exit status
        status = exit_status(error)
        if status != OK:
            log.fault("daemon.failed", error, hint=hint(error))
    finally:
        log.close()
    if abandoned:
        os._exit(status)
    return status


def _reload_told(running: Daemon, log: StructuredLog, supervisor: Supervisor) -> None:
    supervisor.reloading()
    reload(running, log)
    supervisor.ready()


def reload(running: Daemon, log: StructuredLog) -> None:
    """Read the settings anew, and the state folder's token and key. What cannot be changed now
    waits for a restart; where they do not hold, all stays as it was. Never raises."""
    try:
        wanted = load()
        tokens, key, before = wanted_tokens(wanted), ref_key(wanted), ref_key_before(wanted)
        running.tokens.replace(tokens, wanted.rotation_period_s)
    except (CvListenerError, OSError, ValueError) as error:
        log.fault("settings.reload_failed", error)
        return
    for secret in wanted.secrets():
        log.redactor.add_secret(secret)
    log.use_key(key, before)
    log.least = Level(wanted.log_level)
    changed = _changed(running.settings, wanted)
    running.settings = wanted
    log.emit(
        "settings.reloaded",
        changed=sorted(changed & LIVE) or None,
        needs_restart=sorted(changed - LIVE) or None,
    )


def _changed(now: Settings, wanted: Settings) -> set[str]:
    return {
        known.name
        for known in known_settings()
        if getattr(now, known.field) != getattr(wanted, known.field)
    }
