"""``python -m tests.deploy.stuck_daemon run``: the real daemon, whose disk stands still while the
file is there that the environment names in ``STUCK``."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from tests.adapters.journal_sqlite.hooked_disk import HookedDisk


def main() -> int:
    disk = HookedDisk(default=True)
    stuck = Path(os.environ["STUCK"])

    def asked(operation: str, _name: str) -> None:
        while operation in ("write", "sync") and stuck.exists():
            time.sleep(0.01)

    disk.hook = asked
    from listener.__main__ import main as listener_main

    status = listener_main()
    disk.hook = lambda _operation, _name: None
    return status


if __name__ == "__main__":
    sys.exit(main())
