"""How each kind of setting is written, read, and shown again.

A reader takes the text of the environment, or a plain value from Python, and raises ValueError with
what it expected; what was found is added by :mod:`.load`, for it may be a secret.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, cast
from urllib.parse import SplitResult, urlsplit

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

_UNITS = {"": 1, "b": 1, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30}
_SIZE = re.compile(r"([0-9]+)\s*([a-z]*)", re.IGNORECASE)
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
SCOPES = ("read", "submit", "admin")


@dataclass(frozen=True, slots=True)
class ConnectEmit:
    """An emit to send once connected. ``ack_timeout_s``: how long the server may take to
    acknowledge it; None: it is not asked to."""

    event: str
    args: tuple[object, ...] = field(default=(), repr=False)
    ack_timeout_s: float | None = 10.0


@dataclass(frozen=True, slots=True)
class Form:
    """A kind of setting. ``expected`` completes "expected …"; ``secret``: never shown."""

    expected: str
    example: str
    read: Callable[[Any], Any]
    secret: bool = False

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self.read, handler(source))

    def show(self, value: object) -> str:
        """As one would write it into .env; a secret is only told to be there."""
        if value is None:
            return ""
        if self.secret:
            return "(secret)"
        return _show_size(value) if self.read is read_size else _show(value)


def _show(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"{value:.15g}"
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ",".join(_show(item) for item in value)
    return str(value)


def _show_size(value: object) -> str:
    size = cast(int, value)
    for unit in ("GiB", "MiB", "KiB"):
        if size % _UNITS[unit.lower()] == 0:
            return f"{size // _UNITS[unit.lower()]}{unit}"
    return str(size)


def number(
    value: Any, kind: type[float] | type[int], least: float, most: float, *, above: bool = False
) -> Any:
    """``value`` as a number within bounds; ``above``: the lower one excluded."""
    if isinstance(value, str):
        try:
            value = kind(value)
        except ValueError:
            raise ValueError from None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    # Written so that "not a number" fails it.
    if not least <= value <= most or (above and value == least):
        raise ValueError
    return value


def read_seconds(value: Any) -> Any:
    """Above 0, and a hundred years at most, which no clock overflows with."""
    return number(value, float, 0, 100 * 365 * 86_400, above=True)


def read_size(value: Any) -> Any:
    """Bytes, with a binary unit or none."""
    if isinstance(value, str):
        found = _SIZE.fullmatch(value.strip())
        if found is None or found[2].lower() not in _UNITS:
            raise ValueError
        value = int(found[1]) * _UNITS[found[2].lower()]
    return number(value, int, 1, 1 << 50)


def whole(least: int, most: int) -> Callable[[Any], Any]:
    """A reader of whole numbers within bounds."""
    return lambda value: number(value, int, least, most)


def read_switch(value: Any) -> Any:
    """On or off, in the usual words."""
    if not isinstance(value, str):
        return value
    words = {"on": True, "true": True, "yes": True, "1": True}
    words |= {"off": False, "false": False, "no": False, "0": False}
    if value.lower() not in words:
        raise ValueError
    return words[value.lower()]


def one_of(*words: str) -> Callable[[Any], Any]:
    """A reader of one of some words, in any case."""

    def read(value: Any) -> Any:
        if isinstance(value, str):
            value = value.lower() if not isinstance(value, Enum) else value
            if value not in words:
                raise ValueError
        return value

    return read


def matching(pattern: str) -> Callable[[Any], Any]:
    """A reader of text that matches as a whole."""

    def read(value: Any) -> Any:
        if isinstance(value, str) and re.fullmatch(pattern, value) is None:
            raise ValueError
        return value

    return read


def list_of(read_one: Callable[[Any], Any], *, rising: bool = False) -> Callable[[Any], Any]:
    """A reader of a list with commas, without repetition. ``rising``: in order."""

    def read(value: Any) -> Any:
        if isinstance(value, str):
            value = tuple(item.strip() for item in value.split(","))
        if isinstance(value, Sequence):
            value = tuple(read_one(item) for item in value)
            if (
                not value
                or len(set(value)) < len(value)
                or (rising and list(value) != sorted(value))
            ):
                raise ValueError
        return value

    return read


def _split(value: str) -> SplitResult:
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise ValueError from None
    if not parts.hostname or port == 0 or not value.isprintable() or " " in value:
        raise ValueError
    return parts


def url(*schemes: str, path_belongs: str = "", credentials: bool = False) -> Callable[[Any], Any]:
    """A reader of URLs without query and fragment. ``path_belongs``: where its path is to stand
    instead."""

    def read(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        parts = _split(value)
        if parts.scheme not in schemes or parts.query or parts.fragment:
            raise ValueError
        if not credentials and (parts.username or parts.password):
            raise ValueError("a URL without credentials: they belong into headers or auth")
        if path_belongs and parts.path not in ("", "/"):
            raise ValueError(f"a URL without a path: it belongs {path_belongs}")
        return value

    return read


def origin(base_url: str) -> str:
    """Scheme, host and port alone."""
    parts = urlsplit(base_url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def read_folder(value: Any) -> Any:
    """A path, absolute from here on; ``~`` is the home folder."""
    if isinstance(value, str | Path):
        try:
            return Path(value).expanduser().absolute()
        except (RuntimeError, ValueError):
            raise ValueError from None
    return value


def read_ca_file(value: Any) -> Any:
    """A path to certificates that can be read now."""
    path = read_folder(value)
    if isinstance(path, Path):
        try:
            found = b"-----BEGIN " in path.read_bytes()
        except OSError as error:
            raise ValueError(
                f"a file of certificates (PEM), which could not be read: {error.strerror}"
            ) from None
        if not found:
            raise ValueError("a file of certificates (PEM), and there is none in it")
    return path


def _object(value: Any) -> Any:
    """A JSON object's mapping, from text."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            # Out here nothing of the text may hang on as a context.
            value = None
        if not isinstance(value, dict):
            raise ValueError  # noqa: TRY004 - pydantic takes a ValueError for a wrong value
    return value


