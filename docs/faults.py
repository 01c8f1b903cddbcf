"""The page of faults: what the matrix measured (``docs/proof/faults.json``), for who is on call."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.faults import cell, matrix, posts
from tests.faults.spoils import SETTINGS, Fault, Phase, Setting
from tests.record import FOLDER

WAIT = cell.DETECTION_S / cell.CAP_S

INTRODUCTION = """\
<!-- Generated from docs/faults.py and docs/proof/*.json by `make docs`: change those. -->

# Faults of the line

What becomes of the subscription when the line to the upstream goes wrong, and how soon it is back.
Each cell was measured: the real ear, in front of the official Socket.IO server, with a proxy
between them that does one thing to the bytes for {fault} s, on every connection, and then lets all
pass.

`{command}` · {date} · {machine}

In all of them, each event that was emitted was heard once, and in order, or stands in a gap that is
known: none was missed silently. So it is in every test run, and a cell that does otherwise than it
says here fails the build.

## How to read a cell

1. What the log says: `lost` is [subscription.lost](log-events.md#subscriptionlost), `failed` is
   [subscription.failed](log-events.md#subscriptionfailed), each with its `reason`. A reason in
   brackets came in some measurements and not in others. *no word*: the log says nothing.
2. What became of the event that was hit, or else of one that was emitted as the fault struck:
   *heard*; *replayed*, which the server did after a reconnect, so that nothing was missed; or *gap*
   and its `gap_reason`, as in [subscription.restored](log-events.md#subscriptionrestored): what was
   emitted in it is lost, and each update that it may concern is enquired of.
3. How soon after the end of the fault there was a subscription that stayed: the slowest of
   {rounds} measurements, in units of `CV_SOCKET_BACKOFF_CAP`; 0, it stood already.

**The bound** on that is twice the cap: one delay that had begun, and all that it takes to connect.
A line that is half-open or stalled leaves a dead line behind, of which time alone tells: there the
ear's patience is added (a ping interval, a ping timeout and a margin; or the bound on connecting,
where that is longer), which was {wait} caps in the measurement. With a server's usual pings it is
50 seconds. In the measurement each delay was as long as the cap. In life the first is half a
second, and each is twice the one before.

## The faults
"""

AFTER_FAULTS = """\

"After the body" is a race in the world, too: whether what came before an RST is still read, and
whether the line is used once more before it is known to be gone, differs from time to time. So does
the end of slow polling, which the server's patience brings about, or ours, whichever is first.

## Where they strike
"""

REASONS = {
    "connect_timeout": "no answer to the handshake within the bound on connecting",
    "http_400": "the server no longer knew the session that was polled",
    "message_too_big": "a frame that says it is larger than any may be: here, the garbage read as "
    "one. Three attempts in a row that end so cost the place to go on from, and a gap follows",
    "server_disconnect": "the server said that it ends the connection",
    "silent": "no frame, not even a ping, for the ear's patience",
    "transport_closed": "the line ended, or what came over it was no answer",
    "unreachable": "nobody answers at the port",
}
"""Those that are in the record: others there must be told here."""

GAPS = {
    "started": "before the first subscription of this start",
    "no_recovery_offered": "the server remembers no sessions",
    "not_recovered": "the server no longer knew the session, or did not know yet that it had ended",
    "polling": "over polling nothing can be recovered",
}

LAST = """\

A gap begins with the last frame that was received. What the server emitted before that, and what
was then lost on its way, belongs to it: none of it is older than the fault, nor than anything that
was heard over the line that was lost.

Where the change from polling to a websocket is refused outright, the ear goes on over polling, and
stays there until that connection ends. Where it breaks off half-way, the ear begins anew.
"""


POSTS = """
## The POST

What becomes of an update when the line to the HTTP API goes wrong in the midst of its POST, from
the stage named on until that attempt is over; the subscription stands. A cell says how the attempt
ended, by `result` and `detail` of [attempt.ended](log-events.md#attemptended); the outcome, and how
many attempts there were; and how often the update was applied: never twice, and once where the
outcome says so.

A second attempt follows where the first was provably not sent, or where the record was read, more
than once, and had not moved: see [the rules](state-machine.md#the-rules). Garbage on the way up
makes a request that the upstream cannot read: it refuses that, and nothing is applied."""


def page() -> str:
    """The whole page."""
    told = json.loads((FOLDER / f"{matrix.RECORD}.json").read_text(encoding="utf-8"))
    rows = matrix.recorded()
    head = INTRODUCTION.format(
        fault=cell.FAULT_S,
        wait=f"{WAIT:g}",
        rounds=told["figures"]["rounds"],
        **{key: told[key] for key in ("command", "date", "machine")},
    )
    parts = [
        head,
        _words({fault.words: fault.value for fault in Fault}),
        AFTER_FAULTS,
        _words({phase.words: phase.value for phase in Phase}),
        *(_setting(setting, rows) for setting in SETTINGS),
        "\n## The reasons",
        _words({f"`{slug}`": REASONS[slug] for slug in _reasons(rows)}),
        "\nAnd of gaps:",
        _words({f"`{slug}`": GAPS[slug] for slug in _gaps(rows)}),
        LAST,
        _posts(),
    ]
    return "\n".join(part.rstrip("\n") for part in parts) + "\n"


def _posts() -> str:
    rows = posts.recorded()
    lines = [
        POSTS,
        _words({fault.words: fault.value for fault in posts.PostFault}),
        "",
        "| | " + " | ".join(stage.value for stage in posts.Stage) + " |",
        "|---" * (len(posts.Stage) + 1) + "|",
    ]
    for fault in posts.PostFault:
        shown = [_post(posts.PostCell(fault, stage), rows) for stage in posts.Stage]
        lines.append(f"| **{fault.words}** | {' | '.join(shown)} |")
    return "\n".join(lines)


def _post(one: posts.PostCell, rows: Mapping[tuple[str, str], posts.Row]) -> str:
    if one.impossible is not None:
        return f"*cannot be: {one.impossible}*"
    row = rows[one.fault.words, one.stage.value]
    result, _, detail = str(row["first attempt"]).partition(" ")
    attempts = "1 attempt" if row["attempts"] == "1" else f"{row['attempts']} attempts"
    end = f"{row['outcome']}, {attempts}, applied {row['applied']}"
    return f"`{result}`, `{detail}`; {end}"


def _setting(setting: Setting, rows: Mapping[matrix.Key, Mapping[str, Any]]) -> str:
    cells = {(p, f): cell.Cell(setting, p, f) for p in Phase for f in Fault}
    phases = [p for p in Phase if any(not cells[p, f].impossible for f in Fault)]
    lines = [
        f"\n## {setting.words[0].upper()}{setting.words[1:]}\n",
        "| | " + " | ".join(phase.words for phase in phases) + " |",
        "|---" * (len(phases) + 1) + "|",
    ]
    for fault in Fault:
        shown = [_shown(cells[phase, fault], rows) for phase in phases]
        lines.append(f"| **{fault.words}** | {' | '.join(shown)} |")
    return "\n".join(lines)


def _shown(one: cell.Cell, rows: Mapping[matrix.Key, Mapping[str, Any]]) -> str:
    if one.impossible is not None:
        return f"*cannot be: {one.impossible}*"
    row = rows[one.setting.words, one.phase.words, one.fault.words]
    said = [*map(_slug, sorted(matrix.parted(row["told"])))]
    said += [f"({_slug(told)})" for told in sorted(matrix.parted(row["told in some rounds"]))]
    fates = " or ".join(_fate(fate) for fate in sorted(matrix.parted(row["event"])))
    at_last = "" if row["transport"] == one.setting.transports[-1] else ", over polling"
    return f"{', '.join(said) or '*no word*'}; {fates}; {row['back']:g}{at_last}"


def _slug(told: str) -> str:
    what, _, reason = told.partition(" ")
    return f"{what} `{reason}`"


def _fate(fate: str) -> str:
    return fate if fate in {"heard", "replayed"} else f"gap `{fate}`"


def _reasons(rows: Mapping[matrix.Key, Mapping[str, Any]]) -> list[str]:
    told = {
        slug.partition(" ")[2]
        for row in rows.values()
        for what in ("told", "told in some rounds")
        for slug in matrix.parted(row[what])
    }
    return sorted(told)


def _gaps(rows: Mapping[matrix.Key, Mapping[str, Any]]) -> list[str]:
    fates = {fate for row in rows.values() for fate in matrix.parted(row["event"])}
    return sorted(fates - {"heard", "replayed"})


def _words(told: Mapping[str, str]) -> str:
    lines = ["", "| | |", "|---|---|", *(f"| {key} | {words} |" for key, words in told.items())]
    return "\n".join(lines)
