"""The locks, the versions and the papers agree with one another and with pyproject."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from docs.pages import stale
from tests.tree import ROOT, pyproject, texts

LOCKS = ("dev", "runtime", "otel", "node", "mutants")


# ------------------------------------------------------------------------------------------- locks


def _lock(name: str) -> dict[str, list[tuple[Requirement, int]]]:
    """Package → its pins (a package can have several, each with its marker) and their hashes."""
    text = (ROOT / "locks" / f"{name}.txt").read_text(encoding="utf-8")
    entries = re.sub(r"^\s*#.*$", "", text, flags=re.M).replace("\\\n", " ")
    locked: dict[str, list[tuple[Requirement, int]]] = {}
    for entry in filter(None, map(str.strip, entries.splitlines())):
        words, *hashes = re.split(r"\s+--hash=", entry)
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", digest) for digest in hashes), entry
        pin = Requirement(words)
        locked.setdefault(canonicalize_name(pin.name), []).append((pin, len(hashes)))
    return locked


def _version(pin: Requirement) -> str:
    (clause,) = pin.specifier
    assert clause.operator == "==", pin
    return clause.version


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_pins_and_hashes_all_and_names_no_place(name: str) -> None:
    text = (ROOT / "locks" / f"{name}.txt").read_text(encoding="utf-8")
    assert "://" not in text
    assert not re.search(r"^\s*(-i|-f|--(extra-)?index-url|--find-links)", text, re.M)
    locked = _lock(name)
    assert locked
    for pins in locked.values():
        for pin, hashes in pins:
            assert hashes, f"{pin} has no hash"
            assert pin.url is None
            assert _version(pin)


def test_the_locks_agree() -> None:
    dev = {name: {str(pin) for pin, _ in pins} for name, pins in _lock("dev").items()}
    runtime = {name: {str(pin) for pin, _ in pins} for name, pins in _lock("runtime").items()}
    assert {name: pins for name, pins in runtime.items() if dev.get(name) != pins} == {}


def _required(lock: str) -> list[str]:
    project, groups = pyproject()["project"], pyproject()["dependency-groups"]
    if lock in ("node", "mutants"):
        return [*groups[lock]]
    extras = project["optional-dependencies"]
    asked = [*project["dependencies"], *extras.get(lock, ())]
    if lock == "dev":
        asked += [one for extra in extras.values() for one in extra]
        asked += [*groups["dev"], *groups["build"]]
    return asked


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_holds_what_pyproject_asks_for(name: str) -> None:
    locked = _lock(name)
    for asked in map(Requirement, _required(name)):
        pins = locked.get(canonicalize_name(asked.name), [])
        assert pins, f"{asked} is not in locks/{name}.txt: run `make lock`"
        for pin, _ in pins:
            assert asked.specifier.contains(_version(pin), prereleases=True), (
                f"locks/{name}.txt has {pin}, pyproject asks for {asked}: run `make lock`"
            )


# ----------------------------------------------------------------------------- versions and papers


def test_versions_agree() -> None:
    version = pyproject()["project"]["version"]
    assert importlib.metadata.version("cv-listener") == version, "run `make install`"
    told = subprocess.run(
        [sys.executable, "-c", "import listener; print(listener.__version__)"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert told.stdout.strip() == version, told.stderr
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## \[?([^\]\s]+)", changelog, re.M)
    assert version in headings[:2], "the newest, or the next but for what is unreleased"


def test_make_has_every_target_that_the_papers_name() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.M))
    for name, text in texts(".md"):
        # In prose "make sure" is no target: commands in blocks and code spans alone count.
        blocks = "\n".join(re.findall(r"^```.*?^```", text, re.M | re.S))
        spans = re.findall(r"`(make [^`]*)`", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))
        commands = re.split(r"\n|&&|;", "\n".join([blocks, *spans]))
        # A variable may be set before the target, as in `make SEED=7 sim`.
        called = [re.match(r"\s*\$?\s*make (?:[A-Z]+=\S+ )*([a-z][a-z-]*)", c) for c in commands]
        named = {found[1] for found in called if found}
        assert named <= targets, f"{name} names make {named - targets}"


def _anchors(text: str) -> set[str]:
    """The anchors that a Markdown page's headings get."""
    headings = re.findall(r"^#{1,6}\s+(.*?)\s*$", re.sub(r"```.*?```", "", text, flags=re.S), re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in headings}


def test_links_between_the_papers_lead_somewhere() -> None:
    wrong = []
    for name, text in texts(".md"):
        prose = re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.S)
        for target in re.findall(r"\]\(([^)\s]+)\)", prose):
            if re.match(r"[a-z]+:", target):
                continue
            path, _, anchor = target.partition("#")
            page = (ROOT / name).parent / path if path else ROOT / name
            if not page.exists():
                wrong.append(f"{name}: {target} is not there")
            elif anchor and page.suffix == ".md" and anchor not in _anchors(page.read_text()):
                wrong.append(f"{name}: {target} has no such heading")
    assert not wrong


def test_generated_papers_say_what_the_source_says() -> None:
    assert stale() == [], "run `make docs`"


def test_every_test_that_a_paper_names_is_there() -> None:
    there = {name for _, text in texts(".py") for name in re.findall(r"def (test_\w+)", text)}
    named = {
        name
        for page, text in texts(".md")
        if page.startswith("docs/")
        for name in re.findall(r"`(test_\w+)`", text)
    }
    assert named
    assert named <= there, named - there
