"""Keeping codes and credentials out of text that others wrote: libraries and exceptions.

Our own lines never hold a code in the first place; this is for what we did not write.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from urllib.parse import quote

HIDDEN = "…"
KNOWN_CODES = 50_000

_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    # The path of any URL below the API, and of the gateway.
    (re.compile(r"(/cv-enhance)/[^\s'\"<>)\]]+"), rf"\1/{HIDDEN}"),
    # Any other URL: keep scheme, host and port.
    (re.compile(r"\b((?:https?|wss?)://)(?:[^/\s'\"@]*@)?([^/\s'\"?#@]+)[/?#][^\s'\"<>)\]]*"),
     rf"\1\2/{HIDDEN}"),
    (re.compile(r"(?i)\b(authorization|proxy-authorization|cookie|set-cookie)(['\"]?\s*[:=]\s*)"
                r"(['\"]?)[^'\"\r\n]+"), rf"\1\2\3{HIDDEN}"),
    (re.compile(r"(?i)\bbearer\s+[A-Za-z0-9._~+/=-]+"), f"Bearer {HIDDEN}"),
    (re.compile(r"(?i)(['\"]?cv_code['\"]?\s*[:=]\s*)(?:'[^']*'|\"[^\"]*\"|[^\s,}\])]+)"),
     rf"\1{HIDDEN}"),
)  # fmt: skip


class Redactor:
    """Replaces what looks like a secret, and every code it was told of, plain or encoded.

    Remembers the newest ``KNOWN_CODES`` codes: bounded, whatever comes.
    """

    def __init__(self) -> None:
        self._codes: OrderedDict[str, tuple[str, ...]] = OrderedDict()
        self._fixed: set[str] = set()

    def add(self, code: str) -> None:
        """A code that is in use now."""
        if code in self._codes:
            return
        forms = {code, quote(code, safe=""), quote(code, safe="-._~"), repr(code)[1:-1]}
        # A very short code would blank half of every text; those are caught by the patterns alone.
        self._codes[code] = tuple(sorted((f for f in forms if len(f) >= 4), key=len, reverse=True))
        if len(self._codes) > KNOWN_CODES:
            self._codes.popitem(last=False)

    def add_secret(self, secret: str) -> None:
        """A token or credential from the settings."""
        if len(secret) >= 4:
            self._fixed.add(secret)

    def clean(self, text: str) -> str:
        """The text without secrets."""
        for secret in self._fixed:
            text = text.replace(secret, HIDDEN)
        for forms in self._codes.values():
            for form in forms:
                if form in text:
                    text = text.replace(form, HIDDEN)
        for pattern, instead in _PATTERNS:
            text = pattern.sub(instead, text)
        return text
