"""How a request can fail: aiohttp's exceptions into httpx's, each for what it says, and those into
the slugs of the log. The texts hold no URL, for a URL holds a ``cv_code``."""

from __future__ import annotations

import aiohttp
import httpx


class HostUnknown(httpx.ConnectError):
    """The name of the host could not be resolved."""


class ConnectionRefused(httpx.ConnectError):
    """Nobody listens there."""


class TlsFailed(httpx.ConnectError):
    """A connection was made, but not a trusted one: nothing of the request was sent over it."""


class TransportClosed(httpx.ConnectError):
    """Our own transport was closed before the request began."""


class Disconnected(httpx.RemoteProtocolError):
    """The server closed the connection, in good order, without any reply."""


class ReplyGarbled(httpx.RemoteProtocolError):
    """A reply began, and is not HTTP or broke off. Its status may not have been read."""


class ReplyTooLarge(ReplyGarbled):
    """The reply's body is longer than we read."""


class UploadBroken(httpx.LocalProtocolError):
    """Our side could not produce the whole body that it had announced."""


_SLUGS: tuple[tuple[type[httpx.TransportError], str], ...] = (
    (HostUnknown, "host_unknown"),
    (ConnectionRefused, "connect_refused"),
    (TlsFailed, "tls_failed"),
    (TransportClosed, "transport_closed"),
    (Disconnected, "disconnected"),
    (ReplyTooLarge, "reply_too_large"),
    (ReplyGarbled, "reply_garbled"),
    (UploadBroken, "upload_broken"),
    (httpx.PoolTimeout, "pool_timeout"),
    (httpx.ConnectTimeout, "connect_timeout"),
    (httpx.WriteTimeout, "write_timeout"),
    (httpx.ReadTimeout, "read_timeout"),
    (httpx.ConnectError, "connect_failed"),
    (httpx.ProxyError, "proxy_failed"),
    (httpx.WriteError, "write_failed"),
    (httpx.ReadError, "connection_reset"),
    (httpx.LocalProtocolError, "request_unsendable"),
    (httpx.UnsupportedProtocol, "request_unsendable"),
)


def slug(failure: httpx.TransportError) -> str:
    """The stable name of a failure, for logs."""
    return next((name for kind, name in _SLUGS if isinstance(failure, kind)), "transport_failed")


def translate(
    error: aiohttp.ClientError | OSError | ValueError,
    *,
    connected: bool,
    whole: bool,
) -> httpx.TransportError:
    """The httpx exception that says what happened. ``connected``: a connection was had, so the
    failure is the request's, not the connecting's. ``whole``: the body was handed over whole."""
    match error:
        case (
            aiohttp.ClientConnectorCertificateError()
            | aiohttp.ClientConnectorSSLError()
            | aiohttp.ServerFingerprintMismatch()
        ):
            return TlsFailed("the server's TLS could not be trusted or agreed on")
        case aiohttp.ClientConnectorDNSError():
            return HostUnknown("the host's name could not be resolved")
        case aiohttp.ClientHttpProxyError() | aiohttp.ClientProxyConnectionError():
            return httpx.ProxyError("the proxy could not be reached or refused to connect")
        case aiohttp.InvalidURL():
            return httpx.UnsupportedProtocol("expected an http or https URL with a host")
        case aiohttp.ClientConnectorError() if isinstance(error.os_error, ConnectionRefusedError):
            return ConnectionRefused("nobody listens at the host and port")
    if isinstance(error, ValueError):
        return httpx.LocalProtocolError("the request cannot be put into HTTP")
    if not connected:
        return httpx.ConnectError("no connection could be made")
    match error:
        case aiohttp.ServerDisconnectedError() if not isinstance(error.message, str):
            # aiohttp puts what it had read of the reply's head there.
            return ReplyGarbled("the reply's head broke off")
        case aiohttp.ServerDisconnectedError():
            return Disconnected("the server closed the connection without a reply")
        case aiohttp.ClientResponseError():
            return ReplyGarbled("the reply is not HTTP")
        case aiohttp.ClientPayloadError():
            return ReplyGarbled("the reply's body broke off")
    if whole:
        return httpx.ReadError("the connection was lost while waiting for the reply")
    return httpx.WriteError("the connection was lost while sending")
