"""How the upstream is reached, made from the settings: for the daemon, and for who looks whether it
could be."""

from __future__ import annotations

from handlers import cv_updated
from listener.adapters.clock import SystemClock
from listener.adapters.credentials import Asked, CredentialsFailed, Fresh
from listener.adapters.logs import StructuredLog
from listener.adapters.socket_source import OnConnect, SocketSource
from listener.adapters.tls import client_context
from listener.adapters.upstream_http import HttpUpstream
from listener.adapters.web import RECORDS_AT_ONCE
from listener.ports.event_source import Resume
from listener.settings import (
    Named,
    Settings,
    credentials_function,
    events_of,
    known_settings,
)

MAX_RESPONSE_BYTES = 1 << 20


def credentials(settings: Settings, log: StructuredLog) -> dict[str, Fresh]:
    """What makes them, by the setting's field: what it says, or the function that it names.

    Raises SettingsInvalid where that cannot be loaded."""
    plain: dict[str, Fresh] = {
        "api_headers": settings.api_headers_plain,
        "socket_auth": settings.socket_auth_plain,
        "socket_headers": settings.socket_headers_plain,
        "socket_query": settings.socket_query_plain,
    }
    for known in known_settings():
        named = getattr(settings, known.field)
        if known.field in plain and isinstance(named, Named):
            function = credentials_function(known.name, named.name)
            plain[known.field] = Asked(function, known.form.read, told=log.redactor.add)
    return plain


def http_upstream(
    settings: Settings, made: dict[str, Fresh], clock: SystemClock, log: StructuredLog
) -> HttpUpstream:
    """The upstream's API. ``made``: see :func:`credentials`. Raises SettingsInvalid."""
    return HttpUpstream(
        base_url=settings.api_base_url,
        timeout_s=settings.api_timeout_s,
        upload_timeout_s=settings.api_upload_timeout_s,
        max_connections=settings.max_in_flight + 16 + RECORDS_AT_ONCE,
        max_response_bytes=MAX_RESPONSE_BYTES,
        retry_after_cap_ms=round(settings.retry_after_cap_s * 1000),
        now_ms=clock.now_ms,
        headers=made["api_headers"],
        proxy=settings.api_proxy_plain(),
        ca_file=settings.tls_ca_file,
        not_applied_statuses=settings.not_applied_statuses,
        on_fault=lambda error: _adapter_failed(log, error),
    )


def socket_source(
    settings: Settings,
    made: dict[str, Fresh],
    clock: SystemClock,
    *,
    first_seq: int = 1,
    resume: Resume = Resume(),  # noqa: B008 - frozen, and the same for everyone
    connect_timeout_s: float = 10.0,
) -> SocketSource:
    """The upstream's events. Raises SettingsInvalid."""
    return SocketSource(
        url=settings.socket_url,
        now_ms=clock.now_ms,
        first_seq=first_seq,
        resume=resume,
        path=settings.socket_path,
        namespace=settings.socket_namespace,
        event=settings.socket_event,
        others=events_of(settings.event_handlers),
        read=cv_updated.read,
        auth=made["socket_auth"],
        headers=made["socket_headers"],
        query=made["socket_query"],
        transports=settings.socket_transports,
        connect_timeout_s=connect_timeout_s,
        backoff_cap_s=settings.socket_backoff_cap_s,
        on_connect=[
            OnConnect(emit.event, tuple(emit.args), emit.ack_timeout_s)
            for emit in settings.socket_on_connect
        ],
        ssl_context=client_context(settings.tls_ca_file),
        proxy=settings.api_proxy_plain(),
    )


def _adapter_failed(log: StructuredLog, error: Exception) -> None:
    if isinstance(error, CredentialsFailed):
        log.emit("upstream.credentials_failed", error=str(error))
    else:
        log.fault("upstream.adapter_failed", error)
