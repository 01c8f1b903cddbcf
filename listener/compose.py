"""The one place where concrete classes meet."""

from __future__ import annotations

import asyncio
import ipaddress
import math
import os
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import listener
from handlers.shipped import NAMES, Means, shipped
from listener.adapters.clock import SystemClock
from listener.adapters.folders import make_folder
from listener.adapters.identity import install_key, new_submission_id, previous_key
from listener.adapters.incidents import Incidents
from listener.adapters.journal_sqlite import SqliteJournal
from listener.adapters.kept_by_once import KeptByOnce
from listener.adapters.logs import Redactor, StructuredLog, Writer
from listener.adapters.logs.log import looks
from listener.adapters.spool import DiskSpool
from listener.adapters.tls import client_context
from listener.adapters.watch import WatchedFolder
from listener.adapters.web import (
    Figures,
    GatewayPolicy,
    Scope,
    Tokens,
    WebServer,
    previous_token,
    state_token,
)
from listener.connections import credentials, http_upstream, socket_source
from listener.core.errors import JournalDamaged, JournalFault, SpoolFault
from listener.core.event_spec import Level
from listener.core.policy import Policy
from listener.measuring import Meters, measured
from listener.ports.front import Front
from listener.ports.inbound import EventHandler
from listener.ports.journal import Journal
from listener.ports.reaction import Handler
from listener.service.dispatcher import SendingPolicy
from listener.service.front import ServiceFront
from listener.service.service import Service, ServicePolicy, World
from listener.settings import Settings, by_function, event_function, outcome_function


@dataclass(slots=True)
class Daemon:
    """A running daemon: what stands behind its doors."""

    service: Service
    world: World
    web: WebServer | None
    tokens: Tokens
    settings: Settings
    front: Front


def service_policy(settings: Settings) -> ServicePolicy:
    """The service's numbers, from the settings'."""
    return ServicePolicy(
        core=Policy(
            confirm_timeout_ms=_ms(settings.confirm_timeout_s),
            settle_ms=_ms(settings.settle_period_s),
            give_up_after_ms=_ms(settings.give_up_after_s),
            deliver_within_ms=_ms(settings.deliver_within_s),
            late_window_ms=_ms(settings.late_window_s),
            keep_unresolved_ms=_ms(settings.keep_unresolved_s),
            lane_policy=settings.lane_policy,
            max_attempts=settings.max_attempts,
            enquiries_ms=tuple(_ms(offset) for offset in settings.enquiries_s),
            baseline=settings.baseline,
            retry_after_cap_ms=_ms(settings.retry_after_cap_s),
        ),
        sending=SendingPolicy(
            max_in_flight=settings.max_in_flight, listen_wait_ms=_ms(settings.listen_wait_s)
        ),
        heartbeat_s=settings.heartbeat_s,
        retention_days=settings.retention_days,
        drain_s=settings.drain_timeout_s,
        listens_for=_listens_for(settings),
    )


def _listens_for(settings: Settings) -> str:
    """By names alone: an emit's arguments may be secret."""
    joined = ", ".join(emit.event for emit in settings.socket_on_connect)
    after = f", after {joined}" if joined else ""
    return f"{settings.socket_event} in {settings.socket_namespace}{after}"


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def open_log(settings: Settings, stream: TextIO, *, strict: bool = False) -> StructuredLog:
    """The log on a stream, as the settings want it. Makes the state folder and the key.

    Raises JournalFault where that cannot be.
    """
    try:
        make_folder(settings.state_dir)
        key = ref_key(settings)
    except OSError as error:
        raise JournalFault(
            f"expected a state folder that this user can read and write, found {error}: check "
            f"CV_STATE_DIR ({settings.state_dir})"
        ) from error
    log = log_with(settings, stream, key, strict)
    log.use_key(key, ref_key_before(settings))
    return log


def log_with(settings: Settings, stream: TextIO, key: bytes, strict: bool = False) -> StructuredLog:
    """The log with this key."""
    console, colour = looks(stream, settings.log_format)
    redactor = Redactor()
    for secret in settings.secrets():
        redactor.add_secret(secret)
    return StructuredLog(
        Writer(stream),
        redactor,
        ref_key=key,
        run_id=secrets.token_hex(4),
        version=listener.__version__,
        replica=settings.replica,
        least=Level(settings.log_level),
        console=console,
        colour=colour,
        strict=strict,
    )


