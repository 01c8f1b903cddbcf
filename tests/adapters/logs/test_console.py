"""Lines for people: the most telling first, and nothing in them steers the terminal."""

from __future__ import annotations

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listener.adapters.logs import looks
from listener.adapters.logs.console import COLUMNS, render
from tests.adapters.logs.sinks import written

ID = "0199aaaa-bbbb-7ccc-8ddd-1234567890ab"
HEAD = {"timestamp": "2026-01-31T12:34:56.789Z", "level": "info", "event": "submission.closed"}
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def test_a_line_reads_from_left_to_right() -> None:
    line = {
        **HEAD,
        "v": 1,
        "run_id": "a",
        "total_ms": 61_500,
        "late": False,
        "evidence": ["event", "record"],
        "submission_id": ID,
        "cv_ref": "cv_0123456789ab",
        "outcome": "confirmed",
        "queued_ms": 12,
        "post_ms": 1_234,
    }
    assert render(line, colour=False) == (
        "12:34:56.789 INFO     submission.closed        outcome=confirmed cv_0123456789ab"
        " …567890ab\n"
        "             total=1 min 01 s evidence=[event, record] queued=12 ms post=1.2 s"
    )


@pytest.mark.parametrize(
    ("ms", "shown"),
    [
        (0, "0 ms"),
        (999, "999 ms"),
        (1_234, "1.2 s"),
        (61_500, "1 min 01 s"),
        (3_723_000, "1 h 02 min"),
        (True, "yes"),
        ("soon", "wait_ms=soon"),
    ],
)
def test_how_long_is_said_as_people_say_it(ms: object, shown: str) -> None:
    assert render({**HEAD, "wait_ms": ms}, colour=False).endswith(shown)


def test_lines_are_broken_between_fields_where_a_terminal_ends() -> None:
    line: dict[str, object] = {**HEAD, "level": "error", "outcome": "rejected", "late": True}
    line |= {"cv_ref": "cv_0123456789ab", "submission_id": ID, "total_ms": 1_234}
    line |= {f"field_{number}": "some words here" for number in range(12)}
    line |= {"error": "went wrong " * 30, "hint": "do this " * 30, "trace": "A at b.py:1 f > " * 30}
    for colour in (False, True):
        shown = COLOUR.sub("", render(line, colour))
        assert max(map(len, shown.splitlines())) <= 100
        words = shown.replace("\n", " ").split()
        assert words.count('here"') == 12
        assert words.count("wrong") == 30


def test_no_value_looks_like_another_field() -> None:
    line = {**HEAD, "reason": "a outcome=confirmed", "detail": 'b" outcome="confirmed'}
    assert render(line, colour=False).endswith(
        'reason="a outcome=confirmed"\n             detail="b\\" outcome=\\"confirmed"'
    )


def test_what_is_long_stands_below() -> None:
    line = {**HEAD, "level": "critical", "error": "it broke", "hint": "mend it"}
    line |= {"error_type": "OSError"}
    line |= {"trace": "A at a.py:1 f <- B at b.py:2 g", "runbook": "docs"}
    assert render(line, colour=False).splitlines() == [
        "12:34:56.789 CRITICAL submission.closed",
        "             OSError: it broke",
        "             → mend it (docs)",
        "               A at a.py:1 f",
        "               B at b.py:2 g",
    ]


def test_what_to_do_is_said_from_warnings_on() -> None:
    shown = {
        level: "mend it" in render({**HEAD, "level": level, "hint": "mend it"}, colour=False)
        for level in ("info", "warning", "error", "critical")
    }
    assert shown == {"info": False, "warning": True, "error": True, "critical": True}


def test_a_field_of_many_is_broken_between_them() -> None:
    settings = {f"CV_SETTING_{number}": "x" * 20 for number in range(9)}
    shown = render({**HEAD, "level": "info", "settings": settings}, colour=False)
    assert max(map(len, shown.splitlines())) <= COLUMNS
    assert shown.count("settings.CV_SETTING_") == 9
    few = render({**HEAD, "level": "info", "settings": {"A": "b"}}, colour=False)
    assert few.endswith("settings={A: b}")


def test_colour_changes_no_word() -> None:
    line: dict[str, object] = {**HEAD, "level": "error", "outcome": "rejected"}
    line |= {"submission_id": ID}
    line |= {"hint": "look", "error": "no", "late": False, "trace": "A at a.py:1 f"}
    painted = render(line, colour=True)
    assert "\x1b[31mrejected\x1b[0m" in painted
    assert COLOUR.sub("", painted) == render(line, colour=False)
    assert painted.count("\x1b[0m") == len(COLOUR.findall(painted)) / 2, "what begins ends"


ATTACKS = [
    "\x1b[2J\x1b[H",
    "\x1b]0;title\x07",
    "\x9b31m",
    "a\rb",
    "a\nforged line",
    "a\x08\x08b",
    "\x7f",
    "a\u202eb\u2066c",
    "a\u2028b",
    "\u200b\ufeff",
    "\udcff",
]


@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_steers_the_terminal(attack: str, colour: bool) -> None:
    with written(strict=False, console=True, colour=colour) as sink:
        sink.log.emit("loop.failed", error=attack, message=attack, hint=attack, trace=attack)
        sink.log.emit(f"event{attack}", **{f"name{attack}": attack, "deep": [{attack: attack}]})
        assert_harmless(sink.text, colour)


@given(st.text(), st.text())
def test_nothing_steers_the_terminal_whatever_it_is(name: str, value: str) -> None:
    with written(strict=False, console=True) as sink:
        sink.log.emit("loop.failed", **{name: value, "error": value})
        assert_harmless(sink.text, colour=False)


def assert_harmless(text: str, colour: bool) -> None:
    bare = COLOUR.sub("", text) if colour else text
    assert all(character.isprintable() or character == "\n" for character in bare)
    for line in bare.splitlines():
        assert re.match(r"\d\d:\d\d:\d\d\.\d{3} [A-Z]+ | {13}", line), "no line is forged"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("wanted", "terminal", "env", "expected"),
    [
        ("auto", True, {}, (True, True)),
        ("auto", False, {}, (False, False)),
        ("json", True, {}, (False, False)),
        ("console", False, {}, (True, False)),
        ("console", True, {"NO_COLOR": "1"}, (True, False)),
        ("auto", True, {"TERM": "dumb"}, (True, False)),
    ],
)
def test_how_it_looks_follows_the_setting_then_the_stream(
    monkeypatch: pytest.MonkeyPatch,
    wanted: str,
    terminal: bool,
    env: dict[str, str],
    expected: tuple[bool, bool],
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert looks(Terminal() if terminal else io.StringIO(), wanted) == expected


def test_what_only_programs_want_is_not_shown_and_sizes_are_as_people_say_them() -> None:
    line = {
        "timestamp": "2026-01-31T12:00:00.000Z",
        "level": "info",
        "event": "submission.closed",
        "outcome": "confirmed",
        "created_at": "2026-01-31T11:59:59.000Z",
        "size": 81_920,
        "submission_version": 5,
        "fsync_p99_ms": 3.25,
        "closed_at": "2026-01-31T12:00:00.000Z",
    }
    shown = render(line, colour=False)
    assert shown.endswith("outcome=confirmed size=80 KiB fsync_p99=3.25 ms")
    assert [render({**line, "size": n}, colour=False).count(text) for n, text in (
        (512, "size=512 B"), (10_239, "size=10239 B"), (10_240, "size=10 KiB"),
        (10 << 20, "size=10 MiB"),
    )] == [1, 1, 1, 1]  # fmt: skip
