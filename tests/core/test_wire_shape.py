"""Shapes: keys and types, and never what was said."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listener.core.wire import is_of_the_transport, overheard
from listener.core.wire.overheard import LONGEST
from listener.core.wire.shape import (
    DEEPEST,
    MOST_ITEMS,
    MOST_KEYS,
    reads_like_a_name,
    shape_of,
    shape_text,
)
from tests.corpus.rows import CODES

NAMES = [
    *("cv_code", "cvCode", "cv_enhance_status", "cvEnhanceStatus", "data", "data2", "ID2x", "id"),
    *("cv-updated", "cv:updated", "user.name", "HTTPStatus", "$ref", "_id", "__v", "a b"),
]
NO_NAMES = [
    *("", "_", "ABC123XYZ", "ABCXYZ", "ID", "Cv9E#nH4$xTz8!pY2aW^mK6rL", "CvEnHxTzpYaWmKrL"),
    *("h264Codec", "x123", "9", "João", "a/b", "a\nb", "\x1b[31mred", "a" * 41, "a__b", "a_", "-a"),
]


def test_a_key_is_shown_where_it_reads_like_a_name() -> None:
    shown = [name for name in NAMES if reads_like_a_name(name)]
    assert shown == [name for name in NAMES if name != "ID2x"]
    assert [name for name in NO_NAMES if reads_like_a_name(name)] == ["a_"]


def test_the_corpus_of_codes_reads_like_no_name() -> None:
    read = {row.code for row in CODES if isinstance(row.code, str) and reads_like_a_name(row.code)}
    assert {code for code in read if any(map(str.isdigit, code)) and len(code) > 3} == set()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "boolean"),
        (7, "integer"),
        (7.5, "number"),
        ("a secret", "string"),
        (b"a secret", "binary"),
        ({}, "{}"),
        ([], "[] × 0"),
        ({"cv_code": "x", "data": {"cv_id": 1}}, "{cv_code: string, data: {cv_id: integer}}"),
        ({"cv_code": "x", "A9X1": 1, "B9X1": 2}, "{cv_code: string, (2 hidden): integer}"),
        ({"A9X1": 1, "B9X1": "x"}, "{(2 hidden): integer | string}"),
        ([1, 2, "x", 3], "[integer | string] × 4"),
        ([{"id": 1}, {"id": 2}], "[{id: integer}] × 2"),
        ({"file": {"_placeholder": True, "num": 0}}, "{file: binary}"),
    ],
)
def test_a_shape_on_one_line(value: object, text: str) -> None:
    assert shape_text(shape_of(value)) == text


def test_a_shape_is_bounded() -> None:
    wide = {f"key{'abcdefghij'[n // 10]}{'abcdefghij'[n % 10]}": n for n in range(MOST_KEYS + 3)}
    assert shape_text(shape_of(wide)).endswith(", … 3 more}")
    assert shape_text(shape_of([1] * (MOST_ITEMS + 1))) == f"[integer, … 1 more] × {MOST_ITEMS + 1}"
    deep: Any = 1
    for _ in range(DEEPEST + 5):
        deep = {"a": deep}
    assert shape_text(shape_of(deep)) == "{a: " * DEEPEST + "object" + "}" * DEEPEST
    deep = 1
    for _ in range(DEEPEST + 5):
        deep = [deep]
    assert "list" in shape_text(shape_of(deep))


ATOMS = st.one_of(
    st.sampled_from(["Zq9#7f", "ZQ97F", 8_675_309, 86753.09]), st.none(), st.booleans()
)
VALUES = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.sampled_from(["cv_code", "data", "Zq9#7f", "ZQ97F"]), inner, max_size=4),
    ),
    max_leaves=20,
)


@given(VALUES, st.sampled_from(["42", "42/x,", "4217", "451-", "43", "40", "44", ""]))
def test_no_value_is_ever_told(value: object, head: str) -> None:
    name = ["cv_updated"] if head.startswith("42") else []
    found, _ = overheard(head + json.dumps([*name, value]))
    told = json.dumps(asdict(found)) + "".join(map(shape_text, found.arguments))
    for secret in ("Zq9", "ZQ97F", "8675309", "86753.09"):
        assert secret not in told


@pytest.mark.parametrize(
    ("frame", "kind", "namespace", "name", "arguments"),
    [
        ('42["cv_updated",{"cv_code":"x"}]', "event", "/", "cv_updated", ["{cv_code: string}"]),
        ('42["cv_updated",{"cv_code":"x"},"off"]', "event", "/", "cv_updated",
         ["{cv_code: string}", "string"]),
        ('42/other,["cv.changed"]', "event", "/other", "cv.changed", []),
        ('42/A9X1,["cv_updated",1]', "event", None, "cv_updated", ["integer"]),
        ('42["A9X1",1]', "event", "/", None, ["integer"]),
        ('42[7,1]', "event", "/", None, ["integer"]),
        ('451-["cv_updated",{"_placeholder":true,"num":0}]', "event", "/", "cv_updated",
         ["binary"]),
        ('40{"sid":"x","pid":"y"}', "connect", "/", None, ["{sid: string, pid: string}"]),
        ('44{"message":"no"}', "connect_error", "/", None, ["{message: string}"]),
        ("41", "disconnect", "/", None, []),
        ('4312["x"]', "ack", "/", None, ["string"]),
        ("42[", "unreadable", None, None, []),
        ("42[]", "unreadable", None, None, ["[] × 0"]),
        ('42{"a":1}', "unreadable", None, None, ["{a: integer}"]),
        ("49", "unreadable", None, None, []),
        ("hello", "unreadable", None, None, []),
        ("42" + "[" * 100_000, "unreadable", None, None, []),
        ("42" + " " * LONGEST, "too_long", None, None, []),
        ("bAAAA", "attachment", None, None, []),
        (b"\x00\x01", "attachment", None, None, []),
        (None, "attachment", None, None, []),
    ],
)  # fmt: skip
def test_what_a_frame_is(
    frame: object, kind: str, namespace: str | None, name: str | None, arguments: list[str]
) -> None:
    found, _ = overheard(frame)
    assert (found.kind, found.namespace, found.name) == (kind, namespace, name)
    assert [shape_text(shape) for shape in found.arguments] == arguments
    assert found.size == (len(frame) if isinstance(frame, str | bytes) else 0)
    hidden = [w for w, one in (("namespace", namespace), ("name", name)) if one is None]
    assert list(found.hidden) == (hidden if kind == "event" else [])


def test_an_ack_and_attachments_are_told_and_a_known_name_is_shown_whatever_it_is() -> None:
    found, arguments = overheard('45/A9,2-17["X1",1,2]', frozenset({"X1", "/A9"}))
    assert (found.namespace, found.name) == (None, None), "the attachments come first"
    found, arguments = overheard('452-/A9,17["X1",1,2]', frozenset({"X1", "/A9"}))
    assert (found.namespace, found.name, found.hidden) == ("/A9", "X1", ())
    assert (found.wants_ack, found.attachments, arguments) == (True, 2, [1, 2])
    assert overheard('43["x"]')[1] == []
    assert overheard("42[7,1]")[1] == []


def test_what_only_the_transport_says_is_nothing_to_look_at() -> None:
    assert all(map(is_of_the_transport, ["", "2", "3", "2probe", "6", "1", '0{"sid":"x"}']))
    assert not any(map(is_of_the_transport, ["42[]", "x", "bAA", b"2", None, "40"]))
