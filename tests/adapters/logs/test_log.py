"""The log: what every line has, what is refused, and that it holds whatever it is given."""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listener.adapters.logs import NotInCatalogue
from listener.adapters.logs.flood import SOME
from listener.adapters.logs.lines import LONGEST_LINE
from listener.core.catalogue import CATALOGUE, CATALOGUE_VERSION
from listener.core.event_spec import Level
from listener.core.log_faults import faults_of
from listener.core.log_fields import (
    ALWAYS,
)
from listener.core.names import CvCode, Outcome
from tests.adapters.logs.sinks import Written, written

ID = "0199aaaa-bbbb-7ccc-8ddd-1234567890ab"


def test_every_line_has_the_same_beginning() -> None:
    with written() as sink:
        sink.log.emit("daemon.ready", host="127.0.0.1", port=8600)
        sink.log.emit("submission.closed", submission_id=ID, outcome=Outcome.CONFIRMED)
        for line in sink.lines:
            assert tuple(line)[: len(ALWAYS)] == ALWAYS
            assert re.fullmatch(r"\d{4}(-\d\d){2}T(\d\d:){2}\d\d\.\d{3}Z", line["timestamp"])
            moment = datetime.fromisoformat(line["timestamp"])
            assert abs((moment - datetime.now(UTC)).total_seconds()) < 600
            assert line["v"] == CATALOGUE_VERSION
            assert line["service"] == "cv-listener"
            assert (line["version"], line["run_id"], line["replica"]) == (
                "1.2.3",
                "0a1b2c3d",
                "here",
            )


def test_a_field_that_is_none_is_left_out_and_an_enum_is_its_word() -> None:
    with written() as sink:
        sink.log.emit("submission.closed", outcome=Outcome.CONFIRMED, reason=None, late=False)
        (line,) = sink.lines
        assert line["outcome"] == "confirmed"
        assert "reason" not in line
        assert line["late"] is False


def test_the_level_is_the_catalogue_s_and_decides_what_is_written() -> None:
    with written(least=Level.WARNING) as sink:
        sink.log.emit("submission.closed", outcome="confirmed")
        sink.log.emit("event.correlated", disposition="confirmed")
        sink.log.emit("submission.closed", outcome="presumed")
        sink.log.emit("submission.closed", outcome="rejected")
        assert [line["level"] for line in sink.lines] == ["warning", "error"]


def test_who_is_called_is_told_what_to_do() -> None:
    with written() as sink:
        sink.log.emit("submission.closed", outcome="confirmed")
        sink.log.emit("submission.closed", outcome="rejected")
        sink.log.emit("event.never_heard", submissions=3, hint="ask them")
        quiet, loud, own = sink.lines
        assert "hint" not in quiet
        assert loud["hint"] == CATALOGUE["submission.closed"].what_to_do
        assert loud["runbook"] == "docs/runbook.md#submissionclosed"
        assert own["hint"] == "ask them"


@pytest.mark.parametrize(
    ("event", "fields"),
    [("no.such_event", {}), ("daemon.stopped", {"port": 1}), ("daemon.stopped", {"v": 1})],
)
def test_strict_refuses_what_is_not_in_the_catalogue(event: str, fields: dict[str, Any]) -> None:
    with written() as sink:
        with pytest.raises(NotInCatalogue):
            sink.log.emit(event, **fields)
        assert sink.lines == []


def test_in_production_it_is_written_and_says_so() -> None:
    with written(strict=False) as sink:
        sink.log.emit("no.such_event", a=1)
        sink.log.emit(
            "daemon.stopped", port=1, event="x", method_name="y", self=2, fields=3, name=4
        )
        unknown, extra = sink.lines
        assert (unknown["event"], unknown["a"], unknown["level"]) == ("no.such_event", 1, "error")
        assert unknown["catalogue_miss"] == "no.such_event"
        assert extra["event"] == "daemon.stopped"
        assert (extra["port"], extra["event_"], extra["self"]) == (1, "x", 2)
        assert (extra["method_name"], extra["fields"], extra["name"]) == ("y", 3, 4)
        assert "daemon.stopped.port" in extra["catalogue_miss"]


def test_a_ref_is_the_same_for_one_code_and_shows_nothing_of_it() -> None:
    with written() as sink:
        code, other = CvCode("Cv9E#nH4$xTz8!pY2aW^mK6rL"), CvCode("Cv9E#nH4$xTz8!pY2aW^mK6rM")
        assert sink.log.ref(code) == sink.log.ref(code) != sink.log.ref(other)
        assert sink.log.ref(code).startswith("cv_")
        assert len(sink.log.ref(code)) == len("cv_") + 12


