"""POSTs of the outcome handlers, and what an answer to one means."""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Mapping

import aiohttp

from listener.core.names import Millis
from listener.core.wire import retry_after_ms
from listener.ports.reaction import HandlerFailed

CONNECT_S = 10.0
KEEP_ALIVE_S = 3.0
"""Shorter than servers keep an idle connection: one that they closed would look like a failure."""
LONGEST_QUIET_MS = 6 * 3_600_000
"""As long as a failed call is put off at most by itself."""

GONE = 410
BUSY = frozenset({429, 503})
"""A Retry-After with one of these is about whom we call, with any other about what we told."""


class Poster:
    """One client for one handler. How long a POST may take is its caller's business: cancelled, it
    closes its connection.

    Redirects are not followed, no proxy or password is taken from the environment, no cookie is
    kept, and of the answer the status and the headers alone are read.
    """

    def __init__(
        self, *, ssl_context: ssl.SSLContext, user_agent: str, proxy: str | None = None
    ) -> None:
        self._ssl_context = ssl_context
        self._user_agent = user_agent
        self._proxy = proxy
        self._session: aiohttp.ClientSession | None = None

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> None:
        """Returns once the answer is a 2xx. Raises HandlerFailed, in words that do not name the
        URL: it may be a secret."""
        if self._session is None:
            self._session = self._opened()
        try:
            async with self._session.post(
                url, data=body, headers=headers, allow_redirects=False, proxy=self._proxy
            ) as answer:
                status, said = answer.status, answer.headers
        except aiohttp.ClientError as error:
            raise HandlerFailed(f"expected an answer, found {_fault(error)}") from error
        if not 200 <= status < 300:
            raise _refusal(status, {name.lower(): value for name, value in said.items()})

    async def close(self) -> None:
        """Idempotent."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _opened(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                ssl=self._ssl_context, keepalive_timeout=KEEP_ALIVE_S, limit=0
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": self._user_agent, "Accept-Encoding": "identity"},
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S),
            auto_decompress=False,
            trust_env=False,
        )


def _refusal(status: int, headers: Mapping[str, str]) -> HandlerFailed:
    words = f"expected a status of 2xx, found {status}"
    if 300 <= status < 400:
        words += ": redirects are not followed, set the URL that it leads to"
    if status == GONE:
        return HandlerFailed(f"{words}: whom it calls wants nothing more", gone=True)
    now = Millis(time.time_ns() // 1_000_000)
    quiet_ms = retry_after_ms(headers, now, LONGEST_QUIET_MS)
    return HandlerFailed(words, again_in_s=(quiet_ms or 0) / 1000, quiet=status in BUSY)


def _fault(error: aiohttp.ClientError) -> str:
    """What went wrong, without the address."""
    match error:
        case aiohttp.ClientConnectorDNSError():
            return "that the host's name cannot be resolved"
        case aiohttp.ClientConnectorCertificateError():
            return _distrusted(error.certificate_error)
        case aiohttp.ClientSSLError():
            return "that TLS could not be agreed on"
        case aiohttp.ClientProxyConnectionError() | aiohttp.ClientHttpProxyError():
            return "that the proxy did not let us through: check CV_HANDLER_PROXY"
        case aiohttp.ClientConnectorError():
            # Its own words hold the address.
            number = error.os_error.errno
            return f"no connection ({os.strerror(number) if number else 'no more is known'})"
        case aiohttp.ConnectionTimeoutError():
            return f"no connection within {CONNECT_S:g} s"
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientOSError():
            return "that the connection broke"
        case _:
            return f"what is no HTTP ({type(error).__name__})"


_DISTRUSTED = {
    9: "a certificate that is not valid yet: see the clocks of both machines",
    10: "a certificate that has expired: whoever runs the host is to renew it",
    62: "a certificate for another host: check the host of the URL",
    64: "a certificate for another address: name the host in the URL as its certificate does",
}
"""By OpenSSL's ``X509_V_ERR_…``: what an authority that is named does not mend."""


def _distrusted(fault: Exception) -> str:
    code = getattr(fault, "verify_code", None)
    otherwise = "a certificate that is not trusted: name its authority in CV_TLS_CA_FILE"
    return _DISTRUSTED.get(code, otherwise) if isinstance(code, int) else otherwise
