"""The settings: ``CV_*`` variables of the environment and of ``.env``, as one frozen model.

Read by the command line and by ``compose`` alone; every other room is given plain values.
"""

from .functions import (
    Named,
    by_function,
    credentials_function,
    event_function,
    events_of,
    outcome_function,
)
from .load import RESERVED, Described, Reading, Source, load, read
from .model import Group, Known, Settings, known_settings
from .objects import ConnectEmit
from .unloadable import expect_traces, unloadable

__all__ = [
    "RESERVED",
    "ConnectEmit",
    "Described",
    "Group",
    "Known",
    "Named",
    "Reading",
    "Settings",
    "Source",
    "by_function",
    "credentials_function",
    "event_function",
    "events_of",
    "expect_traces",
    "known_settings",
    "load",
    "outcome_function",
    "read",
    "unloadable",
]