class Shows:
    """Its ``repr`` shows what must not be shown."""

    def __repr__(self) -> str:
        return "a-secret-code"


class Raises:
    """Nothing can be had of it."""

    def __repr__(self) -> str:
        raise RuntimeError("no")

    __str__ = __repr__


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (Shows(), "<Shows>"),
        (Raises(), "<Raises>"),
        (b"bytes", "<bytes>"),
        (Path("/a/b"), "/a/b"),
        (math.nan, None),
        (math.inf, None),
        (2**63, 2**63),
        (2**64, str(2**64)),
        pytest.param(10**5000, "<int of 16610 bits>", id="huge"),
        ("half \ud800", "half ?"),
        ({"k": (1, {2}, Outcome.CONFIRMED)}, {"k": [1, [2], "confirmed"]}),
        ({1: "a", None: "b", Outcome.CONFIRMED: "c"}, {"1": "a", "None": "b", "confirmed": "c"}),
        ([[[[[["deep"]]]]]], [[[[["<list>"]]]]]),
        (datetime(2026, 1, 31, tzinfo=UTC), "2026-01-31T00:00:00+00:00"),
    ],
)
def test_any_value_becomes_json(value: object, shown: object) -> None:
    with written() as sink:
        sink.log.emit("daemon.started", settings=value)
        assert sink.lines[0]["settings"] == shown


def test_a_long_line_is_cut_and_says_so() -> None:
    with written() as sink:
        sink.log.emit("daemon.started", settings="x" * 1_000_000, python="3")
        sink.log.emit("daemon.started", settings={str(i): "y" * 500 for i in range(500)})
        sink.log.emit("daemon.started", settings=list(range(1_000)))
        # Six bytes of JSON for each.
        sink.log.emit("daemon.started", settings=["\x01" * 3_000] * 9, url="\u202e" * 3_000)
        for text, line in zip(sink.text.splitlines(), sink.lines, strict=True):
            assert len(text.encode()) < LONGEST_LINE == 16_384
            assert line["truncated"] is True
        sink.log.emit("daemon.started", settings="x" * 1_000)
        assert "truncated" not in sink.lines[-1]


def nested(innermost: object, width: int, depth: int) -> object:
    """Many times the same: small to make, and without end to write out."""
    for _ in range(depth):
        innermost = [innermost] * width
    return innermost


def circle() -> object:
    around: list[object] = []
    around += [around] * 100
    return {"round": around, "and": {"round": around}}


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(nested([], 100, 4), id="empty lists"),
        pytest.param(nested({}, 100, 4), id="empty objects"),
        pytest.param(nested(True, 100, 5), id="booleans"),
        pytest.param(nested(None, 100, 5), id="nulls"),
        pytest.param(nested("", 100, 5), id="empty texts"),
        pytest.param(nested("\U0001f600", 100, 5), id="wide characters"),
        pytest.param(circle(), id="circle"),
        pytest.param({i: i for i in range(100_000)}, id="many"),
    ],
)
def test_what_is_small_to_hold_and_endless_to_write_is_cut(value: object) -> None:
    with written() as sink:
        sink.log.emit("event.never_heard", submissions=value, hint="what to do")
        (line,) = sink.lines
        assert len(sink.text.encode()) <= LONGEST_LINE
        assert line["truncated"] is True
        assert line["hint"] == "what to do", "what the log adds has its place"
        assert line["runbook"]


class NoItems(dict[str, int]):
    def items(self) -> Any:
        raise RuntimeError("a-secret-code")


class NoText(str):
    def isascii(self) -> bool:
        raise RuntimeError("a-secret-code")


class NoHash(str):
    def __hash__(self) -> int:
        raise RuntimeError("a-secret-code")


@pytest.mark.parametrize(
    ("value", "shown"),
    [(NoItems(a=1), "<NoItems: RuntimeError>"), (NoText("text"), "text"), ([NoHash("x")], ["x"])],
)
def test_one_odd_value_costs_no_line(value: object, shown: object) -> None:
    with written() as sink:
        sink.log.emit("daemon.started", settings=value, python="3")
        assert (sink.lines[0]["settings"], sink.lines[0]["python"]) == (shown, "3")
        assert "a-secret-code" not in sink.text


def test_a_level_that_follows_a_field_follows_no_odd_value() -> None:
    with written() as sink:
        odd_values: list[object] = [Raises(), ["rejected"], 1, {}]
        for odd in odd_values:
            sink.log.emit("submission.closed", outcome=odd)
        assert [line["level"] for line in sink.lines] == ["info"] * 4


