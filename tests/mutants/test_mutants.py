"""The net still catches: named mutants die, and who survived has a reason."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.record import FOLDER
from tests.tree import ROOT

from .judging import reasons, stale, unexplained
from .named import named


def test_every_named_mutant_dies() -> None:
    """In a process of its own: to hunt is to run pytest, and this one runs already."""
    hunt = subprocess.run(
        [sys.executable, "-m", "tests.mutants.named"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert hunt.returncode == 0, hunt.stdout + hunt.stderr
    assert hunt.stdout.count(" s  core.") == len(named()), "each was hunted"


def test_every_recorded_survivor_has_the_reason_that_is_kept_for_it() -> None:
    told = reasons()
    rows = json.loads((FOLDER / "survivors.json").read_text(encoding="utf-8"))["rows"]
    assert {(row["where"], row["change"]): row["why"] for row in rows} == told


def test_every_reason_is_of_something_that_is_still_called_so() -> None:
    for where, _ in reasons():
        words = where.split(".")
        rooms = [ROOT / "listener" / "/".join(words[: n + 1]) for n in range(len(words))]
        room = max(n for n, path in enumerate(rooms) if path.with_suffix(".py").exists())
        source = rooms[room].with_suffix(".py").read_text(encoding="utf-8")
        for word in words[room + 1 :]:
            assert re.search(rf"\b{word}\b", source), f"{where} is no more: {word}"


def test_a_survivor_without_a_reason_and_a_reason_without_a_survivor_are_found() -> None:
    told = {("core.view.public", "a → b"): "because of this", ("core.x", "c → d"): "was so once"}
    survived = [("core.view.public", "a → b"), ("core.view.public", "e → f")]
    hunted = [*survived, ("core.x", "c → d")]
    assert unexplained(survived, told) == [("core.view.public", "e → f")]
    assert stale(survived, hunted, told) == [("core.x", "c → d")]
    assert stale(survived, survived, told) == [], "what was not hunted is not judged"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('[[survivors]]\nwhere = "w"\nchanges = ["c"]\nwhy = "no words"', "reason in words"),
        ('[[survivors]]\nwhere = "w"\nchanges = ["c", "c"]\nwhy = "it is so"', "found two"),
    ],
)
def test_a_reason_is_given_once_and_in_words(tmp_path: Path, text: str, fault: str) -> None:
    path = tmp_path / "survivors.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=fault):
        reasons(path)
