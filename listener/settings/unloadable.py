"""Whether the functions that the settings name are there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from listener.core.errors import SettingsInvalid

from .functions import Named, by_function, credentials_function, event_function, outcome_function
from .model import Settings, known_settings


def unloadable(settings: Settings) -> list[str]:
    """A line for each that is not. Their modules are imported, as at a start; none of them is
    called."""
    wrong = []
    for load in _all(settings):
        try:
            load()
        except SettingsInvalid as error:
            wrong.append(str(error))
    return wrong


def _all(settings: Settings) -> Iterator[Callable[[], Callable[..., Any]]]:
    for known in known_settings():
        given = getattr(settings, known.field)
        if isinstance(given, Named):
            yield partial(credentials_function, known.name, given.name)
    for name in settings.outcome_handlers:
        if ":" in name:
            yield partial(outcome_function, name)
    for name in by_function(settings.event_handlers):
        yield partial(event_function, name)