def test_of_what_is_not_listed_nothing_is_shown_as_it_is() -> None:
    with written(strict=False) as sink:
        code = CvCode("Cv9E#nH4$xTz8!pY2aW^mK6rL")
        sink.log.ref(code)
        sink.log.emit("daemon.stopped", deep={"a": [{code: (code, {"b": f"x{code}x"})}]})
        sink.log.emit(f"odd.{code}", **{code: code})
        assert len(sink.lines) == 2
        assert code not in sink.text


def _long(text: str) -> str:
    return text * 500


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.text(alphabet=st.sampled_from("\x00\x1b\x9b\ud800\u202e\u4e2d\U0001f600'\"")).map(_long),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.text() | st.integers() | st.booleans(), inner)
        | st.tuples(inner, inner)
    ),
)
NAMES = st.text() | st.sampled_from(["event", "self", "level", "settings", "timestamp", "error"])


@given(fields=st.dictionaries(NAMES, VALUES), event=st.text() | st.just("daemon.started"))
def test_every_line_is_json_whatever_is_given(fields: dict[str, object], event: str) -> None:
    with written(strict=False) as sink:
        sink.log.emit(event, **fields)
        (text,) = sink.text.removesuffix("\n").split("\n")
        line = json.loads(text)
        assert len(text.encode()) < LONGEST_LINE == 16_384
        assert tuple(line)[: len(ALWAYS)] == ALWAYS
        # What a terminal would obey stands in no line, not even in one that is only looked at.
        assert not re.search("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]", text)


def test_a_log_that_fails_does_not_raise(monkeypatch: pytest.MonkeyPatch) -> None:
    with written(strict=False) as sink:

        def broken(text: str) -> str:
            raise RuntimeError(text)

        monkeypatch.setattr(sink.log.redactor, "clean", broken)
        sink.log.emit("loop.failed", message="a-secret")
        sink.log.emit("no.such_event", a="a-secret")
        known, unknown = sink.lines
        assert (known["event"], known["message"]) == ("loop.failed", "<str: RuntimeError>")
        assert unknown["event"] == unknown["catalogue_miss"] == "<str: RuntimeError>"
        assert unknown["level"] == "error"
        assert "a-secret" not in sink.text


def one_of_each(sink: Written) -> None:
    for spec in CATALOGUE.values():
        sink.log.emit(spec.name, **dict.fromkeys(spec.fields, "x"))


def test_strict_takes_every_event_with_all_its_fields() -> None:
    with written() as sink:
        one_of_each(sink)
        assert [line["event"] for line in sink.lines] == list(CATALOGUE)


def test_who_watches_sees_every_event_whatever_is_written_and_can_hurt_nobody() -> None:
    seen: list[tuple[str, object]] = []

    def broken(event: str, fields: object) -> None:
        raise RuntimeError(event)

    with written(least=Level.ERROR) as sink:
        sink.log.watch(broken)
        sink.log.watch(lambda event, fields: seen.append((event, dict(fields))))
        sink.log.emit("daemon.ready", host="127.0.0.1", port=8600)
        sink.log.emit("submission.closed", outcome=Outcome.REJECTED)
        assert [line["event"] for line in sink.lines] == ["submission.closed"]
    assert seen == [
        ("daemon.ready", {"host": "127.0.0.1", "port": 8600}),
        ("submission.closed", {"outcome": Outcome.REJECTED}),
    ]


def test_a_flood_of_what_is_alike_is_counted_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1_000.0]
    monkeypatch.setattr("listener.adapters.logs.flood.time.monotonic", lambda: now[0])
    with written() as log:
        for _ in range(300):
            log.log.emit("upstream.credentials_failed", error="ValueError in auth.py:3")
        assert len(log.lines) == SOME
        log.log.emit("upstream.credentials_failed", error="another")
        assert len(log.lines) == SOME + 1, "what differs is told"
        assert log.log.suppressed_lines() == 300 - SOME
        for n in range(SOME + 5):
            log.log.emit("submission.joined", submission_id=str(n), cv_ref="cv_1", state="queued")
        assert len(log.of("submission.joined")) == SOME + 5, "of one submission each: all are told"
        now[0] += 61
        log.log.emit("upstream.credentials_failed", error="ValueError in auth.py:3")
        assert log.lines[-1]["suppressed"] == 300 - SOME
        assert faults_of(log.lines[-1]) == []


def test_what_is_limited_can_say_how_many_were_held_back() -> None:
    for spec in CATALOGUE.values():
        if spec.limited_by:
            assert {"suppressed", *spec.limited_by} <= set(spec.fields), spec.name
        assert "submission_id" not in spec.fields or not spec.limited_by, "each is told"
