"""The house's rules, checked over the tracked files: rooms, sizes, reasons, names."""

from __future__ import annotations

import ast
import io
import os
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tree import ROOT, parsed, texts

FUNCTION_LINES = 60
FILE_LINES = 400
PRODUCT = ("listener/", "handlers/")

# Joined here, so that this file does not hold what it looks for.
REGISTRY_HOSTS = tuple(
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("registry", "npmjs", "org"),
        ("npmmirror", "com"),
        ("deb", "debian", "org"),
    )
)
MACHINE_PATHS = re.compile(r"(?<![\w.~$}*-])/(?:work|root|farm|home|Users)/[\w.-]+")

# What the standard library offers for I/O, clocks, chance and waiting: none of it is the core's.
IMPURE = {
    *("asyncio", "concurrent", "contextvars", "ftplib", "glob", "http", "io", "logging", "mmap"),
    *("multiprocessing", "os", "pathlib", "queue", "random", "sched", "secrets", "select"),
    *("selectors", "shutil", "signal", "socket", "sqlite3", "ssl", "subprocess", "tempfile"),
    *("threading", "time", "uuid"),
}


# ------------------------------------------------------------------------------------------ rooms


def test_imports_point_only_down() -> None:
    checked = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-logo", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_core_imports_the_standard_library_alone_and_does_no_io() -> None:
    wrong = []
    for name, text in texts(".py", under=("listener/core/",)):
        for node in ast.walk(parsed(text)):
            if isinstance(node, ast.AsyncFunctionDef | ast.Await):
                wrong.append(f"{name}:{node.lineno} is async")
            if not isinstance(node, ast.Import | ast.ImportFrom):
                continue
            for module in _modules(node):
                top = module.split(".")[0]
                if top in IMPURE or module == "urllib.request":
                    wrong.append(f"{name}:{node.lineno} imports {module}, which does I/O or waits")
                elif top not in sys.stdlib_module_names and not module.startswith("listener.core"):
                    wrong.append(f"{name}:{node.lineno} imports {module}, from outside")
    assert not wrong


def _modules(node: ast.Import | ast.ImportFrom) -> list[str]:
    """The absolute modules that a statement imports; a relative import stays in its room."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module] if node.module and node.level == 0 else []


def test_no_module_has_a_name_that_says_nothing() -> None:
    empty = {"manager", "managers", "utils", "util", "helpers", "helper", "misc", "common"}
    assert not [name for name, _ in texts(".py") if Path(name).stem in empty]


def test_rooms_are_small() -> None:
    wrong = []
    for name, text in texts(".py", under=PRODUCT):
        if (lines := text.count("\n")) > FILE_LINES:
            wrong.append(f"{name} has {lines} lines, {FILE_LINES} at most")
        for node in ast.walk(parsed(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > FUNCTION_LINES:
                    wrong.append(
                        f"{name}:{node.lineno} {node.name} has {lines}, {FUNCTION_LINES} at most"
                    )
    assert not wrong


# ---------------------------------------------------------------------------------------- reasons


MARK = re.compile(r"type:\s*ignore(\[[\w, -]+\])?|noqa\b(:\s*[A-Z]+\d+(?:,\s*[A-Z]+\d+)*)?")


def test_an_exception_to_a_rule_names_the_rule_and_its_reason() -> None:
    wrong = []
    for name, text in texts(".py"):
        for line, comment in _comments(text):
            marks = list(MARK.finditer(comment))
            words = re.findall(r"[A-Za-z]\w+", MARK.sub("", comment))
            if any(not any(mark.groups()) for mark in marks):
                wrong.append(f"{name}:{line} names no rule: {comment}")
            elif marks and len(words) < 2:
                wrong.append(f"{name}:{line} gives no reason: {comment}")
    assert not wrong


def _comments(text: str) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


SKIPS = {
    *("pytest.skip", "pytest.xfail", "pytest.importorskip"),
    *("pytest.mark.skip", "pytest.mark.skipif", "pytest.mark.xfail"),
}
REASON_FIRST = {"pytest.skip", "pytest.xfail", "pytest.mark.skip"}


def test_a_skip_carries_its_reason() -> None:
    wrong = []
    for name, text in texts(".py", under=("tests/", "bench/")):
        nodes = list(ast.walk(parsed(text)))
        calls = [node for node in nodes if isinstance(node, ast.Call)]
        called = {id(call.func) for call in calls}
        wrong += [
            f"{name}:{node.lineno} {ast.unparse(node)}"
            for node in nodes
            if (isinstance(node, ast.Call) and ast.unparse(node.func) in SKIPS and not _told(node))
            or (
                isinstance(node, ast.Attribute)
                and ast.unparse(node).startswith("pytest.mark.")
                and ast.unparse(node) in SKIPS
                and id(node) not in called
            )
        ]
    assert not wrong


def _told(call: ast.Call) -> bool:
    """Whether a skip's call has a reason that is not an empty string."""
    reason = next((word.value for word in call.keywords if word.arg == "reason"), None)
    if reason is None and call.args and ast.unparse(call.func) in REASON_FIRST:
        reason = call.args[0]
    return reason is not None and not (isinstance(reason, ast.Constant) and not reason.value)


def test_a_mark_of_unfinished_work_says_what_and_why() -> None:
    mark = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|HA" r"CK)\b(?!\([^)]+\)|:\s+\S+\s+\S+)")
    assert not [
        f"{name}:{line}"
        for name, text in texts()
        for line, words in enumerate(text.splitlines(), 1)
        if mark.search(words)
    ]


# --------------------------------------------------------------------------------- what is tracked


def test_no_file_names_a_package_registry_or_a_path_of_one_machine() -> None:
    wrong = []
    for name, text in texts():
        for line, words in enumerate(text.splitlines(), 1):
            found = [host for host in REGISTRY_HOSTS if host in words]
            found += MACHINE_PATHS.findall(words)
            wrong += [f"{name}:{line} {what}" for what in found]
    assert not wrong


@pytest.mark.parametrize(
    "name",
    [
        "README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "LICENSE",
        "Makefile",
        ".env.example",
        ".ci/run",
        ".importlinter",
        "docs/README.md",
        "docs/configuration.md",
        "listener/py.typed",
    ],
)
def test_what_the_house_promises_is_there(name: str) -> None:
    assert (ROOT / name).is_file()
    if name == ".ci/run":
        assert os.access(ROOT / name, os.X_OK)
