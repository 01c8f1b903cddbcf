"""``python -m tests.faults [--rounds 3] [--only WORDS] [--record]``: measure the matrix of faults.

Fails where a cell breaks a promise, or does what is not on record.
"""

from __future__ import annotations

import argparse
import asyncio
import sys

from . import matrix, posts


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--rounds", type=int, default=matrix.ROUNDS)
    parser.add_argument("--only", default="", help="the cells alone whose name has these words")
    parser.add_argument("--record", action="store_true", help="write docs/proof, if all is well")
    given = parser.parse_args()
    cells = [cell for cell in matrix.ALL if given.only in str(cell)]
    measured = asyncio.run(matrix.measure(cells, given.rounds))
    for cell, rounds in measured.items():
        told = matrix.row(cell, rounds)
        some = f" ({told['told in some rounds']})" if told["told in some rounds"] else ""
        print(f"{cell}: {told['told'] or 'nothing told'}{some}; {told['event']}; {told['back']}")
    cells_of_posts = [cell for cell in posts.ALL if given.only in str(cell)]
    posted = asyncio.run(posts.measure(cells_of_posts, given.rounds))
    for post, tries in posted.items():
        shown = posts.row(post, tries)
        print(f"{post}: {shown['first attempt']}; {shown['attempts']}; {shown['outcome']}")
    found = matrix.broken(measured) + posts.broken(posted)
    if not given.record:
        found += matrix.disagreements(measured, matrix.recorded())
        found += posts.disagreements(posted, posts.recorded())
    print("\n".join(found) or "all hold")
    if given.record and not found and not given.only:
        matrix.record(measured)
        posts.record(posted)
        print("recorded: `make docs` writes the page of it")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
