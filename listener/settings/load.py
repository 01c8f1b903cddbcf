"""Reading the settings: the environment first, then the folder of credentials, then ``.env``; every
mistake is told, at once."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path

from dotenv.parser import parse_stream
from dotenv.variables import parse_variables
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from listener.core.errors import SettingsInvalid
from listener.core.view import OUTCOME_VARIABLES

from .credentials import credentials, folder_of
from .model import Group, Known, Settings, default_state_dir, known_settings

PREFIX = "CV_"
IGNORED = "CV_LISTENER_"
"""Kubernetes injects such names for a service called cv-listener."""

TOLD = frozenset(OUTCOME_VARIABLES.values())
"""Names that a program finds which is run on an outcome, and which may call us in its turn."""

RESERVED = {
    "CV_JOURNAL_URL": "the journal is SQLite, in CV_STATE_DIR",
    "CV_RATE_LIMIT": "CV_MAX_IN_FLIGHT bounds what is sent at one time",
}
"""Names of what is to come, and what there is meanwhile."""

AS_IT_IS = {"CV_JOURNAL_URL": ("sqlite", "sqlite:", "sqlite://")}
"""Values of reserved names that ask for nothing but what there is. To be empty asks for nothing."""

LONGEST_SHOWN = 80


class Source(StrEnum):
    """Where a setting's value comes from."""

    ENVIRONMENT = "environment"
    CREDENTIAL = "credential"
    DOTENV = ".env"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Described:
    """One setting as it is now. ``value``: as one writes it, of a secret only that it is there, of
    a default that depends on the place in words what on; empty for none."""

    name: str
    group: Group
    value: str
    source: Source


@dataclass(frozen=True, slots=True)
class Reading:
    """The settings, and where each comes from, by name."""

    settings: Settings
    sources: Mapping[str, Source]

    def describe(self) -> tuple[Described, ...]:
        """Every setting, in order."""
        return tuple(self._described(known) for known in known_settings())

    def _described(self, known: Known) -> Described:
        source = self.sources[known.name]
        value = known.form.show(getattr(self.settings, known.field))
        if source is Source.DEFAULT:
            value = value or known.otherwise
        return Described(known.name, known.group, value, source)


def load(environ: Mapping[str, str] | None = None, dotenv: Path | None = Path(".env")) -> Settings:
    """The settings of ``environ`` (None: the process's), below it those of the folder that it names
    in ``CREDENTIALS_DIRECTORY``, and below that those of ``dotenv``. Neither need exist. An empty
    value counts as not set, but where it says that it is one.

    Raises SettingsInvalid with a line for each mistake: the name, what was expected, what was found
    (never of a secret), what to do.
    """
    return read(environ, dotenv).settings


def read(environ: Mapping[str, str] | None = None, dotenv: Path | None = Path(".env")) -> Reading:
    """As :func:`load`, and where each comes from."""
    process = os.environ if environ is None else environ
    file, wrong = ({}, []) if dotenv is None else _read_dotenv(dotenv, process)
    kept, unread = credentials(process)
    wrong += unread
    known = {setting.name: setting for setting in known_settings()}
    # One that is empty is not set, and hides none that is.
    file, kept, own = (_set(names, known) for names in (file, kept, process))
    found = {**file, **kept, **own}
    where = {
        name: "" if name in own else f" in {folder_of(process) if name in kept else dotenv}"
        for name in found
    }
    wrong += [
        _unknown(name, where[name], known)
        for name, value in found.items()
        if name not in known and not _asks_for_nothing(name, value)
    ]
    given = {name: value for name, value in found.items() if name in known}
    if "CV_STATE_DIR" not in given:
        wrong += _homeless(process)
    settings: Settings | None = None
    try:
        settings = _build(given, environ)
    except ValidationError as error:
        # Out of this block, so that no value hangs on as the context of what is raised.
        details = error.errors(include_url=False, include_input=False)
        wrong += [line for detail in details for line in _lines(detail, known, given, where)]
    if settings is None or wrong:
        raise SettingsInvalid("\n".join(wrong))
    return Reading(settings, {name: _source(name, given, own, kept) for name in known})


