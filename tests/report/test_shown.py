"""What is shown: true to the accounts, and whatever stands in a log steers neither terminal nor
browser."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from listener.core.catalogue import CATALOGUE
from listener.report import terminal
from listener.report.account import Account
from listener.report.page import page
from listener.report.reading import Line, Window
from listener.report.told import as_json

from .script import ID, NOON, accepted, account, closed, corrected, line

EVIL = "\x1b[31m\x9b\u202e</title><script>alert(1)</script>'\"<img src=x onerror=alert(1)>"
"""The worst of it first: of a text that should be a word only the beginning is kept."""
VOID = {"meta", "link", "br", "img", "input", "hr"}


def day() -> list[bytes]:
    """Some of everything."""
    lines = [line("daemon.started", 0), line("subscription.established", 1, recovered=False)]
    for number in range(40):
        lines.append(accepted(number, at_s=number))
        times = {"queued_ms": 7, "post_ms": 30 + number, "confirm_ms": 90 + 10 * number}
        lines.append(closed(number, "confirmed", at_s=number + 1, **times))
    ended: dict[str, Any] = {
        "result": "possibly_sent",
        "detail": "http_500",
        "http_status": 500,
        "duration_ms": 9,
    }
    lines += [
        *(accepted(50, at_s=41), accepted(51, at_s=42)),
        closed(50, "unconfirmed", at_s=44, reason="listened_record_moved"),
        *(closed(52, "unconfirmed", at_s=45), corrected(52, "unconfirmed", "confirmed", at_s=50)),
        line("attempt.ended", 45, submission_id=ID.format(50), **ended),
        line("subscription.lost", 60, reason="silent"),
        line("subscription.restored", 70, duration_ms=10_000, recovered=False, reason="silent"),
        line("log.dropped", 71, dropped=12),
        line("daemon.heartbeat", 90, open_by_state={"awaiting": 1}, connected=True),
        line("daemon.started", 120, run="run-2"),
        b"hello",
    ]
    return lines


def shown(found: Account) -> str:
    out = io.StringIO()
    terminal.show(found, out)
    return out.getvalue()


class Sound(HTMLParser):
    """Each tag is closed in its turn; nothing is loaded, and nothing runs."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given_ = dict(attrs)
        assert len(given_) == len(attrs)
        assert tag not in {"script", "img", "link", "iframe", "object", "base", "form"}
        for name, value in attrs:
            assert not name.startswith("on")
            assert name not in {"style", "src", "srcset", "action"}
            assert name != "href" or (value or "").startswith("#")
        self.tags.append((tag, given_))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.text.append(data)


def sound(text: str) -> Sound:
    found = Sound()
    found.feed(text)
    found.close()
    assert found.open == []
    assert not [c for c in "".join(found.text) if not c.isprintable() and c not in "\n"]
    ids = [given_["id"] for _, given_ in found.tags if "id" in given_]
    assert len(ids) == len(set(ids))
    return found


def harmless_on_a_terminal(text: str) -> None:
    assert not [c for c in text if not c.isprintable() and c != "\n"]
    assert max(map(len, text.splitlines())) <= 80


# --------------------------------------------------------------------------------- what is told


def test_the_terminal_tells_all_that_there_is() -> None:
    text = shown(account(day()))
    harmless_on_a_terminal(text)
    for said in (
        r"42 closed, 42 accepted",
        r"confirmed +41 +97\.6 %",
        r"1 late: the event came after the close",
        r"p50 \d+ ms",
        r"deaf +·*█",
        r"possibly_sent +http 500 +500 +1",
        rf"{ID.format(50)} +unconfirmed +listened record moved",
        rf"{ID.format(51)}",
        r"host-1, at its last heartbeat, 2026-01-31 12:01:30: listening;\n    1 awaiting open\n",
        r"without a word",
        r"error +submission\.closed +2",
        r"12 lines dropped by the daemon",
        r"1 line of other programs",
    ):
        assert re.search(said, text), f"{said}\n{text}"


def test_the_page_tells_all_that_there_is_and_loads_nothing() -> None:
    text = page(account(day()))
    found = sound(text)
    words = " ".join(found.text)
    for said in ("97.62 %", ID.format(50), "listened record moved", "without a word", "http 500"):
        assert said in words, said
    assert {tag for tag, _ in found.tags} >= {
        "main",
        "header",
        "h1",
        "h2",
        "table",
        "caption",
        "svg",
    }
    assert all("scope" in given_ for tag, given_ in found.tags if tag == "th")
    assert len(text) < 150_000


def test_the_pages_policy_lets_its_own_style_in_and_nothing_else() -> None:
    text = page(account(day()))
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.S)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="(.*?)">', text)
    assert policy.split("; ") == [
        *("default-src 'none'", f"style-src 'sha256-{digest}'"),
        *("base-uri 'none'", "form-action 'none'"),
    ]
    assert "url(" not in style
    assert "@import" not in style
    assert "prefers-color-scheme" in style


def test_json_tells_the_same() -> None:
    found = as_json(account(day()))
    assert json.loads(json.dumps(found)) == found
    outcomes = {row["outcome"]: row["count"] for row in found["submissions"]["outcomes"]}
    assert outcomes == {"confirmed": 41, "unconfirmed": 1}
    assert found["durations_ms"]["confirmation"]["count"] == 41
    assert found["open"]["accepted_and_not_closed"] == 1
    assert [one["kind"] for one in found["incidents"]] == ["no subscription"]
    assert found["read"]["of_other_programs"] == 1
    assert sum(one["count"] for one in found["confirmation_histogram"]) == 41


