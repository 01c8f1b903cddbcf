"""cv-listener: submits CV updates, hears ``cv_updated``, and says which jobs were dispatched.

``from listener import CVService, CVServiceException`` is the upstream's own client, and loads no
more of this package than it needs. ``Listener`` is the whole of it, for programs that embed it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from listener.client import (
        AsyncCVService,
        CVAPIException,
        CVNotFoundException,
        CVService,
        CVServiceException,
        CVTimeoutException,
    )
    from listener.core.errors import (
        InvalidCode,
        InvalidFile,
        JournalFault,
        JournalLocked,
        SettingsInvalid,
        SpoolFault,
        SpoolFull,
        SubmissionDeclined,
    )
    from listener.core.names import Outcome
    from listener.embedded import Handle, Listener
    from listener.settings import Settings
    from listener.settings import load as load_settings

    __version__: str

__all__ = [
    "AsyncCVService",
    "CVAPIException",
    "CVNotFoundException",
    "CVService",
    "CVServiceException",
    "CVTimeoutException",
    "Handle",
    "InvalidCode",
    "InvalidFile",
    "JournalFault",
    "JournalLocked",
    "Listener",
    "Outcome",
    "Settings",
    "SettingsInvalid",
    "SpoolFault",
    "SpoolFull",
    "SubmissionDeclined",
    "load_settings",
]

_ERRORS = (
    *("InvalidCode", "InvalidFile", "JournalFault", "JournalLocked"),
    *("SettingsInvalid", "SpoolFault", "SpoolFull", "SubmissionDeclined"),
)
_HOMES = {
    **dict.fromkeys((name for name in __all__ if "CV" in name), "listener.client"),
    **dict.fromkeys(_ERRORS, "listener.core.errors"),
    **dict.fromkeys(("Handle", "Listener"), "listener.embedded"),
    **dict.fromkeys(("Settings", "load_settings"), "listener.settings"),
    "Outcome": "listener.core.names",
}
_OTHER_NAMES = {"load_settings": "load"}


def __getattr__(name: str) -> object:
    """Load what is asked for, where it lives, when it is asked for."""
    if name == "__version__":
        return import_module("importlib.metadata").version("cv-listener")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), _OTHER_NAMES.get(name, name))


def __dir__() -> list[str]:
    return sorted((*globals(), *__all__))