def _build(texts: Mapping[str, str], environ: Mapping[str, str] | None) -> Settings:
    """``environ``: where the default of the state folder comes from, if not from the process."""
    values: dict[str, object] = dict(texts)
    if "CV_STATE_DIR" not in values and _homeless(os.environ if environ is None else environ):
        # It is told of already, and is not to keep the other mistakes from being found.
        values["CV_STATE_DIR"] = Path.cwd()
    elif "CV_STATE_DIR" not in values and environ is not None:
        values["CV_STATE_DIR"] = default_state_dir(environ)
    return Settings.model_validate(values)


def _homeless(environ: Mapping[str, str]) -> list[str]:
    """What is to be told where there is no folder to keep state in."""
    try:
        default_state_dir(environ)
    except SettingsInvalid as error:
        return [str(error)]
    return []


def _source(
    name: str, given: Mapping[str, str], process: Mapping[str, str], kept: Mapping[str, str]
) -> Source:
    if name not in given:
        return Source.DEFAULT
    if name in process:
        return Source.ENVIRONMENT
    return Source.CREDENTIAL if name in kept else Source.DOTENV


def _asks_for_nothing(name: str, value: str) -> bool:
    return name in RESERVED and (not value or value in AS_IT_IS.get(name, ()))


def _ours(names: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in names.items()
        if name.startswith(PREFIX) and not name.startswith(IGNORED) and name not in TOLD
    }


def _set(names: Mapping[str, str], known: Mapping[str, Known]) -> dict[str, str]:
    """Ours of these, without those of settings that are empty, save where that is a value."""
    return {
        name: value
        for name, value in _ours(names).items()
        if value or name not in known or known[name].form.empty
    }


def _read_dotenv(path: Path, process: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Names and values of a file, and what is wrong with it; ``${NAME}`` in a value is another
    variable."""
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return {}, []
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        return {}, [
            f"{path}: expected a file of NAME=value lines, found that it cannot be read ({why}):"
            " mend it, or take it away"
        ]
    values: dict[str, str] = {}
    wrong = []
    for binding in parse_stream(io.StringIO(text)):
        if binding.error or (binding.key is not None and binding.value is None):
            wrong.append(
                f"{path}, line {binding.original.line}: expected NAME=value, found something else:"
                " mend the line, or begin it with #"
            )
        elif binding.key is not None and binding.value is not None:
            known = {**process, **values}
            values[binding.key] = "".join(a.resolve(known) for a in parse_variables(binding.value))
    return values, wrong


def _unknown(name: str, where: str, known: Mapping[str, Known]) -> str:
    if name in RESERVED:
        return (
            f"{name}: not supported in this version, found it set{where}: take it out;"
            f" {RESERVED[name]}"
        )
    near = get_close_matches(name, [*known, *RESERVED], n=1, cutoff=0.7)
    advice = f"did you mean {near[0]}?" if near else "see docs/configuration.md"
    return f"{_shown(name)}: expected the name of a setting, found an unknown one{where}: {advice}"


def _lines(
    detail: ErrorDetails,
    known: Mapping[str, Known],
    given: Mapping[str, str],
    where: Mapping[str, str],
) -> Iterator[str]:
    """What is told of one of pydantic's errors."""
    if detail["type"] == "default_factory_not_called":
        # Its own mistake is told where it was made.
        return
    said = str(detail.get("ctx", {}).get("error", ""))
    if not detail["loc"]:
        yield from said.splitlines()
        return
    setting = known[str(detail["loc"][0])]
    name = setting.name
    value = given.get(name, "")
    # A URL's query is where some put a key.
    secret = setting.form.secret or re.search(
        "[@?#]" if setting.field.endswith("_url") else "@", value
    )
    found = "something else (not shown: it may be secret)" if secret else f"'{_shown(value)}'"
    default = setting.default or setting.otherwise or "none"
    yield (
        f"{name}: expected {said or setting.form.expected}, found {found}{where.get(name, '')}:"
        f" mend it, as in {name}={setting.form.example}, or leave it out (default: {default})"
    )


def _shown(text: str) -> str:
    """Short, and without anything that steers a terminal."""
    short = text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 1] + "…"
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in short)
