"""The page of proofs: what is promised, how it is held, and what the long runs found.

The figures are read from ``docs/proof/*.json``, which the runs write themselves (``--record``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.kills.planted import BUGS
from tests.powercut.lives import Plant
from tests.simulation.promises import PROMISES

FOLDER = Path(__file__).resolve().parent / "proof"

INTRODUCTION = """\
<!-- Generated from docs/proof.py and docs/proof/*.json by `make docs`: change those. -->

# Proof

What the README promises is held by machines that try to break it. Each says here what it does, what
to run, and what its last long run found. A failing case prints the command that plays it again.

## What is checked

Three witnesses are asked after every run: the upstream's ledger, the journal, and our own log.

"""

LAYERS = (
    (
        "core",
        "every pair of state and input; scripts of every rule; a stateful machine (Hypothesis)",
        "all; 50 × 50 steps",
        "500 × 50",
        "`--hypothesis-profile=long`",
    ),
    (
        "model",
        "`decide()` itself explored exhaustively: an adversarial upstream, other people, "
        "crashes, every order of timers (`tests/core/exploration`)",
        "one submission, complete for any one fault; two and three bounded",
        "two, larger",
        "",
    ),
    (
        "simulation",
        "the real service, journal and ear on a virtual clock (`tests/simulation`)",
        "200 seeds",
        "2,000",
        "`make sim SEEDS=50000`",
    ),
    (
        "power cut",
        "journal and spool on a disk that forgets and tears what was not synced (`tests/powercut`)",
        "100 cuts",
        "1,000",
        "`make powercut CUTS=20000`",
    ),
    (
        "kill -9",
        "the real process, at random and at named points (`tests/kills`)",
        "5 kills and some points",
        "50 and every point",
        "`make kill KILLS=500`",
    ),
    (
        "disk",
        "full, failing, read-only, locked, newer, corrupted, gone (`tests/disks`, "
        "`tests/adapters/journal_sqlite`)",
        "all",
        "more of each",
        "",
    ),
    (
        "journal",
        "three journals, one random life (`tests/contract/test_journal_machine.py`)",
        "40 × 50 steps",
        "500 × 50",
        "`--hypothesis-profile=long`",
    ),
    (
        "fakes",
        "each passes the contract suite of the real thing (`tests/contract`)",
        "all",
        "all",
        "",
    ),
    (
        "behaviours",
        "fifteen behaviours of the upstream over real sockets, each end held against its ledger "
        "(`tests/faults/test_behaviours.py`)",
        "5 updates each",
        "50 each",
        "`make behaviours UPDATES=50`",
    ),
    (
        "strangers",
        "hostile and wrong events, lanes in every state whose codes are close to one another "
        "(`tests/service/test_hostile_events.py`)",
        "150 scenes",
        "2,000, and 13 planted bugs",
        "`--hypothesis-profile=long`",
    ),
    (
        "storm",
        "open updates whose subscription is lost, or whose upstream does not serve, on a virtual "
        "clock (`tests/service/test_storm.py`)",
        "up to 2,000",
        "10,000",
        "`make bench BENCH=storm`",
    ),
    (
        "input",
        "a corpus of codes and events; frames, forms and replies fuzzed with coverage "
        "(`tests/fuzz`)",
        "the corpus, and near it",
        "some seconds each",
        "`make fuzz SECONDS=600`",
    ),
    (
        "requests",
        "schemathesis asks what the document says and what it does not; every answer of the web's "
        "tests is held against it (`tests/adapters/web/test_fuzzed.py`, `conformance.py`)",
        "every edge, and 10 of each operation",
        "80 of each",
        "",
    ),
    (
        "mutants",
        "the core with one thing changed, against its tests (`tests/mutants`)",
        "a few by name",
        "the same",
        "`make mutants`",
    ),
    (
        "cuts",
        "ten thousand events from the official Socket.IO server to the real process, over a line "
        "that is cut, and through kills (`tests/e2e`)",
        "restarts, kicks",
        "65 cuts, 5 kills",
        "`make cuts SEED=7`",
    ),
    (
        "soak",
        "mixed faults played at the real process; from its log alone, `cv-listener report` must "
        "tell what the upstream's ledger knows (`tests/soak`)",
        "the weather's forecast",
        "a minute",
        "`make soak MINUTES=60`",
    ),
    (
        "network",
        "a fault proxy, raw servers, and the official Socket.IO server (`tests/faults`, "
        "`tests/interop`); every fault in every phase ([the matrix](faults.md))",
        "all; of the matrix, a few",
        "the whole matrix",
        "`make faults`",
    ),
)
"""Layer, how, and how much of it: in `make test`, in `make prove`, and by hand."""

LAYERS_HEAD = ("layer", "how", "`make test`", "`make prove`, in each CI run", "by hand")

RECORDS: Mapping[str, tuple[str, str]] = {
    "simulation": (
        "Simulation",
        "A seed is a world: how the upstream, the network, the disk, the clock and the clients "
        "misbehave in it, in which order ready tasks run, where processes die. Service, engine, "
        "core, the SQLite journal and the event source's own queue, recovery and supervisor are "
        "the real ones; the upstream, the Socket.IO server and the spool are fakes that pass the "
        "contract suites. After a busy time all faults stop, everything must close, and new "
        "updates must go through at once. A seed is one life, on any Python hash seed. An "
        "earlier run of as many seeds found two broken, one by a bug of ours; what those recorded "
        "here have found is told below them. All three are mended, and whole.",
    ),
    "net": (
        "The net itself",
        "Bugs of a hurried hand, planted one at a time (`tests/simulation/plants.py`): "
        "seeds from 0 on are played until one shows it. Every test run plays the seeds named here, "
        "with the bug and without.",
    ),
    "power_cuts": (
        "Power cuts",
        "What was acknowledged before the cut is there after it, rows and files, and nothing is "
        "half there.",
    ),
    "kills": (
        "kill -9",
        "The real process against the embedded upstream over real sockets, killed at random and at "
        "named points of the code, started again, and held against the three witnesses.",
    ),
    "behaviours": (
        "Behaviours of the upstream",
        "The daemon's rooms and the embedded upstream over real sockets, so many updates under "
        "each behaviour, all at once. One judge reads the upstream's ledger and knows of no plan "
        "(`tests/faults/judge.py`): what each update may be said to have come to, whose event it "
        "was, which jobs were dispatched, and whether it was sent once too often.",
    ),
    "cuts": (
        "Cuts",
        "The real process against the official Socket.IO server, through a fault proxy that "
        "refuses and resets for 0.2 to 3 seconds, again and again, amid the traffic. With "
        "recovery, every event is in the journal once and in order of emission, there is no gap "
        "but the first, and every update is confirmed by its own event, replayed or not. Without, "
        "gaps cover all that was missed: an update whose event was missed is presumed, by its "
        "record, with exactly the deaf time of the gaps; the others are confirmed, and none "
        "falsely. Each was posted once.",
    ),
    "soak": (
        "Soak",
        "The real process between an upstream with faults and a spoiled line to each of its two "
        "doors: cuts, half-open lines, kicks, outages, throttling, kills, restarts, somebody "
        "else's updates, and a log that nobody reads for a minute. When all is over nothing may be "
        "open, and `cv-listener report`, from the log alone, must tell the totals of the "
        "upstream's ledger: nothing applied twice, no outcome that the ledger belies, no event "
        "unheard but in a time that the report calls deaf, every line valid against the catalogue. "
        "An earlier hour found a bug: a subscription that had gone deaf, and was kicked while it "
        "was doubted, had missed nine events in no gap (mended, with a test in "
        "`tests/service/test_doubt.py`). The hour recorded here was played after that.",
    ),
    "fuzz": (
        "Fuzzing",
        "Coverage-guided, each target in a process of its own, from the corpus on.",
    ),
    "mutants": (
        "Mutants of the core",
        "One thing changed in `listener/core` at a time; a test must fail.",
    ),
    "survivors": (
        "Mutants that survive, and why",
        "No test fails for these; each is looked at, and has its reason.",
    ),
}
"""File's name → heading, and what the run does."""


def page() -> str:
    """The whole page."""
    parts = [INTRODUCTION, "", _promises(), "\n## By what", "", _table(LAYERS_HEAD, LAYERS)]
    parts.append("\n## What the long runs found\n")
    parts += [_record(name, *words) for name, words in RECORDS.items()]
    parts.append(_elsewhere())
    return "\n".join(part.rstrip("\n") for part in parts) + "\n"


def _promises() -> str:
    rows = [(name, _sentence(promise)) for name, promise in PROMISES.items()]
    return _table(("", "held in every run"), rows)


def _sentence(documented: object) -> str:
    return " ".join((documented.__doc__ or "").split("\n\n")[0].split())


def _record(name: str, heading: str, what: str) -> str:
    path = FOLDER / f"{name}.json"
    lines = [f"\n### {heading}\n", what, ""]
    if not path.is_file():
        return "\n".join([*lines, "Not recorded yet."])
    told = json.loads(path.read_text(encoding="utf-8"))
    lines.append(f"`{told['command']}` · {told['date']} · {told['machine']}\n")
    if told["figures"]:
        lines.append(_table(("", ""), [(k, _shown(v)) for k, v in told["figures"].items()]))
    rows: Sequence[Mapping[str, Any]] = told["rows"]
    if rows:
        head = tuple(rows[0])
        lines += ["", _table(head, [tuple(_shown(row[key]) for key in head) for row in rows])]
    return "\n".join(lines)


def _elsewhere() -> str:
    """Planted bugs that other layers catch, each pinned there to the life that shows it."""
    rows = [
        *(
            ("power cut", plant.value.replace("_", " "))
            for plant in Plant
            if plant is not Plant.NONE
        ),
        *(("kill -9", f"{name.replace('_', ' ')}: {_sentence(bug)}") for name, bug in BUGS.items()),
        ("journal", "stale lease writes, a version given twice, an event that overwrites another"),
        ("model", "sixteen wrong rules (`tests/core/exploration/test_planted_faults.py`)"),
        ("fuzzing", "a fast path that reads wrongly (`tests/fuzz/planted.py`)"),
    ]
    intro = "\n### Bugs planted in the other layers\n\nEach is caught in every test run.\n\n"
    return intro + _table(("layer", "planted"), rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _shown(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value)
