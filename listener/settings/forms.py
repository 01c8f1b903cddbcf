"""How each kind of setting is written, read, and shown again.

A reader takes the text of the environment, or a plain value from Python, and raises ValueError with
what it expected; what was found is added by :mod:`.load`, for it may be a secret.
"""

from __future__ import annotations

import base64
import re
import shlex
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, cast
from urllib.parse import SplitResult, urlsplit

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from listener.core.seconds import LEAST_S, LONGEST_S, read_duration

_SIZES = {"": 1, "b": 1, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30}
_SIZE = re.compile(r"([0-9]{1,16})\s*([a-z]*)", re.IGNORECASE)
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")


@dataclass(frozen=True, slots=True)
class Form:
    """A kind of setting. ``expected`` completes "expected …"; ``secret``: never shown;
    ``empty``: an empty text is a value of it, and not the lack of one."""

    expected: str
    example: str
    read: Callable[[Any], Any]
    secret: bool = False
    empty: bool = False

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self.read, handler(source))

    def show(self, value: object) -> str:
        """As one would write it into .env; a secret is only told to be there."""
        if value is None or value == ():
            return ""
        if self.secret:
            return "(secret)"
        if self.read is read_command:
            return shlex.join(cast(Sequence[str], value))
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
        if size % _SIZES[unit.lower()] == 0:
            return f"{size // _SIZES[unit.lower()]}{unit}"
    return str(size)


def _within(value: Any, least: float, most: float) -> Any:
    """A number within bounds; what is no number is left to the model."""
    # Written so that "not a number" fails it.
    if _is_number(value) and not least <= value <= most:
        raise ValueError
    return value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def read_seconds(value: Any) -> Any:
    """Seconds, or a number with a unit."""
    if isinstance(value, str):
        value = read_duration(value)
    return _within(value, LEAST_S, LONGEST_S)


def read_period(value: Any) -> Any:
    """As seconds, or 0 for none."""
    if value == "0" or (_is_number(value) and value == 0):
        return 0.0
    return read_seconds(value)


def read_size(value: Any) -> Any:
    """Bytes, with a binary unit or none."""
    if isinstance(value, str):
        found = _SIZE.fullmatch(value.strip())
        if found is None or found[2].lower() not in _SIZES:
            raise ValueError
        value = int(found[1]) * _SIZES[found[2].lower()]
    return _within(value, 1, 1 << 50)


def whole(least: int, most: int) -> Callable[[Any], Any]:
    """A reader of whole numbers within bounds."""

    def read(value: Any) -> Any:
        if isinstance(value, str):
            if re.fullmatch(r"[0-9]{1,16}", value) is None:
                raise ValueError
            value = int(value)
        return _within(value, least, most)

    return read


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


def list_of(
    read_one: Callable[[Any], Any], *, rising: bool = False, empty: bool = False
) -> Callable[[Any], Any]:
    """A reader of a list with commas, without repetition. ``rising``: in order; ``empty``: one
    without any is a list, too."""

    def read(value: Any) -> Any:
        if isinstance(value, str):
            value = tuple(item.strip() for item in value.split(",")) if value.strip() else ()
        if isinstance(value, Sequence):
            value = tuple(read_one(item) for item in value)
            again = len(set(value)) < len(value)
            if again or not (value or empty) or (rising and list(value) != sorted(value)):
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


def url(
    *schemes: str, path_belongs: str = "", credentials: bool = False, query: bool = False
) -> Callable[[Any], Any]:
    """A reader of URLs without a fragment. ``path_belongs``: where its path is to stand instead."""

    def read(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        parts = _split(value)
        if parts.scheme not in schemes or parts.fragment or (parts.query and not query):
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
        if "\0" in str(value):
            raise ValueError
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


def read_token(value: Any) -> Any:
    """A bearer token that a header can carry."""
    if isinstance(value, str) and (len(value) < 8 or _TOKEN.fullmatch(value) is None):
        raise ValueError
    return value


def read_webhook_secret(value: Any) -> Any:
    """As Standard Webhooks spells a symmetric secret."""
    if isinstance(value, str):
        prefix, _, text = value.partition("_")
        try:
            size = len(base64.b64decode(text, validate=True))
        except ValueError:
            raise ValueError from None
        if prefix != "whsec" or not 24 <= size <= 64:
            raise ValueError
    return value


def read_command(value: Any) -> Any:
    """A program that is there, and its arguments, by a shell's quoting; nothing else of a shell."""
    if isinstance(value, str):
        try:
            value = tuple(shlex.split(value))
        except ValueError:
            raise ValueError from None
    if isinstance(value, tuple):
        if not value or "\0" in "".join(value):
            raise ValueError
        if shutil.which(value[0]) is None:
            raise ValueError("a program, which is not there, or may not be run by this user")
    return value
