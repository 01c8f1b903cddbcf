"""What replies say: rule 6's table for a POST, and a record's reading."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from listener.core import wire
from listener.core.evidence import PostResult, Reading, UpstreamReply
from listener.core.names import CvCode, Millis, PostKind

CODE = CvCode("ABC123XYZ")
NOW = Millis(784_111_777_000)  # Sun, 06 Nov 1994 08:49:37 GMT
ACCEPTED = {
    "status": "success",
    "data": {
        "cv_code": "ABC123XYZ",
        "cv_id": 456,
        "application_id": None,
        "status": "draft",
        "cv_updated": True,
        "message": "CV updated and enhancement started",
    },
}
DEEP = b"[" * 100_000
HUGE_NUMBER = b'{"status":"success","data":{"cv_id":' + b"9" * 5000 + b"}}"


def post(
    status: int, body: object = b"", headers: dict[str, str] | None = None, **more: Any
) -> PostResult:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    told = {"code": CODE, "now_ms": NOW, "retry_after_cap_ms": 60_000, **more}
    return wire.read_post(status, headers or {}, raw, **told)


@pytest.mark.parametrize("status", [200, 201, 202])
def test_a_readable_success_is_an_acceptance(status: int) -> None:
    result = post(status, ACCEPTED)
    assert result.kind is PostKind.ACCEPTED
    assert result.http_status == status
    assert result.reply == UpstreamReply(cv_id=456, application_id=None, status="draft")


@pytest.mark.parametrize("data", [None, [], "x", {}, {"cv_id": True, "status": 7, "x": 1}])
def test_an_acceptance_does_not_depend_on_its_data(data: object) -> None:
    result = post(200, {"status": "success", "data": data})
    assert result.kind is PostKind.ACCEPTED
    assert result.reply == UpstreamReply()


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        (2**63 - 1, 2**63 - 1),
        (-(2**63) + 1, -(2**63) + 1),
        (2**63, None),
        (-(2**63), None),
        (0, 0),
        (False, None),
        ("A-7", "A-7"),
        ("x" * 64, "x" * 64),
        ("x" * 65, None),
        ("", None),
        ("two\nlines", None),
        (1.5, None),
    ],
)
def test_an_id_is_a_number_of_64_bits_or_a_word(told: object, kept: int | str | None) -> None:
    result = post(200, {"status": "success", "data": {"cv_id": told, "application_id": told}})
    assert result.reply == UpstreamReply(cv_id=kept, application_id=kept)


def test_an_acceptance_says_all_that_it_read() -> None:
    assert post(201, ACCEPTED) == PostResult(
        PostKind.ACCEPTED, "accepted", 201, reply=UpstreamReply(456, None, "draft")
    )


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b""),
        (200, b"<html>"),
        (200, b"\xff\xfe\x00"),
        (200, b'{"status":"success"'),
        (200, b"null"),
        (200, b'["success"]'),
        (200, b"{}"),
        (200, b'{"status":"queued"}'),
        (200, b'{"status":NaN}'),
        (200, b'{"status":"success","data":{"cv_id":NaN}}'),
        (200, b'{"status":"success","data":{"cv_id":-Infinity}}'),
        (299, json.dumps(ACCEPTED).encode()),
        (201, DEEP),
        (200, HUGE_NUMBER),
        (204, b""),
        (206, json.dumps(ACCEPTED).encode()),
    ],
)
def test_an_unreadable_success_is_possibly_sent_and_never_again(status: int, body: bytes) -> None:
    result = post(status, body, not_applied_statuses=(200, 201, 204, 206))
    assert result.kind is PostKind.POSSIBLY_SENT
    assert result.detail == "unreadable_reply"
    assert result.http_status == status
    assert result.resendable is False


@pytest.mark.parametrize("word", ["error", "ERROR", "fail", "failed", "failure"])
def test_a_success_that_calls_itself_an_error_is_a_refusal(word: str) -> None:
    result = post(200, {"status": word, "message": "no"})
    assert result == PostResult(PostKind.REFUSED, "status_error", 200)


@pytest.mark.parametrize(
    ("status", "kind", "detail"),
    [
        (400, PostKind.REFUSED, "bad_request"),
        (401, PostKind.REFUSED, "unauthorized"),
        (403, PostKind.REFUSED, "forbidden"),
        (404, PostKind.REFUSED, "not_found"),
        (405, PostKind.REFUSED, "method_not_allowed"),
        (407, PostKind.REFUSED, "proxy_auth_required"),
        (409, PostKind.REFUSED, "http_409"),
        (413, PostKind.REFUSED, "file_too_large"),
        (415, PostKind.REFUSED, "file_type_refused"),
        (422, PostKind.REFUSED, "unprocessable"),
        (499, PostKind.REFUSED, "http_499"),
        (429, PostKind.THROTTLED, "throttled"),
        (408, PostKind.POSSIBLY_SENT, "upstream_timed_out"),
        (500, PostKind.POSSIBLY_SENT, "http_500"),
        (502, PostKind.POSSIBLY_SENT, "http_502"),
        (503, PostKind.POSSIBLY_SENT, "http_503"),
        (504, PostKind.POSSIBLY_SENT, "http_504"),
        (599, PostKind.POSSIBLY_SENT, "http_599"),
        (600, PostKind.POSSIBLY_SENT, "http_600"),
        (199, PostKind.POSSIBLY_SENT, "http_199"),
        (300, PostKind.POSSIBLY_SENT, "redirected"),
        (399, PostKind.POSSIBLY_SENT, "redirected"),
        (301, PostKind.POSSIBLY_SENT, "redirected"),
        (302, PostKind.POSSIBLY_SENT, "redirected"),
        (303, PostKind.POSSIBLY_SENT, "redirected"),
        (307, PostKind.REFUSED, "redirected"),
        (308, PostKind.REFUSED, "redirected"),
    ],
)
def test_each_status_has_its_meaning(status: int, kind: PostKind, detail: str) -> None:
    # The body of what is no success decides nothing.
    result = post(status, ACCEPTED)
    assert (result.kind, result.detail, result.http_status) == (kind, detail, status)
    assert result.resendable


def test_named_statuses_are_not_sent_and_wait_as_asked() -> None:
    result = post(503, b"", {"retry-after": "7"}, not_applied_statuses=(502, 503))
    assert result == PostResult(PostKind.NOT_SENT, "not_applied_status", 503, 7_000)
    assert post(504, not_applied_statuses=(502, 503)).kind is PostKind.POSSIBLY_SENT
    assert post(404, not_applied_statuses=(404,)).kind is PostKind.NOT_SENT
    assert post(307, not_applied_statuses=(307,)).kind is PostKind.NOT_SENT


def test_too_many_requests_are_throttled_whatever_a_proxy_is_known_for() -> None:
    result = post(429, b"", {"retry-after": "7"}, not_applied_statuses=(429,))
    assert result == PostResult(PostKind.THROTTLED, "throttled", 429, 7_000)


@pytest.mark.parametrize("status", [302, 307, 400, 404, 408, 500, 502, 504])
def test_no_other_reply_asks_for_a_wait(status: int) -> None:
    assert post(status, b"", {"retry-after": "7"}).retry_after_ms is None


@pytest.mark.parametrize(
    ("headers", "wait_ms"),
    [
        ({"retry-after": "0"}, 0),
        ({"retry-after": " 12 "}, 12_000),
        ({"retry-after": "61"}, 60_000),
        ({"retry-after": "9" * 5000}, 60_000),
        ({"retry-after": "Sun, 06 Nov 1994 08:49:47 GMT"}, 10_000),
        ({"retry-after": "Sunday, 06-Nov-94 08:49:47 GMT"}, 10_000),
        ({"retry-after": "Sun Nov  6 08:49:47 1994"}, 10_000),
        ({"retry-after": "Sun, 06 Nov 1994 07:49:47 GMT"}, 0),
        ({"retry-after": "Sun, 06 Nov 2094 08:49:47 GMT"}, 60_000),
        ({"retry-after": "Sun, 06 Nov 1994 09:49:47 +0100"}, 10_000),
        # The upstream's clock is an hour behind ours, and it says so.
        (
            {
                "retry-after": "Sun, 06 Nov 1994 07:49:47 GMT",
                "date": "Sun, 06 Nov 1994 07:49:37 GMT",
            },
            10_000,
        ),
        ({}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "1.5"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "٣"}, None),
        ({"retry-after": "Sun, 06 Nov 99999 08:49:47 GMT"}, None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_capped(
    headers: dict[str, str], wait_ms: int | None
) -> None:
    assert post(429, b"", headers).retry_after_ms == wait_ms
    assert post(503, b"", headers).retry_after_ms == wait_ms
    assert post(500, b"", headers).retry_after_ms is None


def test_however_many_seconds_are_asked_for_they_are_few_digits() -> None:
    result = post(429, b"", {"retry-after": "9" * 5000}, retry_after_cap_ms=10**30)
    assert result.retry_after_ms == 999_999_999_999_000


bodies = (
    st.binary(max_size=200)
    | st.sampled_from([DEEP, HUGE_NUMBER])
    | st.builds(
        lambda value: json.dumps(value).encode(),
        st.dictionaries(
            st.sampled_from(["status", "data", "cv_path", "cv_id"]),
            st.none()
            | st.text()
            | st.integers()
            | st.dictionaries(st.text(), st.text(), max_size=3),
        ),
    )
)


@given(
    st.integers(100, 999),
    st.dictionaries(st.sampled_from(["retry-after", "date", "age"]), st.text()),
    bodies,
)
@example(429, {"retry-after": "Mon, 1 Jan 0001 00:00:00 +2359"}, b"")
def test_reading_never_raises(status: int, headers: dict[str, str], body: bytes) -> None:
    result = wire.read_post(status, headers, body, code=CODE, now_ms=NOW, retry_after_cap_ms=1000)
    assert result.retry_after_ms is None or 0 <= result.retry_after_ms <= 1000
    reading = read(body, status, headers)
    assert reading.known == (reading.detail == "")
    assert reading.known or reading.path_digest is reading.status is reading.enhance_status is None


# ----------------------------------------------------------------------------------------- record


def record(**fields: object) -> bytes:
    return json.dumps({"status": "success", "data": fields}).encode()


def read(
    body: bytes, status: int = 200, headers: dict[str, str] | None = None, code: CvCode = CODE
) -> Reading:
    return wire.read_record(status, headers or {}, body, NOW, code=code)


def test_a_record_is_read_and_its_path_kept_as_a_digest() -> None:
    body = record(
        cv_code=CODE,
        cv_path="/cv/amina-haddad.pdf",
        cv_data={"name": "Amina Haddad"},
        status="processing",
        cv_enhance_status="completed",
        new_field=1,
    )
    reading = read(body)
    assert (reading.known, reading.read_ms) == (True, NOW)
    assert (reading.status, reading.enhance_status) == ("processing", "completed")
    assert reading.path_digest == hashlib.sha256(b"/cv/amina-haddad.pdf").hexdigest()[:16]
    assert "amina" not in repr(reading).lower()
    assert reading == read(body)
    other = read(record(cv_path="/cv/2.pdf"))
    assert other.path_digest != reading.path_digest


@pytest.mark.parametrize("wrong", [None, 7, True, [], {}, "", "x" * 65, "two\nlines"])
def test_a_field_of_the_wrong_kind_is_missing(wrong: object) -> None:
    body = record(status=wrong, cv_enhance_status=wrong)
    reading = read(body)
    assert reading.known
    assert reading.status is reading.enhance_status is None


@pytest.mark.parametrize("wrong", [None, 7, True, [], {}, ""])
def test_a_path_of_the_wrong_kind_is_missing(wrong: object) -> None:
    assert read(record(cv_path=wrong)).path_digest is None


def test_a_path_of_half_a_surrogate_pair_is_still_told_apart() -> None:
    assert read(record(cv_path="\ud800")).path_digest is not None


def test_a_word_of_64_characters_is_kept() -> None:
    reading = read(record(status="x" * 64, cv_enhance_status="y"))
    assert (reading.status, reading.enhance_status) == ("x" * 64, "y")


@pytest.mark.parametrize(
    ("status", "body", "detail"),
    [
        (404, b"", "not_found"),
        (429, b"", "throttled"),
        (500, record(status="x"), "http_500"),
        (201, record(status="x"), "http_201"),
        (302, b"", "http_302"),
        (200, b"", "unreadable_reply"),
        (200, DEEP, "unreadable_reply"),
        (200, HUGE_NUMBER, "unreadable_reply"),
        (200, b'{"status":"success"}', "unreadable_reply"),
        (200, b'{"status":"success","data":[]}', "unreadable_reply"),
        (200, b'{"cv_path":"x"}', "unreadable_reply"),
        (200, b'{"status":"error","data":{}}', "status_error"),
    ],
)
def test_anything_else_is_unknown(status: int, body: bytes, detail: str) -> None:
    reading = read(body, status)
    assert (reading.known, reading.detail, reading.read_ms) == (False, detail, NOW)


@pytest.mark.parametrize(
    ("age", "older_ms"),
    [("0", 0), ("7", 7_000), (" 7 ", 7_000), ("3, 60", 60_000), ("9" * 400, 2**31 * 1_000)],
)
def test_what_a_cache_answers_is_as_old_as_it_says(age: str, older_ms: int) -> None:
    reading = read(record(cv_path="p"), headers={"age": age})
    assert (reading.known, reading.read_ms) == (True, NOW - older_ms)


@pytest.mark.parametrize("age", ["", "soon", "-1", "1.5", "٣", "7,", "7 8", "²"])
def test_what_is_of_an_unknown_age_is_unknown(age: str) -> None:
    reading = read(record(cv_path="p"), headers={"age": age})
    assert (reading.known, reading.detail) == (False, "unreadable_age")
    assert reading.path_digest is None


# ------------------------------------------------------------------------- another's, and ours


AWKWARD = CvCode("Cv9E#nH4$xTz8!pY2aW^mK6rL/é")


@pytest.mark.parametrize(
    "told",
    ["SOMEBODY", CODE.lower(), CODE + " ", CODE[:-1], "Cv9E%23", "\ud800"],
)
def test_a_reply_that_tells_of_another_code_says_nothing_of_ours(told: str) -> None:
    reading = read(record(cv_code=told, cv_path="p", status="processing"))
    assert (reading.known, reading.detail) == (False, "other_record")
    assert reading.path_digest is reading.status is None
    for word in ("success", "error", "queued"):
        result = post(200, {"status": word, "data": {"cv_code": told, "cv_id": 9}})
        assert result == PostResult(PostKind.POSSIBLY_SENT, "other_record", 200, resendable=False)
    assert post(404, {"status": "error", "data": {"cv_code": told}}).detail == "not_found"


@pytest.mark.parametrize(
    "told",
    [
        *(AWKWARD, quote(AWKWARD, safe=""), quote(AWKWARD), AWKWARD.replace("é", "e\u0301")),
        *(None, "", 7, True, [], {}),
    ],
)
def test_a_code_that_is_spelt_otherwise_is_ours_and_none_is_no_other(told: object) -> None:
    assert read(record(cv_code=told, cv_path="p"), code=AWKWARD).known
    result = post(200, {"status": "success", "data": {"cv_code": told}}, code=AWKWARD)
    assert result.kind is PostKind.ACCEPTED


SPELT = [
    AWKWARD,
    AWKWARD.upper(),
    quote(AWKWARD, safe=""),
    quote(AWKWARD, safe="").lower(),
    AWKWARD.encode().hex(),
    base64.b64encode(AWKWARD.encode()).decode(),
    base64.urlsafe_b64encode(AWKWARD.encode()).decode().rstrip("="),
]


@pytest.mark.parametrize("spelt", [*SPELT, *(f"id-{spelt}-7" for spelt in SPELT)])
def test_no_code_is_kept_that_the_upstream_repeats(spelt: str) -> None:
    said = {"cv_id": spelt, "application_id": spelt, "status": spelt}
    assert post(200, {"status": "success", "data": said}, code=AWKWARD).reply == UpstreamReply()
    reading = read(record(status=spelt, cv_enhance_status=spelt), code=AWKWARD)
    assert reading.known and reading.status is reading.enhance_status is None


@pytest.mark.parametrize(
    "code", ["Applicant-0042", "applicant_0042", "4711", "a", "7", "draft-0042-of-it"]
)
def test_no_plain_code_is_kept_that_the_upstream_repeats(code: str) -> None:
    number = int(code) if code.isdigit() else None
    for told in (code, code.upper(), number, *([f"x-{code}", f"{code}.x"] if code[3:] else [])):
        said = {"cv_id": told, "application_id": told, "status": told}
        reply = post(200, {"status": "success", "data": said}, code=CvCode(code)).reply
        assert reply == UpstreamReply(), told


@pytest.mark.parametrize(
    ("told", "status", "cv_id"),
    [
        ("in progress", "in progress", None),
        ("v2.draft-a_b", "v2.draft-a_b", None),
        ("2nd", None, "2nd"),
        ("01J9-a_b", None, "01J9-a_b"),
        ("José Núñez", None, None),
        ("<b>", None, None),
        ("draft\n", None, None),
        ("a&amp;b", None, None),
        ("x" * 65, None, None),
    ],
)
def test_what_reads_like_no_status_and_no_id_is_not_kept(
    told: str, status: str | None, cv_id: str | None
) -> None:
    reply = post(200, {"status": "success", "data": {"cv_id": told, "status": told}}).reply
    assert reply == UpstreamReply(cv_id=cv_id, status=status)


def test_a_short_code_takes_no_word_away_that_only_holds_it() -> None:
    reading = read(record(status="processing", cv_enhance_status="c"), code=CvCode("c"))
    assert (reading.status, reading.enhance_status) == ("processing", None)
