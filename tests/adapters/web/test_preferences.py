"""``Prefer``, as clients may write it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listener.adapters.web import preferences
from listener.adapters.web.preferences import Preferences, read_preferences


@pytest.mark.parametrize(
    ("headers", "respond_async", "wait_s"),
    [
        ([], False, None),
        (["respond-async"], True, None),
        (["Respond-Async"], True, None),
        (["wait=10"], False, 10),
        (["WAIT = 10"], False, 10),
        (['wait="10"'], False, 10),
        (["wait=0"], False, 0),
        (["wait=10;strict=yes"], False, 10),
        (["respond-async, wait=10"], True, 10),
        (["respond-async", "wait=10"], True, 10),
        (['return=minimal; foo="a, wait=3", wait=10'], False, 10),
        (["wait=10, wait=20"], False, 10),
        (["wait=301"], False, 300),
        (["wait=99999999999999999999"], False, 300),
        (["wait"], False, None),
        (["wait="], False, None),
        (["wait=-1"], False, None),
        (["wait=1.5"], False, None),
        (["wait=ten"], False, None),
        (["wait=\u0661"], False, None),
        (["await=10"], False, None),
        (["respond-async-please"], False, None),
        (['x="respond-async"'], False, None),
        ([",, ,"], False, None),
        (['"'], False, None),
        (['wait=10, "respond-async, wait=3'], False, 10),
        ([r'x="a\", wait=3", wait=10'], False, 10),
        (["x" * 1000 + ", wait=10"], False, 10),
        (["x" * 1030 + ", wait=10"], False, None),
        (["x" * 600, "y" * 600, "wait=10"], False, None),
    ],
)
def test_what_is_preferred(headers: list[str], respond_async: bool, wait_s: int | None) -> None:
    assert read_preferences(headers, 300) == Preferences(respond_async, wait_s)


@given(st.lists(st.text(), max_size=4))
def test_whatever_comes_is_read(headers: list[str]) -> None:
    read_preferences(headers, 300)


@pytest.mark.parametrize("again", ['"\\', '\\"', '"', ", ", "a ", "a=", 'a="b', " "])
def test_the_length_of_a_header_costs_its_length(
    again: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Longer than any that is looked at: read again and again, it would outlast any test.
    monkeypatch.setattr(preferences, "LONGEST_CHARS", 1 << 30)
    read_preferences([again * (1 << 20)], 300)


def test_what_was_applied_is_said_so() -> None:
    assert Preferences(True, 5).applied() == "respond-async, wait=5"
    assert Preferences(False, 0).applied() == "wait=0"
    assert Preferences(False, None).applied() == ""
