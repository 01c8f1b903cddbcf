"""cv-listener: submits CV updates, hears ``cv_updated``, and says which jobs were dispatched.

``from listener import CVService, CVServiceException`` is the upstream's own client, and loads no
more of this package than it needs.
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

    __version__: str

__all__ = [
    "AsyncCVService",
    "CVAPIException",
    "CVNotFoundException",
    "CVService",
    "CVServiceException",
    "CVTimeoutException",
]

_HOMES = dict.fromkeys(__all__, "listener.client")


def __getattr__(name: str) -> object:
    """Load what is asked for, where it lives, when it is asked for."""
    if name == "__version__":
        return import_module("importlib.metadata").version("cv-listener")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted((*globals(), *__all__))
