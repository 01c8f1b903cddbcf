"""Reading the settings: the environment first, then ``.env``; every mistake is told, at once."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path

from dotenv.parser import parse_stream
from dotenv.variables import parse_variables
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from listener.core.errors import SettingsInvalid

from .model import Known, Settings, default_state_dir, known_settings

PREFIX = "CV_"
IGNORED = "CV_LISTENER_"
"""Kubernetes injects such names for a service called cv-listener."""

RESERVED = {
    "CV_JOURNAL_URL": "the journal is SQLite, in CV_STATE_DIR",
    "CV_SPOOL_WATCH": "submit files by HTTP or with 'cv-listener submit'",
    "CV_RATE_LIMIT": "CV_MAX_IN_FLIGHT bounds what is sent at one time",
}
"""Names of what is to come, and what there is meanwhile."""

LONGEST_SHOWN = 80


def load(env: Mapping[str, str] | None = None, dotenv: Path | None = Path(".env")) -> Settings:
    """The settings of ``env`` (None: the process's environment), and below it those of ``dotenv``,
    which need not exist. An empty value counts as not set.

    Raises SettingsInvalid with a line for each mistake: the name, what was expected, what was found
    (never of a secret), what to do.
    """
    process = os.environ if env is None else env
    file = {} if dotenv is None else _read_dotenv(dotenv, process)
    found = {**_ours(file), **_ours(process)}
    given = {name: value for name, value in found.items() if value}
    known = {setting.name: setting for setting in known_settings()}
    where = {name: "" if name in process else f" in {dotenv}" for name in found}
    wrong = [_unknown(name, where[name], known) for name in found if name not in known]
    valid = {name: value for name, value in given.items() if name in known}
    settings: Settings | None = None
    try:
        settings = _build(valid, process if env is not None else None)
    except ValidationError as error:
        # Out of this block, so that no value hangs on as the context of what is raised.
        details = error.errors(include_url=False, include_input=False)
        wrong += [line for detail in details for line in _lines(detail, known, given, where)]
    if settings is None or wrong:
        raise SettingsInvalid("\n".join(wrong))
    return settings


def _build(texts: Mapping[str, str], env: Mapping[str, str] | None) -> Settings:
    """``env``: where the default of the state folder comes from, if not from the process."""
    values: dict[str, object] = dict(texts)
    if env is not None and "CV_STATE_DIR" not in values:
        values["CV_STATE_DIR"] = default_state_dir(env)
    return Settings.model_validate(values)


def _ours(names: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in names.items()
        if name.startswith(PREFIX) and not name.startswith(IGNORED)
    }


def _read_dotenv(path: Path, process: Mapping[str, str]) -> dict[str, str]:
    """Names and values of a file; ``${NAME}`` in a value is another variable."""
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SettingsInvalid(
            f"{path}: expected a file of NAME=value lines, found that it cannot be read ({why}):"
            " mend it, or take it away"
        ) from None
    values: dict[str, str] = {}
    for binding in parse_stream(io.StringIO(text)):
        if binding.error or (binding.key is not None and binding.value is None):
            raise SettingsInvalid(
                f"{path}, line {binding.original.line}: expected NAME=value, found something else:"
                " mend the line, or begin it with #"
            )
        if binding.key is not None and binding.value is not None:
            known = {**process, **values}
            values[binding.key] = "".join(a.resolve(known) for a in parse_variables(binding.value))
    return values


def _unknown(name: str, where: str, known: Mapping[str, Known]) -> str:
    if name in RESERVED:
        return (
            f"{name}: not supported yet in this version, found it set{where}: take it out;"
            f" {RESERVED[name]}"
        )
    near = get_close_matches(name, [*known, *RESERVED], n=1, cutoff=0.75)
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
    secret = setting.form.secret or "@" in value
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
