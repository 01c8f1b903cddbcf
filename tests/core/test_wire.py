"""Codes on the wire, and the bodies of events."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listener.core import wire
from listener.core.errors import InvalidCode
from tests.core.code_corpus import CODES, DOCUMENTED, DOCUMENTED_ON_THE_WIRE, REFUSED, codes

UNRESERVED = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


# ------------------------------------------------------------------------------------------ codes


def test_the_documented_code_stands_as_documented() -> None:
    code = wire.check_code(DOCUMENTED)
    assert wire.encode_code(code) == DOCUMENTED_ON_THE_WIRE
    assert wire.record_url("https://h/cv-enhance", code) == (
        f"https://h/cv-enhance/{DOCUMENTED_ON_THE_WIRE}"
    )
    assert wire.edits_url("https://h/cv-enhance/", code) == (
        f"https://h/cv-enhance/{DOCUMENTED_ON_THE_WIRE}/edits"
    )


@pytest.mark.parametrize("text", CODES)
def test_a_valid_code_is_taken_as_it_is_and_is_one_segment(text: str) -> None:
    encoded = wire.encode_code(wire.check_code(text))
    assert unquote(encoded, errors="strict") == text
    assert set(encoded.replace("%", "")) <= UNRESERVED
    assert encoded == wire.encode_code(wire.check_code(unquote(encoded)))


@given(codes)
def test_encoding_loses_nothing_and_leaves_the_unreserved_alone(text: str) -> None:
    encoded = wire.encode_code(wire.check_code(text))
    assert unquote(encoded, errors="strict") == text
    kept = [c for c in text if c in UNRESERVED]
    escapes = encoded.count("%")
    assert len(encoded) == len(kept) + 3 * escapes
    assert escapes == len(text.encode()) - len(kept)
    assert all(
        encoded[at + 1 : at + 3] == encoded[at + 1 : at + 3].upper()
        for at, c in enumerate(encoded)
        if c == "%"
    )


@pytest.mark.parametrize(("text", "reason"), REFUSED)
def test_what_cannot_be_sent_is_refused_without_being_shown(text: str, reason: str) -> None:
    with pytest.raises(InvalidCode) as caught:
        wire.check_code(text)
    assert caught.value.reason == reason
    message = str(caught.value)
    assert message.isprintable()
    assert re.fullmatch(r"expected .*, found .+", message)
    # What is a word of the message anyway, or a full stop, shows nothing.
    assert len(text) < 3 or text not in message


@pytest.mark.parametrize("thing", [None, 7, b"bytes", ["x"]])
def test_a_code_is_text(thing: object) -> None:
    with pytest.raises(InvalidCode) as caught:
        wire.check_code(thing)
    assert caught.value.reason == "not_text"
    assert "expected cv_code to be text" in str(caught.value)


def test_a_text_holds_a_code_and_one_line_break_at_most() -> None:
    for content in (b"a b", b"a b\n", b"a b\r\n", b"a b\r"):
        assert wire.code_in(content) == "a b"
    for content, reason in (
        (b"a\n\n", "control_character"),
        (b"\n", "empty"),
        (b"a\xff", "not_text"),
        (b"a" * 300, "too_long"),
        (b"\xc3\xa9" * 3_000, "too_long"),
    ):
        with pytest.raises(InvalidCode) as refused:
            wire.code_in(content)
        assert refused.value.reason == reason
        assert refused.value.__context__ is None


def test_of_the_base_only_the_slashes_at_its_end_go() -> None:
    code = wire.check_code("c")
    for base in ("https://h/X", "https://h/X/", "https://h/X//"):
        assert wire.record_url(base, code) == "https://h/X/c"
        assert wire.edits_url(base, code) == "https://h/X/c/edits"
    assert wire.record_url("/v2", code) == "/v2/c"


@given(st.text(max_size=300))
def test_checking_a_code_ends_in_the_same_text_or_in_a_reason(text: str) -> None:
    try:
        checked = wire.check_code(text)
    except InvalidCode as refusal:
        reason = refusal.reason
        checked = None
    assert reason if checked is None else checked == text


def test_a_reference_is_hmac_under_the_installations_key() -> None:
    code = wire.check_code(DOCUMENTED)
    ref = wire.cv_ref(b"k", code)
    assert ref == "cv_" + hmac.digest(b"k", DOCUMENTED.encode(), hashlib.sha256).hex()[:12]
    assert ref != wire.cv_ref(b"other", code)


# ----------------------------------------------------------------------------------------- events


def test_an_event_is_read_bare_wrapped_and_with_an_offset_after_it() -> None:
    bare = {"cv_code": DOCUMENTED, "cv_id": 456, "application_id": None, "status": "processing"}
    for args in ([bare], [bare, "offset"], [{"data": bare}], [{"event": "x", "data": bare}]):
        event = wire.read_event(args)
        assert (event.code, event.problem) == (DOCUMENTED, None)
        assert json.loads(event.payload) == {"cv_id": 456, "status": "processing"}


def test_of_an_event_only_known_scalars_are_kept() -> None:
    event = wire.read_event(
        [
            {
                "cv_code": DOCUMENTED,
                "cv_id": 10**30,
                "status": {"deep": 1},
                "cv_enhance_status": "x" * 5000,
                "cv_updated": True,
                "cv_data": {"name": "Amina Haddad"},
                "message": "CV updated",
            }
        ]
    )
    assert json.loads(event.payload) == {"cv_updated": True}


def test_a_code_repeated_in_another_field_is_not_kept() -> None:
    event = wire.read_event(
        [
            {
                "cv_code": DOCUMENTED,
                "status": f"done: {DOCUMENTED}",
                "cv_enhance_status": f"/cv/{DOCUMENTED_ON_THE_WIRE}",
                "cv_id": 1,
            }
        ]
    )
    assert json.loads(event.payload) == {"cv_id": 1}
    assert DOCUMENTED not in repr(event)


def status_kept(code: str, status: object) -> object:
    """What is kept as the status of an event."""
    payload = wire.read_event([{"cv_code": code, "status": status}]).payload
    return json.loads(payload).get("status", "nothing")


def test_a_code_too_short_to_be_told_from_chance_hides_nothing() -> None:
    assert status_kept("abc", "abcdef") == "abcdef"
    assert status_kept("abcd", "abcdef") == "nothing"
    assert status_kept("a#cd", "a%23cd") == "nothing"
    assert status_kept("a/bc", "a%2Fbc") == "nothing"


def test_a_code_that_cannot_be_encoded_hides_itself_all_the_same() -> None:
    event = wire.read_event([{"cv_code": "\ud800abcd", "status": "is \ud800abcd", "cv_id": 1}])
    assert (event.problem, event.payload) == ("bad_code", '{"cv_id":1}')


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("x" * 254, True),
        ("x" * 255, False),
        ("é" * 42, True),
        ("é" * 43, False),
        (2**63 - 1, True),
        (2**63, False),
        (-(2**63) + 1, True),
        (-(2**63), False),
        (True, True),
        (False, True),
        (0, True),
        ("", True),
        (1.5, False),
        (None, False),
        (["x"], False),
    ],
)
def test_a_value_of_an_event_is_short_or_left_out(value: object, kept: bool) -> None:
    """256 characters as JSON, whose quotes and escapes count too."""
    assert (status_kept("code", value) == value) is kept


def test_of_two_layers_the_outer_word_counts_if_it_can_be_kept() -> None:
    inner = {"cv_code": "code", "status": "inner", "cv_enhance_status": "inner"}
    event = wire.read_event(
        [{"cv_code": "code", "status": "outer", "cv_enhance_status": ["no"], "data": inner}]
    )
    assert event.code == "code"
    assert event.payload == '{"status":"outer","cv_enhance_status":"inner"}'


@pytest.mark.parametrize(
    ("args", "problem"),
    [
        ([], "no_body"),
        (["text"], "not_an_object"),
        ([None], "not_an_object"),
        ([[{"cv_code": "x"}]], "not_an_object"),
        ([b"bytes"], "not_an_object"),
        ([{}], "no_code"),
        ([{"cv_code": None}], "no_code"),
        ([{"data": {"data": {"cv_code": "too deep"}}}], "no_code"),
        ([{"cv_code": -456}], "code_not_text"),
        ([{"cv_code": 456.0}], "code_not_text"),
        ([{"cv_code": True}], "code_not_text"),
        ([{"cv_code": 2**64}], "code_not_text"),
        ([{"cv_code": 10**5_000}], "code_not_text"),
        ([{"cv_code": 456, "data": {"cv_code": "0456"}}], "two_codes"),
        ([{"cv_code": ["x"]}], "code_not_text"),
        ([{"cv_code": "one", "data": {"cv_code": "two"}}], "two_codes"),
        ([{"cv_code": "one", "data": {"cv_code": {}}}], "code_not_text"),
        ([{"cv_code": ""}], "bad_code"),
        ([{"cv_code": "a\nb"}], "bad_code"),
        ([{"cv_code": "\ud800\ud801\ud802"}], "bad_code"),
    ],
)
def test_a_malformed_event_has_a_name(args: list[object], problem: str) -> None:
    event = wire.read_event(args)
    assert (event.code, event.problem) == (None, problem)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"cv_code": "", "data": {"cv_code": "inner"}}, "inner"),
        ({"cv_code": "outer", "data": {"cv_code": ""}}, "outer"),
        ({"cv_code": 12345678}, "12345678"),
        ({"cv_code": 0}, "0"),
        ({"cv_code": 2**64 - 1}, "18446744073709551615"),
        ({"cv_code": "456", "data": {"cv_code": 456}}, "456"),
    ],
)
def test_a_code_is_found_though_a_serializer_left_it_empty_or_made_a_number_of_it(
    body: object, code: str
) -> None:
    event = wire.read_event([body])
    assert (event.code, event.problem) == (code, None)


def test_digits_that_are_a_code_are_in_no_field_either() -> None:
    body = {"cv_code": 12345678, "cv_id": 12345678, "application_id": 9, "status": "is 12345678"}
    assert wire.read_event([body]).payload == '{"application_id":9}'
    body = {"cv_code": "12345678", "cv_id": 9123456780, "cv_updated": True}
    assert wire.read_event([body]).payload == '{"cv_updated":true}'


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
known_names = st.sampled_from(
    ["cv_code", "data", "cv_id", "application_id", "status", "cv_enhance_status", "cv_updated"]
)


@given(st.lists(json_values | st.dictionaries(known_names, json_values), max_size=3))
def test_reading_an_event_never_raises_and_keeps_little(args: list[object]) -> None:
    event = wire.read_event(args)
    assert (event.code is None) != (event.problem is None)
    assert event.payload.isascii() and len(event.payload) <= 2048
    assert isinstance(json.loads(event.payload), dict)


def test_the_longest_payload_stays_small() -> None:
    texts = dict.fromkeys(("cv_id", "application_id", "status", "cv_enhance_status"), "x" * 254)
    event = wire.read_event([{"cv_code": "c", "cv_updated": "y" * 254, **texts}])
    assert len(json.loads(event.payload)) == 5
    assert len(event.payload) <= 2048
