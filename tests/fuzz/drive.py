"""One target under atheris, in a process of its own: libFuzzer ends it.

usage: python -m tests.fuzz.drive TARGET FAULT OPTION… FOLDER…   (FAULT: "-" for none)
"""

from __future__ import annotations

import importlib
import sys

import atheris


def main() -> None:
    """Never returns."""
    name, fault, *options = sys.argv[1:]
    with atheris.instrument_imports(include=["listener", "socketio.packet", "engineio.packet"]):
        target = importlib.import_module(f"tests.fuzz.{name}")
    planted = importlib.import_module("tests.fuzz.planted")
    with planted.planted(None if fault == "-" else fault):
        atheris.Setup([sys.argv[0], *options], target.one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
