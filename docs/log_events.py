"""The page of log events: written from the catalogue, which every emitted line is held against."""

from __future__ import annotations

from listener.core import reasons
from listener.core.catalogue import CATALOGUE_VERSION, GROUPS
from listener.core.event_spec import EventSpec, Level
from listener.core.log_fields import (
    ALWAYS,
    ANYWHERE,
    FIELDS,
)
from listener.core.log_kinds import KINDS

INTRODUCTION = f"""\
<!-- Generated from listener/core/catalogue.py, log_fields.py and reasons.py by `make docs`: change
those, not this page. -->

# Log events

The daemon writes its log to stdout: one JSON object a line, in UTF-8, each of 16 KiB at most (on a
terminal, lines for people; `CV_LOG_FORMAT` says which). `event` names what happened; what is
written is in this catalogue, version {CATALOGUE_VERSION}, which stands in every line as `v`: it
grows when an event or a field goes or changes its meaning, not when one is added.

A `cv_code` stands in no line. `cv_ref` stands for it: the same in all lines, and no way back
without the installation's key. Text that others wrote (`error`, `message`, `trace`) has passed
through redaction: `…` stands for what was taken out.

Writing never makes the daemon wait. Where nobody reads the log, DEBUG and INFO lines are dropped
first, and `log.dropped` counts what was.

## Levels

| level | means |
|---|---|
| `debug` | detail, off by default (`CV_LOG_LEVEL`) |
| `info` | a change of state |
| `warning` | heals itself: watch the rate |
| `error` | one submission, or one thing, needs a person |
| `critical` | the daemon cannot keep its promise |

A line of `warning` and above says in `hint` what to do, and in `runbook` where in
[the runbook](runbook.md) there is more.
"""

REASONS_HEADING = """\
## Reasons

What the stable words mean that say why. Where a word has something to do of its own, that is the
`hint` of its line; otherwise it is what its event says above. `http_4xx` and the like stand for
those statuses that have no word of their own.
"""

FIELDS_HEADING = """\
## Fields

Fields that are unknown, or do not apply, are left out. Durations end in `_ms`, milliseconds;
points in time are RFC 3339, UTC.
"""


def page() -> str:
    """Levels, what every line has, each event, each field."""
    always = ", ".join(f"`{name}`" for name in ALWAYS)
    anywhere = ", ".join(f"`{name}`" for name in ANYWHERE)
    parts = [
        INTRODUCTION,
        "## In every line\n",
        f"{always}; and where there is reason for it {anywhere}.\n",
        *(_group(title, specs) for title, specs in GROUPS.items()),
        REASONS_HEADING,
        *(_reasons(title, where, words) for title, (where, words) in reasons.GROUPS.items()),
        FIELDS_HEADING,
        "| field | type and unit | means |\n|---|---|---|",
        *(f"| `{name}` | {KINDS[name]} | {meaning} |" for name, meaning in FIELDS.items()),
        "",
    ]
    return "\n".join(parts)


def _group(title: str, specs: tuple[EventSpec, ...]) -> str:
    return "\n".join([f"## {title}\n", *(_event(spec) for spec in specs)])


def _reasons(title: str, where: str, words: reasons.Words) -> str:
    rows = [
        f"| `{word}` | {reason.meaning} | {reason.what_to_do} |" for word, reason in words.items()
    ]
    head = "| word | means | what to do |\n|---|---|---|"
    return "\n".join([f"### {title}\n", f"Stands in {where}.\n", head, *rows, ""])


def _event(spec: EventSpec) -> str:
    parts = [f"### `{spec.name}`\n", f"{_level(spec)}. {spec.meaning}\n"]
    if spec.fields:
        parts.append("Fields: " + ", ".join(f"`{name}`" for name in spec.fields) + ".\n")
    if spec.limited_by:
        alike = ", ".join(f"`{name}`" for name in spec.limited_by)
        parts.append(
            f"Of lines that are alike ({alike}), ten a minute are written; `suppressed` of the next"
            " one counts the others.\n"
        )
    if spec.what_to_do:
        loud = spec.levels() - {Level.DEBUG, Level.INFO}
        more = f" [More](runbook.md#{spec.name.replace('.', '')})." if loud else ""
        parts.append(f"What to do: {spec.what_to_do}{more}\n")
    return "\n".join(parts)


def _level(spec: EventSpec) -> str:
    if spec.levels_by is None:
        return f"**{spec.level.value}**"
    field, levels = spec.levels_by
    others = [
        f"**{level.value}** where `{field}` is "
        + ", ".join(v for v, one in levels.items() if one is level)
        for level in Level
        if level in levels.values()
    ]
    return f"**{spec.level.value}**; " + "; ".join(others)
