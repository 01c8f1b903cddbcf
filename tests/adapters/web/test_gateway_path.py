"""A gateway's path, however a client spells it."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given

from listener.adapters.web.gateway_path import is_gateways, read_target
from listener.adapters.web.problems import Refused
from tests.core.code_corpus import CODES, DOCUMENTED, DOCUMENTED_ON_THE_WIRE, codes
from tests.corpus import rows


def code_of(segment: str) -> str:
    target = read_target(f"/cv-enhance/{segment}")
    assert (target.edits, target.token) == (False, None)
    edits = read_target(f"/cv-enhance/{segment}/edits?x=/y")
    assert (edits.code, edits.edits) == (target.code, True)
    assert read_target(f"http://127.0.0.1:8600/cv-enhance/{segment}") == target
    behind_a_token = read_target(f"/t/a%2Bb%2F=/cv-enhance/{segment}?")
    assert (behind_a_token.code, behind_a_token.token) == (target.code, "a+b/=")
    return target.code


@pytest.mark.parametrize("code", CODES, ids=range(len(CODES)))
def test_every_code_of_the_corpus_is_read_from_its_encoded_form(code: str) -> None:
    assert code_of(quote(code, safe="")) == code


@given(codes)
def test_every_code_is_read_from_any_of_its_encoded_forms(code: str) -> None:
    assert code_of(quote(code, safe="")) == code
    assert code_of("".join(f"%{byte:02x}" for byte in code.encode())) == code
    # What RFC 3986 allows to stand raw in a segment of a path.
    assert code_of(quote(code, safe="!$&'()*+,;=:@-._~")) == code


@pytest.mark.parametrize(
    ("segment", "code"),
    [
        (DOCUMENTED_ON_THE_WIRE, DOCUMENTED),
        ("Cv9E%23nH4$xTz8!pY2aW^mK6rL", DOCUMENTED),
        ("a+b", "a+b"),
        ("a%2Bb", "a+b"),
        ("a%20b", "a b"),
        ("%2F", "/"),
        ("a%2fedits", "a/edits"),
        ("..%2Fv1", "../v1"),
        ("%252F", "%2F"),
        ("%2525", "%25"),
        ("%C3%A9", "é"),
        ("é", "é"),
        ("%E6%97%A5本", "日本"),
        ("a%3Fb", "a?b"),
        ("edits", "edits"),
        ("a;b=c&d", "a;b=c&d"),
        ("%2e%2E", ".."),
        ("%00", "\0"),
    ],
)
def test_a_segment_is_decoded_once(segment: str, code: str) -> None:
    assert code_of(segment) == code


@pytest.mark.parametrize("segment", ["%", "100%", "%zz", "%4", "a%4gb", "%u0041", "%%41"])
def test_a_percent_sign_of_nothing_is_refused(segment: str) -> None:
    for path in (f"/cv-enhance/{segment}", f"/t/{segment}/cv-enhance/a"):
        with pytest.raises(Refused) as told:
            read_target(path)
        assert (told.value.reason, told.value.cause) == ("invalid_code", "not_encoded")
        assert "SECRET" not in told.value.detail


@pytest.mark.parametrize("segment", ["%FF", "%ED%A0%80", "SECRET%C3", "\udcff", "%C0%AF"])
def test_what_is_not_utf_8_is_refused(segment: str) -> None:
    with pytest.raises(Refused) as told:
        read_target(f"/cv-enhance/{segment}")
    assert (told.value.reason, told.value.cause) == ("invalid_code", "not_text")
    assert "SECRET" not in told.value.detail


@pytest.mark.parametrize(
    "path",
    [
        *("/cv-enhance", "/cv-enhance/", "/cv-enhance?a", "/cv-enhance/a/", "/cv-enhance/a/Edits"),
        *(
            "/cv-enhance/a/edits/",
            "/cv-enhance/a/b",
            "/cv-enhance/a//edits",
            "/cv-enhance/a/b/edits",
        ),
        *("/t/", "/t/x", "/t/x/", "/t/x/v1/submissions", "/t//t/x/cv-enhance/a", "/t/x/cv-enhance"),
    ],
)
def test_a_path_that_names_nothing(path: str) -> None:
    assert is_gateways(path)
    with pytest.raises(Refused) as told:
        read_target(path)
    assert told.value.reason == "not_found"


@pytest.mark.parametrize(
    "path", ["/", "/v1/submissions", "/cv-enhancer/a", "/CV-enhance/a", "//cv-enhance/a", "/tt/a"]
)
def test_a_path_that_is_another_rooms(path: str) -> None:
    assert not is_gateways(path)


def test_an_empty_code_is_left_to_whoever_checks_it() -> None:
    assert read_target("/cv-enhance//edits").code == ""


def test_neither_code_nor_token_shows() -> None:
    assert "SECRET" not in repr(read_target("/t/SECRET-1/cv-enhance/SECRET-2"))


def test_the_corpus_has_what_must_be_refused() -> None:
    assert len(rows.CODES) > len(CODES)