def read_object(value: Any) -> Any:
    """Any JSON object."""
    return _object(value)


def read_headers(value: Any) -> Any:
    """A JSON object of header names and values."""
    value = _object(value)
    if isinstance(value, Mapping):
        for name, text in value.items():
            if not isinstance(name, str) or _HEADER_NAME.fullmatch(name) is None:
                raise ValueError("a JSON object whose keys are header names")
            if not isinstance(text, str) or _HEADER_VALUE.fullmatch(text) is None:
                raise ValueError(
                    "a JSON object whose values are header values: texts without line breaks"
                )
    return value


def read_texts(value: Any) -> Any:
    """A JSON object of texts; a number is taken as it is written."""
    value = _object(value)
    if isinstance(value, Mapping):
        if any(isinstance(item, bool | list | dict) or item is None for item in value.values()):
            raise ValueError
        return {str(name): str(item) for name, item in value.items()}
    return value


def read_token(value: Any) -> Any:
    """A bearer token that a header can carry."""
    if isinstance(value, str) and (len(value) < 8 or _TOKEN.fullmatch(value) is None):
        raise ValueError
    return value


def read_tokens(value: Any) -> Any:
    """From scope → token or tokens, to token → scope."""
    value = _object(value)
    if not isinstance(value, Mapping):
        return value
    found: dict[str, str] = {}
    for scope, tokens in value.items():
        if scope not in SCOPES:
            raise ValueError("a JSON object whose keys are read, submit or admin")
        for token in tokens if isinstance(tokens, list) else [tokens]:
            if not isinstance(token, str) or token in found:
                raise ValueError("a JSON object of tokens, none of which stands twice")
            read_token(token)
            found[token] = scope
    if not found:
        raise ValueError
    return found


def read_emits(value: Any) -> Any:
    """A JSON list of emits: a name, ``[name, args…]``, or an object with ``ack_timeout``."""
    if not isinstance(value, str):
        return value
    try:
        items = json.loads(value)
    except (ValueError, RecursionError):
        items = None
    if not isinstance(items, list):
        raise ValueError  # noqa: TRY004 - pydantic takes a ValueError for a wrong value
    return tuple(_emit(item) for item in items)


def _emit(item: object) -> ConnectEmit:
    if isinstance(item, str):
        item = [item]
    if isinstance(item, list) and item:
        item = {"event": item[0], "args": item[1:]}
    if not isinstance(item, dict) or not set(item) <= {"event", "args", "ack_timeout"}:
        raise ValueError
    event, args, wait = item.get("event"), item.get("args", []), item.get("ack_timeout", 10.0)
    if not isinstance(event, str) or not event or not isinstance(args, list):
        raise ValueError
    if wait is not None:
        wait = read_seconds(wait)
        if isinstance(wait, bool) or not isinstance(wait, int | float):
            raise ValueError
    return ConnectEmit(event, tuple(args), None if wait is None else float(wait))
