"""Functions of the user's, which settings name as ``package.module:function``."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from listener.core.errors import SettingsInvalid

PATTERN = r"[A-Za-z_][\w.]*:[A-Za-z_]\w*"


@dataclass(frozen=True, slots=True)
class Named:
    """A function by its name, as far as its form tells: a password with a colon looks like one."""

    name: str = field(repr=False)


def or_named(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A reader that takes a function's name, too."""

    def either(value: Any) -> Any:
        if isinstance(value, str) and re.fullmatch(PATTERN, value):
            return Named(value)
        return value if isinstance(value, Named) else read(value)

    return either


def imported(
    setting: str, name: str, *, otherwise: str, secret: bool = False
) -> Callable[..., Any]:
    """The function of that name. ``otherwise``: what the setting may be instead.

    Raises SettingsInvalid where there is none; of a ``secret`` setting it tells no name.
    """
    shown = "one (not shown: it may be secret)" if secret else repr(name)
    module, _, attribute = name.partition(":")
    try:
        found: Any = getattr(importlib.import_module(module), attribute)
        if not callable(found):
            raise TypeError("not callable")
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        raise SettingsInvalid(
            f"{setting}: expected {otherwise} or the name of a function as "
            f"package.module:function, found {shown}, which cannot be loaded "
            f"({type(error).__name__}): see that it is installed and spelled so"
        ) from (None if secret else error)
    return found  # type: ignore[no-any-return]  # it was asked whether it can be called
