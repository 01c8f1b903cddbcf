"""An embedded upstream: the CV service's contract, its faults, and the truth of what it did.

``from listener.emulator import Emulator, Options, Plan``. Names are loaded when first used, so that
the command's help needs no server.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .emulator import Emulator
    from .faultbook import ANY_CODE, Odds, read_odds
    from .ledger import FOREIGN, NOBODY, Ledger
    from .options import Options
    from .plan import FAULTS, Plan, PlanInvalid, fault

_HOMES = {
    "Emulator": "emulator",
    "ANY_CODE": "faultbook",
    "Odds": "faultbook",
    "read_odds": "faultbook",
    "FOREIGN": "ledger",
    "NOBODY": "ledger",
    "Ledger": "ledger",
    "Options": "options",
    "FAULTS": "plan",
    "Plan": "plan",
    "PlanInvalid": "plan",
    "fault": "plan",
}

__all__ = [
    "ANY_CODE",
    "FAULTS",
    "FOREIGN",
    "NOBODY",
    "Emulator",
    "Ledger",
    "Odds",
    "Options",
    "Plan",
    "PlanInvalid",
    "fault",
    "read_odds",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
