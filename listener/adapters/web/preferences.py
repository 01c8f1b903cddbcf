"""What a client prefers, by its ``Prefer`` headers (RFC 7240)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

LONGEST_CHARS = 1024
"""Of all such headers together: as many as are looked at."""

_PREFERENCE = re.compile(
    r"""\s*+([!#$%&'*+.^_`|~0-9A-Za-z-]++)\s*+"""
    r"""(?:=\s*+(?:"((?:[^"\\]|\\.)*+)"|([^\s",;]*+)))?""",
    re.DOTALL,
)
_PIECE = re.compile(r"""[^",]++|"(?:[^"\\]|\\.)*+"?|,""", re.DOTALL)
"""Linear: none gives back what it took, and a quote that nobody closes is the last."""


@dataclass(frozen=True, slots=True)
class Preferences:
    """``wait_s`` None: none was given. ``respond_async``: an answer at once, or after that wait."""

    respond_async: bool
    wait_s: int | None

    def applied(self) -> str:
        """As ``Preference-Applied`` says it; empty where there is none."""
        words = ["respond-async"] if self.respond_async else []
        return ", ".join([*words, *([] if self.wait_s is None else [f"wait={self.wait_s}"])])


def read_preferences(headers: Iterable[str], longest_s: int) -> Preferences:
    """Of each the first counts; what is not understood is ignored. Never raises."""
    found: dict[str, str] = {}
    for name, value in _all(headers):
        found.setdefault(name, value)
    wait = found.get("wait", "")
    digits = wait.isascii() and wait.isdigit()
    return Preferences(
        respond_async="respond-async" in found,
        wait_s=min(int(wait[:12]), longest_s) if digits else None,
    )


def _all(headers: Iterable[str]) -> Iterator[tuple[str, str]]:
    left = LONGEST_CHARS
    for header in headers:
        for one in _apart(header[:left]):
            # Parameters of a preference come after a semicolon; we know of none.
            match = _PREFERENCE.match(one)
            if match is not None:
                quoted = match[2]
                yield match[1].lower(), match[3] or "" if quoted is None else quoted
        left -= min(left, len(header))


def _apart(header: str) -> Iterator[str]:
    """What stands between the commas that are not quoted."""
    one: list[str] = []
    for piece in _PIECE.findall(header):
        if piece == ",":
            yield "".join(one)
            one = []
        else:
            one.append(piece)
    yield "".join(one)
