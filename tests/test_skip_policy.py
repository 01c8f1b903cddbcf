"""The skip policy and the bounds, shown by running pytest on small suites of their own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tree import ROOT

SUITE = """
import pytest

def test_lacks_a_tool():
    pytest.skip("needs: a tool that is nowhere")

@pytest.mark.skipif(True, reason="needs: another tool")
def test_lacks_another():
    raise AssertionError("it was to be skipped")

def test_is_for_elsewhere():
    pytest.skip("Windows alone has this")

@pytest.mark.xfail(reason="needs: to fail")
def test_is_known_to_fail():
    assert False
"""
MODULE = """
import pytest

pytest.skip("needs: a whole server", allow_module_level=True)
"""


def run(folder: Path, suite: str, *, ci: bool) -> tuple[dict[str, int], str]:
    """How many tests ended how, and what was printed."""
    (folder / "test_suite.py").write_text(suite, encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "CI"))
    }
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.skip_policy", "-p", "no:cacheprovider"],
        cwd=folder,
        env=environment | {"PYTHONPATH": str(ROOT)} | ({"CI": "true"} if ci else {}),
        capture_output=True,
        text=True,
        timeout=100,
    )
    counts = re.findall(r"(\d+) (passed|failed|skipped|xfailed|error)", ended.stdout)
    return {how: int(count) for count, how in counts}, ended.stdout


def test_for_want_of_a_tool_a_developer_skips(tmp_path: Path) -> None:
    counts, _ = run(tmp_path, SUITE, ci=False)
    assert counts == {"skipped": 3, "xfailed": 1}


def test_for_want_of_a_tool_ci_fails_and_says_which(tmp_path: Path) -> None:
    counts, printed = run(tmp_path, SUITE, ci=True)
    # A mark skips in the set-up, and what fails there is an "error" to pytest.
    assert counts == {"failed": 1, "error": 1, "skipped": 1, "xfailed": 1}
    assert "a tool that is nowhere" in printed


@pytest.mark.parametrize(("ci", "counts"), [(False, {"skipped": 1}), (True, {"error": 1})])
def test_a_module_that_skips_whole_is_held_to_it_too(
    tmp_path: Path, ci: bool, counts: dict[str, int]
) -> None:
    ended, printed = run(tmp_path, MODULE, ci=ci)
    assert {how: count for how, count in ended.items() if how in counts} == counts
    assert not ci or "a whole server" in printed


def test_every_test_here_is_bounded(request: pytest.FixtureRequest) -> None:
    assert float(request.config.getini("timeout")) == 120


@pytest.mark.prove
def test_a_proof_has_a_bound_of_its_own(request: pytest.FixtureRequest) -> None:
    mark = request.node.get_closest_marker("timeout")
    assert mark.args == (900,)
