"""Coverage-guided fuzzing: `make fuzz SECONDS=600`, or TARGET=frames alone."""

from __future__ import annotations

import argparse
import importlib.util
import sys

from tests.record import write_record

from .run import TARGETS, Run, fuzz


def _row(run: Run) -> dict[str, int | str]:
    return {
        "target": run.target,
        "executions": run.executions,
        "seconds": run.seconds,
        "coverage edges": run.edges,
        "findings": len(run.findings),
    }


def main() -> int:
    """0: nothing was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", default=[], help=", ".join(TARGETS))
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--record", action="store_true", help="into docs/proof/fuzz.json")
    given = parser.parse_args()
    if importlib.util.find_spec("atheris") is None:
        print("NOTHING WAS FUZZED: needs: atheris (make fuzz-tools)", file=sys.stderr)
        return 1
    runs = []
    for target in given.targets or TARGETS:
        run = fuzz(target, seconds=given.seconds)
        runs.append(run)
        print(" · ".join(f"{name}: {value}" for name, value in _row(run).items()), flush=True)
        for finding in run.findings:
            print(run.story, f'a row for "{target}" in tests/corpus/found.json:', finding.hex())
    found = sum(len(run.findings) for run in runs)
    if given.record:
        figures = {
            "targets": len(runs),
            "executions": sum(run.executions for run in runs),
            "findings": found,
        }
        command = f"make fuzz SECONDS={given.seconds} RECORD=1"
        write_record("fuzz", command, figures, [_row(run) for run in runs])
    return min(found, 1)


if __name__ == "__main__":
    sys.exit(main())
