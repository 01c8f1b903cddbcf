"""Every word that the source gives for a reason is explained, and none is that nothing gives."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from docs.log_events import page
from listener.core.enquiry import RECORD_WORDS
from listener.core.names import Comparison, Disposition, GapReason
from listener.core.reasons import (
    ATTEMPT,
    CLOSE,
    DISPOSITION,
    GAP,
    GROUPS,
    PROBLEM,
    SUBSCRIPTION,
    Reason,
    find,
)
from tests.tree import parsed, texts

SOCKET = "listener/adapters/socket_source/"
UPSTREAM = "listener/adapters/upstream_http/"
FAMILIES = {"http_4xx", "http_5xx", "http_xxx"}


def nodes(under: str) -> Iterator[ast.AST]:
    for _, text in texts(".py", under=(under,)):
        yield from ast.walk(parsed(text))


def words_in(node: ast.AST | None) -> set[str]:
    """The texts that an expression can come to."""
    match node:
        case ast.Constant(value=str(word)):
            return {word} if word else set()
        case ast.IfExp():
            return words_in(node.body) | words_in(node.orelse)
        case _:
            return set()


def called(under: str, name: str, place: int) -> set[str]:
    """Constants in that place of calls of that name."""
    found: set[str] = set()
    for node in nodes(under):
        if isinstance(node, ast.Call) and len(node.args) > place:
            function = node.func
            if (getattr(function, "id", None) or getattr(function, "attr", None)) == name:
                found |= words_in(node.args[place])
    return found


def assigned(under: str, name: str) -> set[str]:
    """Constants that a variable of that name, or a parameter, is given."""
    found: set[str] = set()
    for node in nodes(under):
        match node:
            case ast.Assign(targets=[ast.Name(id=target)]) if target == name:
                found |= words_in(node.value)
            case ast.keyword(arg=argument) if argument == name:
                found |= words_in(node.value)
    return found


def returned_second(under: str) -> set[str]:
    return {
        word
        for node in nodes(under)
        if isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple)
        for word in words_in(node.value.elts[1])
    }


def slugs() -> set[str]:
    """The second of each pair in the table of httpx's failures."""
    return {
        word
        for node in nodes(f"{UPSTREAM}faults.py")
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "_SLUGS"
        for pair in ast.walk(node)
        if isinstance(pair, ast.Tuple) and len(pair.elts) == 2
        for word in words_in(pair.elts[1])
    }


def refusals() -> set[str]:
    return {
        word
        for node in nodes("listener/core/wire/replies.py")
        if isinstance(node, ast.Dict)
        for value in node.values
        for word in words_in(value)
    }


STATUSES = {"http_400", "http_401", "http_403", "http_404", "http_407", "http_408", "http_429"}
GIVEN: dict[str, set[str]] = {
    "SUBSCRIPTION": (called(SOCKET, "End", 0) - {"not_needed"})  # it is told of nobody
    | called(SOCKET, "Lost", 1)
    | STATUSES
    | FAMILIES
    | {GapReason.DEAF_SUBSCRIPTION, Comparison.DISPLACED},
    "GAP": {reason.value for reason in GapReason},
    "CLOSE": (
        assigned("listener/core/", "reason")
        | returned_second("listener/core/enquiry.py")
        | {f"{ear}_{word}" for ear in ("deaf", "listened") for word in RECORD_WORDS.values()}
        | called("listener/core/", "correct", 2)
        | {"never_sent"}
    ),
    "ATTEMPT": (
        slugs()
        | refusals()
        | called("listener/core/wire/replies.py", "PostResult", 1)
        | assigned("listener/core/wire/replies.py", "detail")
        | assigned("listener/core/restart.py", "detail")
        | assigned(f"{UPSTREAM}upstream.py", "detail")
        | {"transport_failed"}
        | FAMILIES
    ),
    "PROBLEM": called("listener/", "EventBody", 1)
    | returned_second("listener/core/wire/events.py"),
    "DISPOSITION": {disposition.value for disposition in Disposition},
}
WORDS = {
    "SUBSCRIPTION": SUBSCRIPTION,
    "GAP": GAP,
    "CLOSE": CLOSE,
    "ATTEMPT": ATTEMPT,
    "PROBLEM": PROBLEM,
    "DISPOSITION": DISPOSITION,
}


@pytest.mark.parametrize("group", WORDS)
def test_the_words_explained_are_those_that_are_given(group: str) -> None:
    assert len(GIVEN[group]) > 5, "the search finds what it looks for"
    assert set(WORDS[group]) == GIVEN[group]


def test_every_word_is_explained_in_sentences_and_stands_in_the_papers() -> None:
    assert [words for _, words in GROUPS.values()] == list(WORDS.values())
    text = page()
    for title, (_, words) in GROUPS.items():
        assert f"### {title}" in text
        for word, reason in words.items():
            assert reason.meaning.endswith("."), word
            assert not reason.what_to_do or reason.what_to_do.endswith((".", "?")), word
            assert f"| `{word}` | {reason.meaning} | {reason.what_to_do} |" in text


def test_a_status_without_a_word_of_its_own_stands_for_its_hundred() -> None:
    words = {"http_404": Reason("a"), "http_4xx": Reason("b"), "http_xxx": Reason("c")}
    found = [find(words, f"http_{status}") for status in (404, 418, 599)]
    assert [reason and reason.meaning for reason in found] == ["a", "b", "c"]
    assert find(words, "http_") is find(words, "http_40") is find({}, "http_404") is None
    assert find(words, None) is None
