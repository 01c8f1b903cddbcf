"""``python -m tests.deploy.stuck_daemon run``: the real daemon, whose disk stands still while the
file is there that the environment names in ``STUCK``; a silence that it sits out otherwise counts
soon."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import replace
from pathlib import Path

from tests.adapters.journal_sqlite.hooked_disk import HookedDisk

SILENT_S = 0.2


def main() -> int:
    disk = HookedDisk(default=True)
    stuck = Path(os.environ["STUCK"])

    def asked(operation: str, _name: str) -> None:
        while operation in ("write", "sync") and stuck.exists():
            time.sleep(0.01)

    disk.hook = asked
    from listener import compose
    from listener.__main__ import main as listener_main

    real = compose.service_policy
    compose.service_policy = lambda settings: replace(real(settings), journal_silent_s=SILENT_S)
    status = listener_main()
    disk.hook = lambda _operation, _name: None
    return status


if __name__ == "__main__":
    sys.exit(main())
