"""Whether the functions that the settings name are there, and what else is to be installed."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from functools import partial

from listener.core.errors import SettingsInvalid

from .functions import Named, by_function, credentials_function, event_function, outcome_function
from .model import Settings, known_settings

_EXTRA_OTEL = (
    "opentelemetry.sdk.trace.export",
    "opentelemetry.exporter.otlp.proto.http.trace_exporter",
)


def expect_traces() -> None:
    """Raise SettingsInvalid where traces cannot be sent: the extra otel is not installed whole."""
    try:
        for name in _EXTRA_OTEL:
            importlib.import_module(name)
    except ImportError as error:
        raise SettingsInvalid(
            "CV_TRACES_URL: expected the extra otel to be installed, found it missing or not whole "
            f"(no {error.name}): pip install --require-hashes -r locks/otel.txt, in the folder of "
            "the source; or take the setting out"
        ) from error


def unloadable(settings: Settings) -> list[str]:
    """A line for each thing that is not. Their modules are imported, as at a start; none of them is
    called."""
    wrong = []
    for load in _all(settings):
        try:
            load()
        except SettingsInvalid as error:
            wrong.append(str(error))
    return wrong


def _all(settings: Settings) -> Iterator[Callable[[], object]]:
    if settings.traces_url is not None:
        yield expect_traces
    for known in known_settings():
        given = getattr(settings, known.field)
        if isinstance(given, Named):
            yield partial(credentials_function, known.name, given.name)
    for name in settings.outcome_handlers:
        if ":" in name:
            yield partial(outcome_function, name)
    for name in by_function(settings.event_handlers):
        yield partial(event_function, name)
