"""The command: makes the looks from the settings, takes them, and writes what they found."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, TextIO

import click

from listener.cli import exits, output
from listener.cli.command import Command, json_option

if TYPE_CHECKING:
    from listener.adapters.logs import StructuredLog
    from listener.settings import Settings

    from .finding import Finding, Look

CONNECT_S = 4.0
"""For the handshake of the socket: less than a look has, so that it says itself what it lacked."""


@click.command(cls=Command)
@json_option
def doctor(as_json: bool) -> int:
    """Look whether all is there that the daemon needs, and say what to do where it is not.

    Settings, machine, disk, state folder, a daemon that runs, and the upstream: its name, port,
    certificate and HTTP, and its Socket.IO. Nothing is posted, no code is sent, no lock is taken:
    it may be run beside a daemon. Takes a few seconds.
    """
    from .finding import exit_status

    findings = asyncio.run(examined())
    if as_json:
        for finding in findings:
            output.write_json(
                {
                    "check": finding.check,
                    "verdict": finding.verdict.value,
                    "found": finding.found,
                    "advice": finding.advice or None,
                }
            )
    else:
        output.write_findings((f.verdict.value, f.check, f.found, f.advice) for f in findings)
    return exit_status(findings)


async def examined() -> list[Finding]:
    from listener.core.errors import SettingsInvalid
    from listener.settings import load

    from .finding import Look, take_all
    from .machine import clock_runs, engine
    from .running import unsound

    of_the_machine = [
        Look("clock", exits.INTERNAL, clock_runs),
        Look("engine", exits.IO_FAILED, engine),
    ]
    try:
        settings = load()
    except SettingsInvalid as error:
        return [*unsound(str(error)), *await take_all(of_the_machine, str)]
    with open(os.devnull, "w", encoding="utf-8") as nowhere:  # noqa: ASYNC230, PTH123 - it never waits
        log = _log(settings, nowhere)
        try:
            return await _looked(settings, log, of_the_machine)
        finally:
            log.close()


def _log(settings: Settings, nowhere: TextIO) -> StructuredLog:
    """For what the adapters have to say, which nobody reads: its redactor is what is wanted."""
    from listener.compose import log_with

    return log_with(settings, nowhere, secrets.token_bytes(32))


async def _looked(
    settings: Settings, log: StructuredLog, of_the_machine: Iterable[Look]
) -> list[Finding]:
    from .finding import take_all
    from .running import settings_sound

    async with contextlib.AsyncExitStack() as stack:
        wrong, outside = await _outside(settings, log, stack)
        findings = await take_all(
            [*_inside(settings), *of_the_machine, *outside], log.redactor.clean
        )
    return [settings_sound(tuple(settings.changed())), *wrong, *findings]


def _inside(settings: Settings) -> list[Look]:
    from listener.adapters.journal_sqlite.migrations import migrations
    from listener.adapters.spool import DISK_RESERVE_BYTES

    from . import machine, running
    from .finding import Look

    state_dir, quota = settings.state_dir, settings.spool_quota_bytes
    newest = max(migrations())
    watch = settings.spool_watch
    watching = [Look("watch", exits.IO_FAILED, partial(machine.watched, watch))] if watch else []
    return [
        Look("folder", exits.PERMISSION, partial(machine.folder, state_dir)),
        Look("journal", exits.IO_FAILED, partial(running.journal, state_dir, newest)),
        Look("daemon", exits.UNAVAILABLE, partial(running.daemon, settings)),
        Look("disk", exits.IO_FAILED, partial(machine.disk, state_dir, quota, DISK_RESERVE_BYTES)),
        Look("fsync", exits.IO_FAILED, partial(machine.fsync, state_dir)),
        *watching,
    ]


async def _outside(
    settings: Settings, log: StructuredLog, stack: contextlib.AsyncExitStack
) -> tuple[list[Finding], list[Look]]:
    """What of the settings cannot even be made, and the looks at the upstream with the rest."""
    from listener.core.errors import SettingsInvalid
    from listener.settings import unloadable

    from .running import unsound

    wrong = [finding for line in unloadable(settings) for finding in unsound(line)]
    try:
        return wrong, await _ways(settings, log, stack)
    except SettingsInvalid as error:
        return wrong or unsound(str(error)), []


async def _ways(
    settings: Settings, log: StructuredLog, stack: contextlib.AsyncExitStack
) -> list[Look]:
    """To the upstream. Through a proxy only what answers at its end can be looked at."""
    from listener.adapters.clock import SystemClock
    from listener.adapters.tls import client_context
    from listener.connections import credentials, http_upstream, socket_source

    from . import upstream
    from .finding import Look

    fresh, context = credentials(settings, log), client_context(settings.tls_ca_file)
    api = http_upstream(settings, fresh, SystemClock(), log)
    stack.push_async_callback(api.close)
    source = socket_source(settings, fresh, SystemClock(), connect_timeout_s=CONNECT_S)
    answers = [
        Look("http", exits.UNAVAILABLE, partial(upstream.answer, api)),
        Look("socket", exits.UNAVAILABLE, partial(upstream.subscription, source)),
    ]
    if settings.api_proxy_plain() is not None:
        return answers
    hosts = [
        upstream.host("upstream", "CV_API_BASE_URL", settings.api_base_url),
        upstream.host("events", "CV_SOCKET_URL", settings.socket_url),
    ]
    if hosts[0].name == hosts[1].name and hosts[0].port == hosts[1].port:
        hosts.pop()
    hosts = list(await asyncio.gather(*map(upstream.resolved, hosts)))
    looks = [
        Look(one.check, exits.UNAVAILABLE, partial(upstream.way, one, context)) for one in hosts
    ]
    return looks + answers if all(one.addresses for one in hosts) else looks
