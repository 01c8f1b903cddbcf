"""What the subscription receives, by its shape: for ``tail --raw-shape``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from . import output
from .daemon import Daemon
from .streams import follow

PREAMBLE = (
    "Keys and types of what is received from now on, never values. A key is shown where it is known"
    " or reads like an identifier of 40 characters at most; others are counted as hidden, for a key"
    " could be a code."
)
MEANS = {
    "yes": "understood",
    "handed_on": "for a handler",
    "no_event": "no event",
    "other_event": "another event's name",
    "other_namespace": "another namespace",
}


def watch(daemon: Daemon, as_json: bool) -> None:
    """Until interrupted."""
    click.echo(PREAMBLE, err=True)
    for _, name, told in follow(daemon, "/v1/shapes", {}):
        if as_json:
            output.write_json({"event": name, **told})
        elif name == "missed":
            output.write_line(f"… {told['count']} more came too fast to be looked into")
        else:
            output.write_line(line(told))


def line(told: Mapping[str, Any]) -> str:
    """For people: when, whether it is understood, what it is, and its shape."""
    understood = str(told["understood"])
    word = MEANS.get(understood, f"not understood: {understood}")
    style = {"yes": "green", "handed_on": "green", "no_event": "dim"}.get(understood, "yellow")
    parts = [
        output.styled(output.moment(told["at"])[11:], "dim"),
        output.styled(f"{word:<20}", style),
        output.styled(output.plain(_what(told)), "bold"),
        output.plain(told["text"]),
    ]
    return "  ".join(part for part in parts if part).rstrip()


def _what(told: Mapping[str, Any]) -> str:
    """``cv_updated in /``, or the packet's kind."""
    if told["kind"] != "event":
        namespace = told["namespace"]
        within = f" in {namespace}" if namespace not in (None, "/") else ""
        return f"({told['kind'].replace('_', ' ')}, {told['size']} bytes{within})"
    name = told["name"] or "(name hidden)"
    extras = [
        f"in {told['namespace'] or '(namespace hidden)'}",
        "wants an ack" if told["wants_ack"] else "",
        f"{told['attachments']} attachments" if told["attachments"] else "",
    ]
    return f"{name} {', '.join(extra for extra in extras if extra)}"
