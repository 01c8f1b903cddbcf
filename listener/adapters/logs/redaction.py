"""Keeping codes and credentials out of text that others wrote: libraries, exceptions, servers.

Our own lines never hold a code in the first place; this is for what we did not write. Nothing here
is sure to find a code that nobody told of, in any text whatever: so each way it could come in is
closed by a rule of its own, and known codes are looked for besides.
"""

from __future__ import annotations

import re
from collections import OrderedDict

from .known import LONGEST_FORM, KnownSecrets

HIDDEN = "…"
KNOWN_CODES = 50_000
LONGEST_READ = 8_192
"""Of a longer text the beginning alone is read, and told: no line has room for more."""

_URL_END = r"\s'\"<>)\]}"
_RULES: tuple[tuple[re.Pattern[str], str], ...] = (
    # Of any URL: scheme, host and port are kept.
    (
        re.compile(
            rf"\b((?:https?|wss?)://)(?:[^/{_URL_END}@]*@)?([^/?#{_URL_END}@]+)[/?#][^{_URL_END}]*"
        ),
        rf"\1\2/{HIDDEN}",
    ),
    (re.compile(rf"\b((?:https?|wss?)://)[^/{_URL_END}@]*@"), r"\1"),
    # Paths below the API, of the gateway, of a request line, and of an update.
    (re.compile(rf"(/cv-enhance)/[^{_URL_END}]+"), rf"\1/{HIDDEN}"),
    (
        re.compile(
            rf"\b(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS)(['\"]?,?\s+['\"]?)/[^{_URL_END}]*"
        ),
        rf"\1\2/{HIDDEN}",
    ),
    # From the word's beginning: begun at each slash of many it would take the square of its length.
    (re.compile(rf"(?<![^{_URL_END}])([^/{_URL_END}]*)/[^{_URL_END}]*/edits\b"), rf"\1/{HIDDEN}"),
    (
        re.compile(
            r"(?i)\b((?:proxy-)?authorization|(?:set-)?cookie|x-api-key|api[-_]?key|password|secret)"
            r"(['\"]?\s*[:=,]\s*b?['\"]?)[^'\"\r\n]+"
        ),
        rf"\1\2{HIDDEN}",
    ),
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{4,}"), rf"\1 {HIDDEN}"),
    (
        re.compile(
            r"(?i)(\b(?:cv_?code|token)['\"]?\s*[:=]\s*)"
            r"(?:'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"|[^\s,}\])]+)"
        ),
        rf"\1{HIDDEN}",
    ),
)

_QUOTED = re.compile(r"(?<!\w)b?(['\"])(?:.*\1(?!\w)|.*$)", re.MULTILINE)
"""From the first quote of a line to the last, for a code may hold quotes itself; to the line's end
where there is no second. An apostrophe within a word is none."""


class Redactor:
    """Replaces what looks like a secret, and every code it was told of, under any two layers of the
    encodings of ``known.py``.

    Keeps the newest ``KNOWN_CODES`` codes; finds those of four characters and more, shorter ones
    by the rules alone. The time it takes grows with the text alone, not with the number of
    codes. One thread adds; others may clean meanwhile.
    """

    def __init__(self) -> None:
        self._codes: OrderedDict[str, None] = OrderedDict()
        self._known = KnownSecrets()

    def add(self, code: str) -> None:
        """A code that is in use now."""
        if code in self._codes:
            self._codes.move_to_end(code)
            return
        self._codes[code] = None
        self._known.add(code)
        if len(self._codes) > KNOWN_CODES:
            self.discard(next(iter(self._codes)))

    def discard(self, code: str) -> None:
        """It need not be looked for any longer. Idempotent."""
        if code in self._codes:
            del self._codes[code]
            self._known.discard(code)

    def add_secret(self, secret: str) -> None:
        """A token or credential of the settings: looked for to the end."""
        self._known.add(secret)

    def clean(self, text: str) -> str:
        """The text without secrets: for words of ours, and what a port made presentable."""
        text = self._without_known(text)
        for pattern, instead in _RULES:
            text = pattern.sub(instead, text)
        return text

    def clean_foreign(self, text: str) -> str:
        """The same, and without what stands in quotes: there libraries, foreign exceptions and
        packets have their values."""
        return _QUOTED.sub(rf"\1{HIDDEN}\1", self.clean(text))

    def _without_known(self, text: str) -> str:
        read = text[:LONGEST_READ]
        pieces: list[str] = []
        done = 0
        for start, end in self._known.find(read):
            pieces += (read[done:start], HIDDEN)
            done = end
        pieces.append(read[done:])
        whole = "".join(pieces)
        # Where it was cut, a part of a code may stand, which nothing recognises.
        return whole if len(read) == len(text) else whole[:-LONGEST_FORM] + HIDDEN
