"""Finding known secrets in a text, in whatever way they are encoded there."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

SHORTEST = 4
"""A shorter one would blank half of every text."""
LONGEST_FORM = 1_280
"""Of 256 bytes, each ``%25XX`` or ``\\\\xXX``: the longest that is recognised."""


class KnownSecrets:
    """A set of texts, and where they stand in another.

    Not the secrets are encoded, in each way there is, but the text is decoded: so any mixture of
    encodings is seen through (each library leaves other characters as they are), and a secret costs
    the memory of one text. The time of ``find`` grows with the text, not with the number of them.
    One thread adds and discards; others may look meanwhile.
    """

    def __init__(self) -> None:
        self._uses: Counter[str] = Counter()
        self._lengths: dict[str, Counter[int]] = {}
        """Their first characters → the lengths of those that begin so, and how many have each."""

    def add(self, secret: str) -> None:
        """One more use of it. Those under ``SHORTEST`` characters are not looked for."""
        if len(secret) < SHORTEST:
            return
        self._uses[secret] += 1
        if self._uses[secret] == 1:
            self._lengths.setdefault(secret[:SHORTEST], Counter())[len(secret)] += 1

    def discard(self, secret: str) -> None:
        """One use less."""
        if secret not in self._uses:
            return
        self._uses[secret] -= 1
        if self._uses[secret]:
            return
        del self._uses[secret]
        lengths = self._lengths[secret[:SHORTEST]]
        lengths[len(secret)] -= 1
        if not lengths[len(secret)]:
            del lengths[len(secret)]
        if not lengths:
            del self._lengths[secret[:SHORTEST]]

    def find(self, text: str) -> list[tuple[int, int]]:
        """From where to where secrets stand, ascending, none overlapping another."""
        if not self._uses:
            return []
        found = {span for view in _views(text) for span in self._find_in(view)}
        return list(_merged(sorted(found)))

    def _find_in(self, view: _View) -> Iterator[tuple[int, int]]:
        text, bounds = view
        for at in range(len(text) - SHORTEST + 1):
            lengths = self._lengths.get(text[at : at + SHORTEST])
            # A copy: another thread may add meanwhile.
            for length in list(lengths or ()):
                if text[at : at + length] in self._uses:
                    yield bounds[at], bounds[min(at + length, len(text))]


class _View(NamedTuple):
    """A decoded text, and for each of its characters (and its end) the place in the original."""

    text: str
    bounds: Sequence[int]


_Read = Callable[[str], Iterable[tuple[str, int]]]
"""From an encoded piece to its characters, each with how many characters it was written in."""


def _views(text: str) -> Iterator[_View]:
    """The text itself, and with one and two layers of encoding undone, in any order."""
    plain = _View(text, range(len(text) + 1))
    layer = [plain]
    yield plain
    for _ in range(2):
        layer = [
            decoded
            for view in layer
            for decoded in (_undo(view, *_PERCENT), _undo(view, *_FORM), _undo(view, *_ESCAPES))
            if decoded is not None
        ]
        yield from layer


def _undo(view: _View, pattern: re.Pattern[str], read: _Read) -> _View | None:
    """None where nothing is encoded that way."""
    pieces: list[str] = []
    bounds: list[int] = []
    done = 0
    for found in pattern.finditer(view.text):
        pieces.append(view.text[done : found.start()])
        bounds += view.bounds[done : found.start()]
        at = found.start()
        for character, width in read(found[0]):
            pieces.append(character)
            bounds.append(view.bounds[at])
            at += width
        done = found.end()
    if not done:
        return None
    pieces.append(view.text[done:])
    bounds += view.bounds[done:]
    return _View("".join(pieces), bounds)


def _read_percent(piece: str) -> Iterator[tuple[str, int]]:
    if piece == "+":
        yield " ", 1
        return
    for character in bytes.fromhex(piece.replace("%", "")).decode("utf-8", "surrogateescape"):
        yield character, 3 * len(character.encode("utf-8", "surrogateescape"))


def _read_escape(piece: str) -> Iterator[tuple[str, int]]:
    kind = piece[1]
    if kind == "x":
        # Of bytes they are UTF-8; of a text, single characters.
        data = bytes.fromhex(piece.replace("\\x", ""))
        try:
            for character in data.decode():
                yield character, 4 * len(character.encode())
        except UnicodeDecodeError:
            for byte in data:
                yield chr(byte), 4
    elif kind == "u" and len(piece) == 12:
        data = bytes.fromhex(piece.replace("\\u", ""))
        yield data.decode("utf-16-be"), 12
    elif kind in "uU":
        number = int(piece[2:], 16)
        yield chr(number) if number <= 0x10FFFF else "?", len(piece)
    else:
        yield kind, 2


_PERCENT: tuple[re.Pattern[str], _Read] = (re.compile("(?:%[0-9A-Fa-f]{2})+"), _read_percent)
_FORM: tuple[re.Pattern[str], _Read] = (re.compile(r"(?:%[0-9A-Fa-f]{2})+|\+"), _read_percent)
_ESCAPES: tuple[re.Pattern[str], _Read] = (
    re.compile(
        r"(?:\\x[0-9A-Fa-f]{2})+"
        r"|\\u[dD][89abAB][0-9A-Fa-f]{2}\\u[dD][c-fC-F][0-9A-Fa-f]{2}"
        r"|\\u[0-9A-Fa-f]{4}|\\U[0-9A-Fa-f]{8}|\\[\\'\"/]"
    ),
    _read_escape,
)


def _merged(spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    current: tuple[int, int] | None = None
    for start, end in spans:
        if current is not None and start < current[1]:
            current = (current[0], max(current[1], end))
            continue
        if current is not None:
            yield current
        current = (start, end)
    if current is not None:
        yield current
