"""Keeping codes and credentials out of text that others wrote: libraries, exceptions, servers.

Our own lines never hold a code in the first place; this is for what we did not write. Nothing here
is sure to find a code that nobody told of, in any text whatever: so each way it could come in is
closed by a rule of its own, and known codes are looked for besides.
"""

from __future__ import annotations

import json
import re
from collections import Counter, OrderedDict
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

HIDDEN = "…"
KNOWN_CODES = 50_000
SHORTEST = 4
"""A shorter code would blank half of every text; only the rules below find it."""
LONGEST_READ = 16_384
LONGEST_FORM = 1_024
"""Of a code of 256 bytes, encoded in any of the ways below."""

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
    (re.compile(rf"/[^{_URL_END}]*/edits\b"), f"/{HIDDEN}"),
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
    """Replaces what looks like a secret, and every code it was told of, plain or encoded.

    Keeps the newest ``KNOWN_CODES`` codes. The time it takes grows with the text alone, not with
    the number of codes. One thread adds; others may clean meanwhile.
    """

    def __init__(self) -> None:
        self._codes: OrderedDict[str, frozenset[str]] = OrderedDict()
        self._uses: Counter[str] = Counter()
        self._by_start: dict[str, tuple[str, ...]] = {}

    def add(self, code: str) -> None:
        """A code that is in use now."""
        if code in self._codes:
            self._codes.move_to_end(code)
            return
        self._codes[code] = forms = _forms(code)
        self._look_for(forms)
        if len(self._codes) > KNOWN_CODES:
            self.discard(next(iter(self._codes)))

    def discard(self, code: str) -> None:
        """It need not be looked for any longer. Idempotent."""
        for form in self._codes.pop(code, ()):
            self._uses[form] -= 1
            if self._uses[form]:
                continue
            del self._uses[form]
            start = form[:SHORTEST]
            left = tuple(other for other in self._by_start[start] if other != form)
            if left:
                self._by_start[start] = left
            else:
                del self._by_start[start]

    def add_secret(self, secret: str) -> None:
        """A token or credential of the settings: looked for to the end."""
        self._look_for(_forms(secret))

    def clean(self, text: str) -> str:
        """The text without secrets: for words of ours, and what a port made presentable."""
        cut = len(text) > LONGEST_READ
        text = "".join(self._without_known(text[:LONGEST_READ]))
        for pattern, instead in _RULES:
            text = pattern.sub(instead, text)
        # Where it was cut, a part of a code may stand, which nothing recognises.
        return text[:-LONGEST_FORM] + HIDDEN if cut else text

    def clean_foreign(self, text: str) -> str:
        """The same, and without what stands in quotes: there libraries, foreign exceptions and
        packets have their values."""
        return _QUOTED.sub(rf"\1{HIDDEN}\1", self.clean(text))

    def _look_for(self, forms: frozenset[str]) -> None:
        for form in forms:
            self._uses[form] += 1
            if self._uses[form] == 1:
                start = form[:SHORTEST]
                known = (*self._by_start.get(start, ()), form)
                # The longest first, so that of a code that begins with another nothing is left.
                self._by_start[start] = tuple(sorted(known, key=len, reverse=True))

    def _without_known(self, text: str) -> Iterator[str]:
        by_start = self._by_start
        done = position = 0
        while position <= len(text) - SHORTEST:
            forms = by_start.get(text[position : position + SHORTEST], ())
            found = next((form for form in forms if text.startswith(form, position)), None)
            if found is None:
                position += 1
                continue
            yield text[done:position]
            yield HIDDEN
            done = position = position + len(found)
        yield text[done:]


def _forms(secret: str) -> frozenset[str]:
    """How it may stand in a text: as it is, in a URL, in JSON, in a ``repr``."""
    encoded = quote(secret, safe="", errors="replace")
    found = {
        secret,
        encoded,
        re.sub("%[0-9A-F]{2}", lambda match: match[0].lower(), encoded),
        quote_plus(secret, errors="replace"),
        quote(secret, safe="/", errors="replace"),
        # As URL libraries write a path: what may stand in one is not encoded.
        quote(secret, safe="/!$&'()*+,;=:@", errors="replace"),
        quote(secret, safe="!$&'()*+,;=:@", errors="replace"),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        repr(secret)[1:-1],
        repr(secret + "'")[1:-2],
        ascii(secret)[1:-1],
    }
    return frozenset(form for form in found if len(form) >= SHORTEST)
