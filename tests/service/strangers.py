"""Events that are somebody else's, broken or hostile: what they say, and whom they name."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

from hypothesis import strategies as st

from listener.core.errors import InvalidCode
from listener.core.wire import check_code
from listener.emulator.payloads import hostile_bodies
from tests.corpus.rows import EVENTS, Frame

DOCUMENTED = "Cv9E#nH4$xTz8!pY2aW^mK6rL"
BASES = (
    *(DOCUMENTED, "ABC123XYZ", "ABC", "a/b", "100%", "%41BC", " a b "),
    *("Straße", "Ångström é", "ﬁle №1", "İstanbul", "Ωmega", "٣٤٥"),
)
"""Codes, each of which stands close to others."""

_LOOKALIKES = str.maketrans("ABCaoes", "ΑВСаоеѕ")
_WIDE = str.maketrans({c: chr(ord(c) + 0xFEE0) for c in map(chr, range(0x21, 0x7F))})

VARIANTS: tuple[Callable[[str], str], ...] = (
    str.casefold,
    str.upper,
    str.lower,
    str.swapcase,
    str.title,
    str.strip,
    *(
        lambda c, form=form: unicodedata.normalize(form, c)
        for form in ("NFC", "NFD", "NFKC", "NFKD")
    ),
    lambda c: quote(c, safe=""),
    quote,
    lambda c: quote(quote(c, safe=""), safe=""),
    unquote,
    lambda c: "".join(f"%{byte:02x}" for byte in c.encode()),
    lambda c: c.replace(" ", "+"),
    lambda c: c[:-1],
    lambda c: c[1:],
    lambda c: c + "x",
    lambda c: c + c,
    lambda c: c[::-1],
    *(lambda c, end=end: c + end for end in (" ", "\u00a0", "\u200b", "\u200d", "\ufeff", "/")),
    *(lambda c, head=head: head + c for head in (" ", "\u3000", "\u200e", "./", "/")),
    lambda c: c + "/edits",
    lambda c: c.translate(_LOOKALIKES),
    lambda c: c.translate(_WIDE),
    lambda c: c.encode().decode("latin-1"),
    lambda c: json.dumps(c),
    lambda c: json.dumps(c)[1:-1],
    lambda c: f"{c},{c}",
    *(lambda c, end=end: c + end for end in ("\x00", "\n", "\r\n", "\t", "\x1b[0m", "\ud800")),
    lambda c: "\x00" + c,
)
"""What a careless reader could take for the code."""


def near(code: str) -> list[str]:
    """Texts that are close to a code and are not it, each once."""
    return list(dict.fromkeys(text for vary in VARIANTS if (text := vary(code)) != code))


def is_code(text: str) -> bool:
    """Whether it can be a code itself."""
    try:
        check_code(text)
    except InvalidCode:
        return False
    return True


@dataclass(frozen=True, slots=True, repr=False)
class Stranger:
    """Frames, and the only codes whose lanes they may move. ``what``: for people."""

    what: str
    frames: tuple[Frame, ...]
    names: frozenset[str]
    namespace: str = "/"
    event: str = "cv_updated"
    session: bool = False

    def __repr__(self) -> str:
        return f"<{self.what}: {repr(self.frames)[:300]}, names {sorted(self.names)}>"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """As Hypothesis tells of it: a frame can have megabytes."""
        printer.text(repr(self))


Body = tuple[str, object, frozenset[str]]


def _nested(code: str, depth: int) -> object:
    body: object = {"cv_code": code}
    for _ in range(depth):
        body = {"data": body}
    return body


def _plain(code: str, other: str) -> list[Body]:
    """Bodies that name one code, and may repeat another anywhere else."""
    noise = {"cv_id": other, "status": other, "message": other, "cv_path": f"cvs/{other}.pdf"}
    one = frozenset({code})
    return [
        ("the code alone", {"cv_code": code}, one),
        ("fields of another's", {"cv_code": code, **noise}, one),
        ("wrapped", {"status": "success", "data": {"cv_code": code, **noise}}, one),
        ("twice the same", {"cv_code": code, "data": {"cv_code": code}}, one),
        ("another's, too deep to be read", {"cv_code": code, "data": _nested(other, 2)}, one),
        ("another's under other names", {"cv_code": code, "CV_CODE": other, "code": other}, one),
        ("everybody", {"cv_code": "*"}, frozenset({"*"})),
        ("huge", {"cv_code": code, "cv_data": {other: [other] * 2_000}}, one),
    ]


def _nameless(code: str, other: str) -> list[Body]:
    """Bodies that name nobody, or two."""
    nobody: frozenset[str] = frozenset()
    bodies = {
        "two codes": {"cv_code": code, "data": {"cv_code": other}},
        "two codes, the other way": {"cv_code": other, "data": {"cv_code": code}},
        "a list": [{"cv_code": code}],
        "a list of codes": {"cv_code": [code, other]},
        "an operator": {"cv_code": {"$in": [code, other]}},
        "another key": {"cv_code ": code, "cvCode": code, "CV_CODE": code, "cv-code": code},
        "too deep": _nested(code, 2),
        "deep": _nested(code, 150),
        "a text": code,
        "JSON in a text": json.dumps({"cv_code": code}),
        "a prototype": {"__proto__": {"cv_code": code}, "data": {"__proto__": {"cv_code": code}}},
        "huge": {"cv_code": code * 20_000},
    }
    return [(what, body, nobody) for what, body in bodies.items()]


def _hostile(code: str) -> list[Body]:
    return [("hostile", body, frozenset()) for body in hostile_bodies(code)]


def _framed(body: Body, ascii_only: bool, ack: str, more: list[object]) -> Stranger:
    what, said, names = body
    text = json.dumps(["cv_updated", said, *more], ensure_ascii=ascii_only)
    return Stranger(what, (f"42{ack}{text}",), names)


@st.composite
def made(draw: st.DrawFn, codes: list[str]) -> Stranger:
    """One event about a code of these, or about one that is close to it."""
    code, other = draw(st.sampled_from(codes)), draw(st.sampled_from(codes))
    said = draw(st.just(code) | st.sampled_from(near(code)))
    different = other if other != said else f"{other}x"
    kind = draw(st.sampled_from(["plain", "plain", "nameless", "hostile"]))
    bodies = {
        "plain": _plain(said, different),
        "nameless": _nameless(said, different),
        "hostile": _hostile(said),
    }[kind]
    body = draw(st.sampled_from(bodies))
    more: list[object] = draw(st.sampled_from([[], ["offset-1"], [{"cv_code": different}], [None]]))
    # Half of a surrogate pair cannot be sent as it is.
    ascii_only = draw(st.booleans()) or "\ud800" in repr_of(body)
    return _framed(body, ascii_only, draw(st.sampled_from(["", "7"])), more)


def repr_of(body: Body) -> str:
    """Its text, unescaped."""
    return json.dumps(body[1], ensure_ascii=False)


def _of_corpus() -> list[Stranger]:
    return [
        Stranger(
            f"corpus: {row.name}",
            row.frames,
            frozenset(h.code for h in row.heard or () if h.code is not None),
            row.namespace,
            row.event,
            row.session,
        )
        for row in EVENTS
        if row.heard is not None
    ]


CORPUS = _of_corpus()
"""Those of the corpus that say what is heard."""


def strangers(codes: list[str]) -> st.SearchStrategy[Stranger]:
    """Any of them."""
    return st.one_of(made(codes), made(codes), st.sampled_from(CORPUS))
