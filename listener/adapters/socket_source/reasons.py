"""Names for how a connection fails."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import aiohttp

from .link import End, Link

DETAIL_CHARACTERS = 200
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
        return End("invalid_namespace", words, refused=True)
    return End("refused", words, refused=True)


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
    return End(f"http_{status}", f"HTTP {status} {words}".rstrip(), refused=refused)


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
