"""The page of settings and ``.env.example``: written from the model, so that they cannot differ."""

from __future__ import annotations

import textwrap

from listener.settings import RESERVED, Group, Known, known_settings

INTRODUCTION = """\
<!-- Generated from listener/settings/model.py by `make docs`: change that, not this page. -->

# Settings

Every setting is a variable of the environment, or a file of that name in the folder that
`CREDENTIALS_DIRECTORY` names (systemd's credentials, a container's mounted secrets), or a line of
the file `.env` in the working folder; where a name stands in several, the first of these wins. An
empty value counts as not set there, but for `CV_ENQUIRIES`, where it means none.
[.env.example](../.env.example) has all of them to copy from.

Durations are seconds, or a number with `ms`, `s`, `m`, `h` or `d`; the Python client `CVService`,
which reads its three settings for itself, from the environment and `.env` alone, takes them so,
too. Sizes are bytes, or a number with `KiB`, `MiB` or `GiB`. Lists have commas between. JSON is
written in one line, `CV_API_HEADERS={"Authorization": "Bearer ..."}`; in `.env`, put it in single
quotes. A function is named as `package.module:function`, and stands wherever Python finds it
(`PYTHONPATH` adds folders); one that makes credentials returns the object that the setting would
have been.

A setting that does not hold, and a name that begins with `CV_` and is none of these, is an error
that says what was expected: nothing starts (exit status 78). Names that begin with `CV_LISTENER_`,
which Kubernetes makes up for a service called so, are not looked at. Secrets are shown nowhere.
"""

RESERVED_HEADING = """\
## Not yet

These names are kept for what is to come ([why not yet, and what one goes
without](decisions/0018-sqlite-alone-first.md)). To set one is an error for now, unless to nothing,
or `CV_JOURNAL_URL` to `sqlite`.
"""

EXAMPLE_HEAD = """\
# cv-listener's settings, each with its default. Copy this file to .env and take the # from what you
# change. Generated from listener/settings/model.py by `make docs`; docs/configuration.md says more.
"""


def page() -> str:
    """A table of settings for each group."""
    parts = [INTRODUCTION]
    for group in Group:
        rows = [_row(known) for known in known_settings() if known.group is group]
        head = "| setting | default | what it is | expected |\n|---|---|---|---|"
        parts.append("\n".join([f"## {group.value}\n", head, *rows, ""]))
    instead = [f"- `{name}`. Meanwhile {words}." for name, words in RESERVED.items()]
    return "\n".join([*parts, RESERVED_HEADING, *instead, ""])


def _row(known: Known) -> str:
    return f"| `{known.name}` | {_default(known)} | {known.meaning} | {known.form.expected} |"


def _default(known: Known) -> str:
    if known.otherwise:
        return known.otherwise
    return f"`{known.default}`" if known.default else "none"


def env_example() -> str:
    """Every setting, commented out, with its default; where there is none, with an example."""
    parts = [EXAMPLE_HEAD]
    for group in Group:
        parts.append(f"# ---- {group.value} ----\n")
        parts += [_example(known) for known in known_settings() if known.group is group]
    return "\n".join(parts)


def _example(known: Known) -> str:
    words = f"{known.meaning} Expected: {known.form.expected}."
    if not known.default:
        words += f" Default: {known.otherwise or 'none'}."
    value = known.default or known.form.example
    if '"' in value:
        value = f"'{value}'"
    about = textwrap.wrap(words.replace("`", ""), 96)
    return "\n".join([*(f"# {line}" for line in about), f"#{known.name}={value}", ""])
