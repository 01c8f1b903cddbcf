"""Who may ask what: bearer tokens, and the names this server answers to."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import ipaddress
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum

from .problems import Refused

CHALLENGE = 'Bearer realm="cv-listener"'

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]/@\s]+)(?::[0-9]{1,5})?")


class Scope(StrEnum):
    """What a token allows. Each includes those before it."""

    READ = "read"
    SUBMIT = "submit"
    ADMIN = "admin"


_ORDER = list(Scope)


class Tokens:
    """Bearer tokens and how far each reaches. Keeps digests alone, and shows none.

    ``wall``: seconds, by the clock that ``keep`` reckons with.
    """

    def __init__(self, tokens: Mapping[str, Scope], wall: Callable[[], float] = time.time) -> None:
        """Raises ValueError without any token, or with one that no header can carry."""
        self._wall = wall
        self._scopes: list[tuple[bytes, Scope]] = []
        self._before: dict[bytes, tuple[Scope, float]] = {}
        self.replace(tokens, 0.0)

    def replace(self, tokens: Mapping[str, Scope], period_s: float) -> None:
        """These from now on. Those of before are still known for ``period_s``. Raises ValueError,
        changing nothing, as the constructor does."""
        if not tokens:
            raise ValueError("expected at least one intake token, found none")
        if not all(re.fullmatch(r"[A-Za-z0-9._~+/-]+=*", token) for token in tokens):
            raise ValueError(
                "expected intake tokens of letters, digits and . _ ~ + / - alone, found another"
                " character (RFC 6750): choose another token"
            )
        now, given = self._wall(), {_digest(token): scope for token, scope in tokens.items()}
        before = {d: (s, u) for d, (s, u) in self._before.items() if u > now and d not in given}
        for digest, scope in self._scopes:
            if digest not in given and period_s:
                before.setdefault(digest, (scope, now + period_s))
        self._scopes, self._before = list(given.items()), before

    def keep(self, token: str, scope: Scope, until: float) -> None:
        """One of before, known until then."""
        self._before.setdefault(_digest(token), (scope, until))

    def _known(self) -> Iterator[tuple[bytes, Scope]]:
        yield from self._scopes
        now = self._wall()
        yield from (
            (digest, scope) for digest, (scope, until) in self._before.items() if until > now
        )

    def check(self, authorization: str | None, needed: Scope) -> None:
        """Raises Refused where the header's token is none of ours, or does not reach so far."""
        scheme, _, token = (authorization or "").strip().partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Refused(
                "unauthorised",
                "expected 'Authorization: Bearer TOKEN', found no token; by default the token is in"
                " the file 'token' of the state folder",
                headers={"WWW-Authenticate": CHALLENGE},
            )
        given = _digest(token.strip())
        reach: Scope | None = None
        for known, scope in self._known():
            # Every token is compared, so that time tells nothing.
            if hmac.compare_digest(known, given):
                reach = scope
        if reach is None:
            raise Refused(
                "unauthorised",
                "expected a token of this daemon, found another",
                headers={"WWW-Authenticate": CHALLENGE + ', error="invalid_token"'},
            )
        if _ORDER.index(reach) < _ORDER.index(needed):
            raise Refused(
                "forbidden", f"expected a token of scope {needed.value}, found one of {reach.value}"
            )


class Names:
    """The names in ``Host`` that are ours.

    A page that a browser loaded from elsewhere reaches us by a name of its own, made to point here
    (DNS rebinding). So a name must be known; an address cannot be rebound, and is let in.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = {"localhost", *(name.lower().rstrip(".") for name in names)}

    def check(self, host: str | None) -> None:
        """Raises Refused for a name that is not ours."""
        found = _HOST.fullmatch(host or "")
        if found is not None:
            name = found[1].lower().rstrip(".")
            if name in self._names:
                return
            with contextlib.suppress(ValueError):
                ipaddress.ip_address(name.strip("[]"))
                return
        raise Refused(
            "wrong_host",
            "expected a Host header with an address, localhost, or a name this daemon was told is"
            " its own, found another",
        )


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
