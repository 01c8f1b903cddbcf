"""The state of a daemon in one file, taken while it runs; and put back so that nothing is sent
again by itself (decision 15)."""

from .restoring import Restored, restore
from .taking import Taken, take

__all__ = ["Restored", "Taken", "restore", "take"]