def ref_key(settings: Settings) -> bytes:
    """The key behind ``cv_ref``: the setting's, or the one kept in the state folder."""
    if settings.ref_key is not None:
        return bytes(settings.ref_key.get_secret_value().encode())
    return install_key(settings.state_dir / "ref.key")


def ref_key_before(settings: Settings) -> tuple[bytes, float] | None:
    """The key before it, and until when, by the wall's clock, it is known."""
    if settings.ref_key_previous is not None:
        return settings.ref_key_previous.get_secret_value().encode(), math.inf
    if settings.ref_key is not None:
        return None
    return previous_key(settings.state_dir / "ref.key", settings.rotation_period_s)


def outcome_handlers(
    settings: Settings, log: StructuredLog, stack: AsyncExitStack
) -> Sequence[Handler]:
    """The handlers that the settings name; what they have open is closed by ``stack``."""
    means = Means(
        log=log,
        ssl_context=client_context(settings.tls_ca_file),
        user_agent=f"cv-listener/{listener.__version__}",
        timeout_s=settings.handler_timeout_s,
        path=os.environ.get("PATH", os.defpath),
        proxy=settings.handler_proxy_plain(),
        webhook_url=settings.webhook_url_plain(),
        webhook_secrets=settings.webhook_secret_plain(),
        chat_url=settings.chat_url_plain(),
        program=settings.program,
    )
    found: list[Handler] = []
    for name in settings.outcome_handlers:
        if name in NAMES:
            handler, poster = shipped(name, means)
            if poster is not None:
                stack.push_async_callback(poster.close)
        else:
            function = outcome_function(name)
            handler = Handler(name, function, timeout_s=settings.handler_timeout_s)
        found.append(handler)
    return found


def event_handlers(settings: Settings) -> Sequence[EventHandler]:
    """The functions that the settings name for other events. Raises SettingsInvalid."""
    return [
        EventHandler(name, event_function(name), events, settings.handler_timeout_s)
        for name, events in by_function(settings.event_handlers).items()
    ]


def expect_journal(folder: Path) -> None:
    """Raise JournalDamaged where CVs wait in the spool and their journal is gone: a new
    one would know nothing of them, and they would be swept as a crash's leavings."""
    journal, spool = folder / "journal.db", folder / "spool"
    if journal.exists() and journal.stat().st_size:
        return
    waiting = sum(1 for path in spool.iterdir() if path.is_file()) if spool.is_dir() else 0
    if waiting:
        raise JournalDamaged(
            f"expected the journal that {waiting} file{'' if waiting == 1 else 's'} in "
            f"{spool.name}/ belong{'s' if waiting == 1 else ''} to, found "
            f"{'an empty one' if journal.exists() else 'none'}: restore {journal.name} from a "
            "backup; or, to give those updates up, move the files away"
        )


async def open_spool(settings: Settings, journal: Journal) -> DiskSpool:
    """The spool. Raises SpoolFault where it cannot be used, or is gone with files that the journal
    counts on: a disk that is not mounted yet must not undo what waits."""
    folder = settings.state_dir / "spool"
    if not folder.exists() and (waiting := await journal.files_kept()):
        raise SpoolFault(
            f"expected the folder {folder} with the files of {len(waiting)} submissions, found no "
            "such folder: put it back; or, to give those updates up, make an empty one"
        )
    return await asyncio.to_thread(
        DiskSpool, folder, settings.spool_quota_bytes, settings.max_file_bytes
    )


@asynccontextmanager
async def open_world(
    settings: Settings, log: StructuredLog, meters: Meters | None = None
) -> AsyncIterator[World]:
    """Every adapter, opened on the settings' state folder; closed in reverse. ``meters``: who is
    told of times that are taken."""
    meters = meters or Meters(log)
    async with AsyncExitStack() as stack:
        clock = SystemClock()
        made = credentials(settings, log)
        expect_journal(settings.state_dir)
        journal = await SqliteJournal.open(
            settings.state_dir / "journal.db", committed=meters.committed
        )
        stack.push_async_callback(journal.close)
        spool = await open_spool(settings, journal)
        upstream = http_upstream(settings, made, clock, log)
        stack.push_async_callback(upstream.close)
        source = socket_source(
            settings,
            made,
            clock,
            first_seq=await journal.highest_seq() + 1,
            resume=await journal.resume_cursor(),
        )
        yield World(
            journal=journal,
            spool=spool,
            orphans=spool,
            elsewhere=KeptByOnce(settings.state_dir / "once"),
            upstream=upstream,
            source=source,
            overhears=source.overhearing,
            clock=clock,
            log=log,
            new_id=new_submission_id,
            handlers=outcome_handlers(settings, log, stack),
            event_handlers=event_handlers(settings),
            dropped_lines=log.dropped_lines,
            tells_each=lambda: log.least is Level.DEBUG,
            found_by=log.found_by,
            written=log.written,
            loop_lag_ms=meters.lag.worst_ms,
        )


