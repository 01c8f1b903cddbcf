"""Functions of the user's, which settings name as ``package.module:function``."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from listener.core.errors import SettingsInvalid, place_of

PATTERN = r"[A-Za-z_][\w.]*:[A-Za-z_]\w*"
RESERVED_EVENTS = frozenset(
    {"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"}
)
"""Names that Socket.IO keeps for itself."""


@dataclass(frozen=True, slots=True)
class Named:
    """A function by its name, as far as its form tells: a password with a colon looks like one."""

    name: str = field(repr=False)


class _NotThere(Exception):
    """Its text says what is wrong and what to do; ``kind`` the first of it, with no name in it."""

    def __init__(self, words: str, kind: str) -> None:
        super().__init__(words)
        self.kind = kind


def or_named(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A reader that takes a function's name, too."""

    def either(value: Any) -> Any:
        if isinstance(value, str) and re.fullmatch(PATTERN, value):
            return Named(value)
        return value if isinstance(value, Named) else read(value)

    return either


def read_event_handler(value: Any) -> Any:
    """``EVENT=package.module:function``; an event's name may have an ``=`` in it, and no comma."""
    if not isinstance(value, str):
        return value
    event, _, function = value.rpartition("=")
    event, function = event.strip(), function.strip()
    if not event or not event.isprintable() or re.fullmatch(PATTERN, function) is None:
        raise ValueError
    if event in RESERVED_EVENTS:
        raise ValueError(f"events of the upstream's own, and {event} is a name of Socket.IO's")
    return f"{event}={function}"


def by_function(entries: Iterable[str]) -> dict[str, frozenset[str]]:
    """The functions of CV_EVENT_HANDLERS, each with the names of its events."""
    found: dict[str, set[str]] = {}
    for entry in entries:
        event, _, function = entry.rpartition("=")
        found.setdefault(function, set()).add(event)
    return {function: frozenset(events) for function, events in found.items()}


def events_of(entries: Iterable[str]) -> frozenset[str]:
    """The events of CV_EVENT_HANDLERS."""
    return frozenset(entry.rpartition("=")[0] for entry in entries)


def outcome_function(name: str) -> Callable[..., Any]:
    """One of CV_OUTCOME_HANDLERS. Raises SettingsInvalid."""
    either = "log, webhook, chat, program"
    return imported("CV_OUTCOME_HANDLERS", name, otherwise=either, awaited=True)


def event_function(name: str) -> Callable[..., Any]:
    """One of CV_EVENT_HANDLERS. Raises SettingsInvalid."""
    return imported("CV_EVENT_HANDLERS", name, awaited=True)


def credentials_function(setting: str, name: str) -> Callable[..., Any]:
    """Of a setting that may be a JSON object instead. Raises SettingsInvalid."""
    return imported(setting, name, otherwise="a JSON object", secret=True)


def imported(
    setting: str, name: str, *, otherwise: str = "", secret: bool = False, awaited: bool = False
) -> Callable[..., Any]:
    """The function of that name; its module is imported, and it is not called. ``otherwise``: what
    the setting may be instead. ``awaited``: it must be a coroutine function.

    Raises SettingsInvalid where there is none; of a ``secret`` setting it tells no name.
    """
    module, _, attribute = name.partition(":")
    try:
        return _function(module, attribute, awaited)
    except _NotThere as error:
        shown = "one (not shown: it may be secret)" if secret else repr(name)
        # Secret: what is found by the name would tell it, and so would a cause.
        told, cause = (error.kind, None) if secret else (str(error), error.__cause__)
    kind = "a coroutine function" if awaited else "a function"
    either = f"{otherwise} or " if otherwise else ""
    raise SettingsInvalid(
        f"{setting}: expected {either}the name of {kind} as package.module:function, found"
        f" {shown}: {told}"
    ) from cause


def _function(module: str, attribute: str, awaited: bool) -> Callable[..., Any]:
    try:
        home = importlib.import_module(module)
    except (Exception, SystemExit) as error:
        raise _no_module(module, error) from error
    try:
        found: Any = getattr(home, attribute)
    except AttributeError:
        names = [known for known, value in vars(home).items() if callable(value)]
        words = f"the module {module} has no {attribute}{_near(attribute, names, 'spell it so')}"
        raise _NotThere(words, "its module has no such function: spell it so") from None
    if not callable(found):
        words = f"what is found there is of type {type(found).__name__}, which cannot be called"
        raise _NotThere(f"{words}: name a function", "it cannot be called: name a function")
    if awaited and not _may_be_awaited(found):
        words = "what it returns cannot be awaited: define it with async def"
        raise _NotThere(words, words)
    return found  # type: ignore[no-any-return]  # it was asked whether it can be called


def _may_be_awaited(found: Any) -> bool:
    """What wraps a coroutine function may be no such thing itself."""
    whole = inspect.unwrap(found)
    if inspect.isclass(whole):
        return False
    if inspect.isfunction(whole) or inspect.ismethod(whole):
        return inspect.iscoroutinefunction(whole)
    return True


def _no_module(module: str, error: BaseException) -> _NotThere:
    kind = f"its module cannot be imported ({type(error).__name__}): see that it is installed"
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    if missing is not None and f"{module}.".startswith(f"{missing}."):
        parent, _, last = missing.rpartition(".")
        near = _near(last, _modules(parent), "see that it is installed and spelled so", parent)
        return _NotThere(f"there is no module {missing}{near}", kind)
    if missing is not None:
        what = f"needs {missing}, which is not installed: install it"
    elif isinstance(error, SyntaxError):
        what = f"cannot be read (line {error.lineno}): mend it"
    else:
        what = f"raised {type(error).__name__} at {place_of(error)} when it was imported: mend it"
    return _NotThere(f"the module {module} {what}", kind)


def _modules(parent: str) -> list[str]:
    """Names of the modules in a package; in none: of those that Python finds."""
    try:
        path = importlib.import_module(parent).__path__ if parent else None
    except (ImportError, AttributeError):
        return []
    return [found.name for found in pkgutil.iter_modules(path)]


def _near(name: str, known: list[str], otherwise: str, parent: str = "") -> str:
    near = get_close_matches(name, known, n=1, cutoff=0.7)
    if not near:
        return f": {otherwise}"
    return f": did you mean {parent}.{near[0]}?" if parent else f": did you mean {near[0]}?"