@pytest.mark.parametrize(
    ("lines", "window", "said"),
    [
        ([], Window(), "The log is empty."),
        ([b"x", b"y"], Window(), "None of these lines is the daemon's."),
        ([b"12:00:00.000 INFO     daemon.ready"], Window(), "Set CV_LOG_FORMAT=json."),
        ([accepted(1)], Window(NOON + 1), "Nothing in that window: all 1 lines lie outside"),
    ],
)
def test_where_there_is_nothing_to_tell_it_says_why(
    lines: list[bytes], window: Window, said: str
) -> None:
    found = account(lines, window)
    assert said in shown(found)
    assert said in " ".join(sound(page(found)).text)
    assert as_json(found)["submissions"]["closed"] == 0


# -------------------------------------------------------------------------------- hostile lines


def evil(event: str, at_s: float = 0.0) -> bytes:
    """A line of that event in which every text is hostile."""
    told: dict[str, Any] = dict.fromkeys(CATALOGUE[event].fields, EVIL)
    whole = json.loads(line(event, at_s, **told)) | {"run_id": EVIL, "replica": EVIL, "hint": EVIL}
    return json.dumps(whole | {"version": EVIL, "level": "critical"}).encode()


def test_hostile_texts_are_shown_and_do_nothing() -> None:
    lines = [evil(event, at) for at, event in enumerate(CATALOGUE)]
    lines += [json.dumps(json.loads(one) | {"event": EVIL}).encode() for one in lines[:3]]
    lines += [closed(n, "rejected", reason=EVIL, cv_ref=EVIL, evidence=[EVIL]) for n in range(3)]
    lines += [accepted(9, cv_ref=EVIL)]
    found = account(lines)
    harmless_on_a_terminal(shown(found))
    text = page(found)
    sound(text)
    assert "&lt;script&gt;" in text
    assert json.dumps(as_json(found)).isascii()


ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(["confirmed", "contended", EVIL, "2026-01-31T12:00:00Z", ID.format(1)]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=4,
)


@st.composite
def wrong_lines(draw: st.DrawFn) -> bytes:
    """A line of the catalogue whose fields are of any type."""
    event = draw(st.sampled_from(list(CATALOGUE)))
    fields = {name: draw(ANY) for name in CATALOGUE[event].fields if draw(st.booleans())}
    whole = json.loads(line(event, draw(st.integers(0, 10**6)))) | fields
    more = draw(st.dictionaries(st.sampled_from(["run_id", "replica", "version", "v"]), ANY))
    return json.dumps(whole | more).encode("utf-8", "surrogatepass")


@given(st.lists(wrong_lines(), max_size=12))
@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
def test_fields_of_any_type_are_no_crash(lines: list[bytes]) -> None:
    found = account(lines)
    harmless_on_a_terminal(shown(found))
    sound(page(found))
    json.dumps(as_json(found))


@given(st.binary(max_size=300), st.integers(0, 400))
@settings(max_examples=25)
def test_any_bytes_are_no_crash(noise: bytes, at: int) -> None:
    text = b"\n".join(day()[:6])
    found = account([text[:at] + noise + text[at:]])
    assert found.tally.lines > 0
    harmless_on_a_terminal(shown(found))


# ------------------------------------------------------------------------------- others in the pass


class Heartbeats:
    """One that reckons with the same pass."""

    def __init__(self) -> None:
        self.all = 0
        self.beats: list[object] = []
        self.enquired: list[Line] = []

    def takes(self) -> dict[str, Any]:
        return {"*": self._count, "daemon.heartbeat": self._beat, "record.enquired": self._enquire}

    def _count(self, _: Line) -> None:
        self.all += 1

    def _beat(self, line_: Line) -> None:
        self.beats.append(line_.fields["connected"])

    def _enquire(self, line_: Line) -> None:
        self.enquired.append(line_)


def test_another_taker_is_given_the_same_lines_whole() -> None:
    other = Heartbeats()
    enquired = line("record.enquired", 5, movement="moved")
    found = account([*day(), enquired], others=[other])
    assert other.all == found.tally.ours
    assert other.beats == [True]
    assert [one.fields["movement"] for one in other.enquired] == ["moved"]


def test_what_is_loud_is_told_by_level_with_its_own_reasons() -> None:
    lines = [closed(n, "presumed", reason="record_moved_while_deaf") for n in range(3)]
    lines.append(closed(9, "rejected", reason="not_found"))
    rows = as_json(account(lines))["warnings"]
    told = [(r["level"], r["count"], [word["word"] for word in r["reasons"]]) for r in rows]
    assert told == [("error", 1, ["not_found"]), ("warning", 3, ["record_moved_while_deaf"])]
    assert "4 lines of 1 events" in shown(account(lines))


def test_ways_and_reasons_that_are_not_shown_are_told_of() -> None:
    lines = [
        line("attempt.ended", n, result="possibly_sent", detail=f"http_5{n:02d}") for n in range(12)
    ]
    for n, why in enumerate(("silent", "server_disconnect", "transport_closed", "message_too_big")):
        lines += [
            line("subscription.lost", n, run=f"r{n}", reason=why),
            line("subscription.restored", n, run=f"r{n}", reason=why, duration_ms=1),
        ]
    text = " ".join(shown(account(lines)).split())
    assert "2 other ways 2" in text
    assert "silent, server disconnect, transport closed, and 1 more" in text


def test_a_last_heartbeat_is_old_once_the_daemon_has_ended() -> None:
    beat = line("daemon.heartbeat", 90, open_by_state={"queued": 2}, connected=False, deaf_ms=262)
    alive, over = account([beat]), account([beat, line("daemon.stopped", 100)])
    assert "2 queued open\n" in shown(alive)
    assert "2 queued open; it stopped at 2026-01-31 12:01:40\n" in shown(over)
