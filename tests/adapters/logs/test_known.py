"""Known codes are found however they are written, alone or encoded twice, in any mixture."""

from __future__ import annotations

import base64
import html
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listener.adapters.logs import Redactor
from listener.adapters.logs.known import LONGEST_FORM, SHORTEST, KnownSecrets
from listener.adapters.logs.redaction import HIDDEN, KNOWN_CODES, LONGEST_READ
from tests.adapters.logs.shapes import ENCODINGS, Encode
from tests.core.code_corpus import CODES, codes

encodings = st.sampled_from(list(ENCODINGS.values()))


@pytest.mark.parametrize("code", [code for code in CODES if len(code) >= SHORTEST])
@pytest.mark.parametrize("outer", list(ENCODINGS))
def test_a_code_is_found_encoded_once_and_twice(code: str, outer: str) -> None:
    known = KnownSecrets()
    known.add(code)
    for inner in ENCODINGS.values():
        shape = ENCODINGS[outer](inner(code))
        if len(shape) <= LONGEST_FORM:
            assert covered(known, f"<{shape}>", 1, 1 + len(shape)), f"{shape!r} is not found"


def covered(known: KnownSecrets, text: str, start: int, end: int) -> bool:
    return any(a <= start and end <= b for a, b in known.find(text))


@given(codes.filter(lambda code: len(code) >= SHORTEST), encodings, encodings, st.text())
def test_any_code_is_found_in_any_text(code: str, inner: Encode, outer: Encode, text: str) -> None:
    known = KnownSecrets()
    known.add(code)
    shape = outer(inner(code))
    # Between characters that belong to no encoding.
    whole = f"{text}<{shape}>{text}"
    assert covered(known, whole, len(text) + 1, len(text) + 1 + len(shape))


def test_what_is_not_seen_through_is_what_the_paper_says() -> None:
    """Nobody writes codes so where we read; who begins to is to be told of."""
    known, code = KnownSecrets(), "Cv9E#nH4$<aW^mK6rL"
    known.add(code)
    for shape in (base64.b64encode(code.encode()).decode(), code.encode().hex(), html.escape(code)):
        assert known.find(shape) == []
    paper = (Path(__file__).parents[3] / "docs" / "security.md").read_text()
    assert "not in base64, in hex or with HTML's entities" in paper


@given(st.text(alphabet=st.sampled_from("ab%2541\\xu+'/é")), st.lists(st.text(min_size=4)))
def test_what_is_found_lies_within_the_text_in_order(text: str, secrets: list[str]) -> None:
    known = KnownSecrets()
    for secret in ["abab", "a%25", "\\\\ab", *secrets]:
        known.add(secret)
    spans = known.find(text)
    edges = [edge for span in spans for edge in span]
    assert edges == sorted(edges)
    assert all(0 <= start < end <= len(text) for start, end in spans)


def test_codes_that_overlap_leave_nothing_of_either() -> None:
    redactor = Redactor()
    for code in ("abcdef", "efghij", "cdef"):
        redactor.add(code)
    assert redactor.clean("-abcdefghij-") == f"-{HIDDEN}-"


@given(st.lists(st.tuples(st.booleans(), st.sampled_from(["abcd", "abcde", "abcdx", "éa%b"]))))
def test_what_is_discarded_as_often_as_added_leaves_nothing(
    moves: list[tuple[bool, str]],
) -> None:
    known = KnownSecrets()
    counts = dict.fromkeys(["abcd", "abcde", "abcdx", "éa%b"], 0)
    for add, secret in moves:
        (known.add if add else known.discard)(secret)
        counts[secret] = max(0, counts[secret] + (1 if add else -1))
        for one, count in counts.items():
            # The shortest begins all the others.
            hidden = count or (one != "éa%b" and counts["abcd"])
            assert bool(known.find(f"-{one}-")) == bool(hidden)
    for secret, count in counts.items():
        for _ in range(count):
            known.discard(secret)
    assert vars(known) == vars(KnownSecrets())


class Counted(str):
    """A text that counts how often it is cut."""

    cuts = 0

    def __getitem__(self, key: object) -> str:
        Counted.cuts += 1
        return super().__getitem__(key)  # type: ignore[index]  # as it is given


@pytest.mark.parametrize("known_codes", [1, 1_000])
def test_how_many_are_known_does_not_matter(known_codes: int) -> None:
    """Counted, for a clock on a loaded machine proves nothing: all begin alike, as codes may."""
    known = KnownSecrets()
    for number in range(known_codes):
        known.add(f"CAND-{number:08}")
    Counted.cuts = 0
    assert known.find(Counted("CAND-zzzzzzzz " * 100)) == []
    # At each place one look at the start; where it is one, one at each length there is.
    assert Counted.cuts <= 1_400 + 100


def test_as_many_as_it_keeps_are_added_and_found() -> None:
    redactor = Redactor()
    for number in range(KNOWN_CODES + 10):
        redactor.add(f"CAND-{number:08}")
    assert redactor.clean("CAND-00000009 CAND-00000010") == f"CAND-00000009 {HIDDEN}"


HOSTILE = {
    "slashes": "/",
    "edits": "/a/edits",
    "quotes": "'a",
    "tokens": "token='",
    "schemes": "http://a@",
    "percents": "%25",
    "escapes": "\\\\x",
    "methods": "GET /",
    "spaces": "cookie ",
    "entities": html.escape("<'>"),
}


@pytest.mark.parametrize("piece", HOSTILE.values(), ids=HOSTILE)
def test_no_rule_takes_the_square_of_a_text(piece: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the bound on what is read taken away, a square would take minutes, not a moment."""
    monkeypatch.setattr("listener.adapters.logs.redaction.LONGEST_READ", 10**9)
    redactor = Redactor()
    redactor.add("Cv9E#nH4$xTz8!pY2aW^mK6rL")
    assert redactor.clean_foreign(piece * (200_000 // len(piece)))


def test_what_is_read_is_bounded() -> None:
    redactor = Redactor()
    assert redactor.clean("a " * 1_000_000).endswith(HIDDEN)
    assert LONGEST_READ - LONGEST_FORM <= len(redactor.clean("a " * 1_000_000)) < LONGEST_READ
