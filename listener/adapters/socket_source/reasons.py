"""Names for how a connection fails."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import aiohttp

from .link import End, Link

DETAIL_CHARACTERS = 200
LOOKED_AT = 1_000
MOST_WORDS = 20
_SAYABLE = """
a access account admin allowed an and another api apikey are at auth authenticate
authenticated authentication authorization authorize authorized bad banned be bearer been
blocked busy by cannot capacity client clients code connect connected connecting connection
connections cookie cors could credential credentials denied disabled does error exceeded exist
exists expired failed failure for forbidden found full given gone handshake has have header
host id in incorrect internal invalid ip is it jwt key limit limited locked login maintenance
malformed many max maximum method missing must namespace no not of on one only or origin
password permission permissions permitted please policy protocol provided query quota rate
reached reason refused rejected request requests require required requires retry revoked room
secret server service session sessions signature socket suspended the there this to token too
transport try unable unauthenticated unauthorised unauthorized unavailable unexpected unknown
unsupported upgrade user valid verification version was websocket with wrong you your
"""
SAYABLE = frozenset(_SAYABLE.split())
"""By which nobody is called, and no code is spelled."""
RETRIED_STATUSES = frozenset({408, 425, 429})
"""Of the 4xx, those that time alone may mend."""


def name_failure(link: Link, raised: BaseException | None) -> End:
    """Why there is no connection, from what was seen on the way. ``raised``: what the library
    raised; its text is made of what the server sent and is told only where it cannot be."""
    if link.status is not None:
        return _name_status(link.status, link.words)
    if (fault := link.fault) is not None:
        return _name_fault(fault)
    if isinstance(raised, TimeoutError):
        return End("connect_timeout", "the server did not complete the handshake in time")
    if raised is None or _says_timeout(raised):
        return End("connect_timeout", "the server did not answer for the namespace in time")
    return End("bad_handshake", f"the server's handshake cannot be read ({type(raised).__name__})")


def name_loss(link: Link) -> End:
    """Why a connection is no more that the library calls closed."""
    if link.status is not None:
        return _name_status(link.status, link.words)
    return End("transport_closed")


def name_refusal(said: object) -> End:
    """A CONNECT_ERROR: the server's own words, ``{"message", "data"}`` or text."""
    if isinstance(said, dict):
        said = said.get("message")
    words = said if isinstance(said, str) else "no reason given"
    if "namespace" in words.lower():
        return End("invalid_namespace", sayable(words), refused=True)
    return End("refused", sayable(words), refused=True)


def says_no(answer: Sequence[object]) -> bool:
    """Whether the arguments of an acknowledgement are a refusal, by the usual conventions."""
    match answer:
        case [dict(said), *_]:
            return (
                said.get("ok") is False
                or said.get("success") is False
                or bool(said.get("error"))
                or said.get("status") in ("error", "fail")
            )
    return False


def sayable(words: str) -> str:
    """Of a sentence of the server's the words that say why, and "…" for all others: a candidate may
    be named in it, or a code that nobody told us of."""
    told: list[str] = []
    for word in words[:LOOKED_AT].split():
        plain = word.strip(".,:;!?()")
        shown = plain if plain.lower() in SAYABLE else "…"
        if shown != "…" or told[-1:] != ["…"]:
            told.append(shown)
    return " ".join(told if len(told) <= MOST_WORDS else [*told[:MOST_WORDS], "…"])


def presentable(detail: str, secrets: Iterable[str]) -> str:
    """For a log line: short, printable, none of our secrets in it."""
    for secret in secrets:
        detail = detail.replace(secret, "…")
    shown = "".join(c if c.isprintable() else "�" for c in detail[: DETAIL_CHARACTERS + 1])
    return shown if len(shown) <= DETAIL_CHARACTERS else shown[: DETAIL_CHARACTERS - 1] + "…"


def _name_status(status: int, words: str) -> End:
    if 300 <= status < 400:
        return End("redirected", f"HTTP {status}: redirects are not followed", refused=True)
    refused = 400 <= status < 500 and status not in RETRIED_STATUSES
    return End(f"http_{status}", f"HTTP {status} {sayable(words)}".rstrip(), refused=refused)


def _name_fault(fault: aiohttp.ClientError) -> End:
    if isinstance(fault, aiohttp.ClientProxyConnectionError):
        return End("proxy_failed", f"the proxy cannot be reached: {_of_os(fault)}")
    if isinstance(fault, aiohttp.ClientHttpProxyError):
        return End("proxy_failed", f"the proxy answers with HTTP {fault.status}", refused=True)
    if isinstance(fault, aiohttp.ClientConnectorDNSError):
        return End("dns_failed", "the host's name cannot be resolved")
    if isinstance(fault, aiohttp.ClientSSLError):
        return End("tls_failed", type(fault).__name__)
    if isinstance(fault, aiohttp.ClientConnectorError):
        return End("unreachable", _of_os(fault))
    return End("transport_closed", type(fault).__name__)


def _of_os(fault: aiohttp.ClientConnectorError) -> str:
    return fault.os_error.strerror or type(fault.os_error).__name__


def _says_timeout(raised: BaseException) -> bool:
    return str(raised) == "Unexpected connection error"
