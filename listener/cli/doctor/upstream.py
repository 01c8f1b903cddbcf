"""The upstream, over the daemon's own adapters: what they can do, it can; no code is sent, nothing
is posted, and no redirect is followed."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from http.client import responses
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from listener.cli import exits

from .finding import BOUND_S, Finding, aside, fail, fine, warn

if TYPE_CHECKING:
    from listener.adapters.socket_source import SocketSource, Trial
    from listener.adapters.upstream_http import Greeting, HttpUpstream

DAY_S = 86_400
SOON_DAYS = 14
WITHIN_S = 3.0
"""For a connection alone: the rest of the look's bound is TLS's."""
SKEW_S = 5.0
SERVES = "see that the upstream serves, and that a firewall lets this machine out"


@dataclass(frozen=True, slots=True)
class Host:
    """Where a setting leads to. ``addresses``: what its name stands for; empty where that could not
    be found out."""

    check: str
    setting: str
    name: str
    port: int
    secure: bool
    addresses: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """``host:port (address, …)``."""
        found = ", ".join(self.addresses[:3])
        return (
            f"{self.name}:{self.port} ({found})" if found != self.name else f"{found}:{self.port}"
        )


def host(check: str, setting: str, url: str) -> Host:
    """The host of a URL. Raises ValueError."""
    parts = urlsplit(url)
    if parts.hostname is None:
        raise ValueError(f"expected {setting} to name a host")
    secure = parts.scheme in ("https", "wss")
    return Host(check, setting, parts.hostname, parts.port or (443 if secure else 80), secure)


async def resolved(one: Host) -> Host:
    """With its addresses. A resolver's patience is longer than ours, and cannot be ended: so nobody
    else is to ask it before it has answered."""
    try:
        async with asyncio.timeout(BOUND_S):
            found = await aside(
                lambda: socket.getaddrinfo(one.name, one.port, type=socket.SOCK_STREAM)
            )
    except (OSError, UnicodeError, TimeoutError):
        return one
    return replace(one, addresses=tuple(dict.fromkeys(str(entry[4][0]) for entry in found)))


async def way(one: Host, context: ssl.SSLContext) -> Iterable[Finding]:
    """The way to a host: its name, its port, its certificate."""
    if not one.addresses:
        advice = f"see that {one.setting} is spelled right, and that this machine's resolver works"
        return [_no(one, f"the name {one.name} cannot be resolved", advice)]
    began = time.monotonic()
    try:
        async with asyncio.timeout(WITHIN_S):
            certificate = await _connect(one, context if one.secure else None)
    except TimeoutError:
        return [_no(one, f"{one.shown} does not answer in {WITHIN_S:g} s", SERVES)]
    except ssl.SSLCertVerificationError as error:
        why = f"its certificate is not trusted: {error.verify_message}"
        return [_no(one, f"{one.shown} answers, but {why}", _CERTIFICATE)]
    except ssl.SSLError as error:
        why = f"TLS fails ({error.reason or 'no agreement'})"
        advice = f"see that {one.setting} says https where the server speaks TLS"
        return [_no(one, f"{one.shown} answers, but {why}", advice)]
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else type(error).__name__
        return [_no(one, f"{one.shown}: {why}", SERVES)]
    took = f"{one.shown} in {(time.monotonic() - began) * 1000:.0f} ms"
    return [_certified(one.check, took, certificate) if one.secure else fine(one.check, took)]


_CERTIFICATE = (
    "renew it at the server; where a private authority signed it, name that in CV_TLS_CA_FILE"
)


def _no(one: Host, found: str, advice: str) -> Finding:
    return fail(one.check, found, advice, exits.UNAVAILABLE)


async def _connect(one: Host, context: ssl.SSLContext | None) -> dict[str, object]:
    """The certificate of who answers there, empty without TLS."""
    name = None if context is None else one.name
    _, writer = await asyncio.open_connection(
        one.addresses[0], one.port, ssl=context, server_hostname=name
    )
    try:
        secured = writer.get_extra_info("ssl_object")
        return dict(secured.getpeercert() or {}) if secured is not None else {}
    finally:
        writer.transport.abort()


def _certified(check: str, took: str, certificate: dict[str, object]) -> Finding:
    ends = certificate.get("notAfter")
    if not isinstance(ends, str):
        return fine(check, f"{took}; TLS")
    days = (ssl.cert_time_to_seconds(ends) - time.time()) / DAY_S
    found = f"{took}; TLS, its certificate holds for {days:.0f} days"
    if days < SOON_DAYS:
        return warn(check, found, "let the upstream's side renew it in time")
    return fine(check, found)


async def answer(upstream: HttpUpstream) -> Iterable[Finding]:
    """Whether HTTP is spoken there, and what its clock says."""
    before = time.time()
    greeting = await upstream.greet()
    middle = (before + time.time()) / 2
    if isinstance(greeting, str):
        advice = _HEADERS if greeting == "headers_failed" else SERVES
        found = f"no HTTP answer ({greeting.replace('_', ' ')})"
        return [fail("http", found, advice, exits.UNAVAILABLE)]
    return [_answered(greeting), *_skew(greeting, middle)]


_HEADERS = "mend the function in CV_API_HEADERS: it made no headers"


def _answered(greeting: Greeting) -> Finding:
    status = greeting.status
    said = f"{status} {responses.get(status, '')}".strip()
    found = f"answers a GET of CV_API_BASE_URL with {said}" + (
        f" ({greeting.kind})" if greeting.kind else ""
    )
    if status in (401, 403, 407):
        return fail("http", found, "give it what it wants in CV_API_HEADERS", exits.UNAVAILABLE)
    if 300 <= status < 400:
        advice = "redirects are not followed: set CV_API_BASE_URL to where it points"
        return fail("http", found, advice, exits.UNAVAILABLE)
    if status >= 500:
        return warn("http", found, "see that the upstream serves")
    if greeting.kind == "text/html":
        advice = "a page for people, not an API: see that CV_API_BASE_URL is right"
        return warn("http", found, advice)
    return fine("http", found)


def _skew(greeting: Greeting, middle: float) -> Iterator[Finding]:
    """``Date`` counts whole seconds, so that less than one is nothing."""
    theirs: float | None = None
    with suppress(ValueError, TypeError):
        theirs = parsedate_to_datetime(greeting.date or "").timestamp() + 0.5
    if theirs is None:
        yield fine("skew", "the upstream tells no time to hold our clock against")
        return
    apart = middle - theirs
    found = (
        f"our clock is {abs(apart):.0f} s {'ahead of' if apart > 0 else 'behind'} the upstream's"
    )
    if abs(apart) > SKEW_S:
        advice = "set this machine's clock (NTP), or tell the upstream's side: logs will not agree"
        yield warn("skew", found, advice)
    else:
        yield fine("skew", found)


async def subscription(source: SocketSource) -> Iterable[Finding]:
    """Whether we could hear: handshake, namespace, subscription; and whether what is missed could
    be replayed."""
    return list(_heard(await source.try_once()))


def _heard(trial: Trial) -> Iterator[Finding]:
    if not trial.listening:
        why = f"{trial.reason}: {trial.detail}" if trial.detail else str(trial.reason)
        how_far = (
            "the namespace took us, and the subscription failed"
            if trial.taken
            else "an Engine.IO 4 server, which did not let us in"
            if trial.shook_hands
            else "no handshake"
        )
        advice = _ADVICE.get(str(trial.reason), _LOOK)
        yield fail("socket", f"{how_far} ({why})", advice, exits.UNAVAILABLE)
        return
    yield fine("socket", f"Engine.IO 4 (Socket.IO 3 or newer) over {trial.transport}; subscribed")
    if trial.recovery and trial.transport == "websocket":
        yield fine("recovery", "offered: events of a short interruption are replayed")
        return
    found = "offered, but of no use over polling" if trial.recovery else "not offered"
    advice = (
        "each interruption leaves a gap, and what waits in it is enquired of: ask the upstream's "
        "side for connection state recovery"
    )
    if trial.recovery:
        advice = "put websocket first in CV_SOCKET_TRANSPORTS"
    yield warn("recovery", found, advice)


_LOOK = "see that CV_SOCKET_URL and CV_SOCKET_PATH lead to the upstream's Socket.IO server"
_ADVICE = {
    "server_2x": "a Socket.IO 2 server cannot be heard: the upstream's side must offer version 3 or"
    " newer",
    "invalid_namespace": "check CV_SOCKET_NAMESPACE",
    "refused": "check CV_SOCKET_AUTH, CV_SOCKET_HEADERS and CV_SOCKET_QUERY",
    "http_401": "check CV_SOCKET_HEADERS and CV_SOCKET_QUERY",
    "http_403": "check CV_SOCKET_HEADERS and CV_SOCKET_QUERY",
    "no_credentials": "mend the function that the setting names",
    "subscribe_refused": "check CV_SOCKET_ON_CONNECT",
    "subscribe_timeout": "check CV_SOCKET_ON_CONNECT: the server acknowledged nothing",
    "subscribe_failed": "check CV_SOCKET_ON_CONNECT",
    "tls_failed": "see the certificate above",
}