def intake_tokens(settings: Settings) -> Tokens:
    """The settings' tokens, or those of the state folder."""
    tokens = Tokens(wanted_tokens(settings))
    if settings.cli_token is None and not settings.intake_tokens_plain():
        before = previous_token(settings.state_dir / "token", settings.rotation_period_s)
        if before is not None:
            tokens.keep(before[0], Scope.ADMIN, before[1])
    return tokens


def wanted_tokens(settings: Settings) -> dict[str, Scope]:
    """The settings' tokens, or the one of the state folder, which is made where there is none."""
    tokens = {token: Scope(scope) for token, scope in settings.intake_tokens_plain().items()}
    if settings.cli_token is not None:
        tokens[settings.cli_token] = Scope.ADMIN
    if not tokens:
        tokens[state_token(settings.state_dir / "token")] = Scope.ADMIN
    return tokens


def gateway_open(settings: Settings) -> bool:
    """Whether the gateway wants no token."""
    return _open(settings, settings.gateway_open)


def metrics_open(settings: Settings) -> bool:
    """Whether the metrics want no token."""
    return _open(settings, settings.metrics_open)


def _open(settings: Settings, wanted: str) -> bool:
    """``auto``: where nobody can come but from this machine."""
    if wanted != "auto":
        return wanted == "on"
    host = settings.intake_host.strip("[]")
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@asynccontextmanager
async def daemon(
    settings: Settings,
    log: StructuredLog,
    *,
    web: bool = True,
    watch: bool = True,
    meters: Meters | None = None,
) -> AsyncIterator[Daemon]:
    """A daemon that serves within the block, and drains at its end. ``web``, ``watch``: with its
    HTTP interface, and with the folder that the settings name, if any. ``meters``: the log's, where
    what it was told before counts too.

    A fault of the service cancels the block; the ExceptionGroup says why.
    """
    meters, incidents = meters or Meters(log), Incidents()
    log.watch(incidents.watch)
    async with open_world(settings, log, meters) as world:
        service = Service(world, service_policy(settings))
        tokens = intake_tokens(settings)
        front = ServiceFront(service, world)
        server: WebServer | None = None
        figures = measured(
            settings, front, log, meters, lambda: 0 if server is None else server.followed_by
        )
        if web:
            server = WebServer(
                front,
                log,
                tokens,
                host=settings.intake_host,
                port=settings.intake_port,
                names=settings.intake_hosts,
                max_file_bytes=settings.max_file_bytes,
                version=listener.__version__,
                address_file=settings.state_dir / "intake.json",
                gateway=GatewayPolicy(gateway_open(settings), settings.gateway_wait_s),
                figures=Figures(figures.scrape, metrics_open(settings)),
                incidents=incidents,
            )
        async with asyncio.TaskGroup() as group:
            running = group.create_task(service.run(), name="service")
            await service.ready.wait()
            if server is not None:
                await server.start()
                log.emit("daemon.ready", host=settings.intake_host, port=server.port)
            aside = [group.create_task(meters.lag.run(), name="loop lag")]
            if watch:
                aside += _watch(settings, front, log, group)
            try:
                yield Daemon(service, world, server, tokens, settings, front)
            finally:
                for task in aside:
                    task.cancel()
                service.stop()
                if not running.done():
                    await asyncio.wait({running})
                if server is not None:
                    await server.stop()


def _watch(
    settings: Settings, front: Front, log: StructuredLog, group: asyncio.TaskGroup
) -> list[asyncio.Task[None]]:
    if settings.spool_watch is None:
        return []
    folder = WatchedFolder(
        front,
        log,
        settings.spool_watch,
        settle_s=settings.spool_watch_settle_s,
        poll={"auto": None, "on": True, "off": False}[settings.spool_watch_poll],
        journal=install_key(settings.state_dir / "journal.id").hex()[:16],
    )
    return [group.create_task(folder.run(), name="watched folder")]
