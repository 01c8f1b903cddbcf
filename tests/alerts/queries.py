"""The metrics that a query in PromQL asks for."""

from __future__ import annotations

import re

from listener.adapters.metrics.table import GROUPS, Kind

_NAME = re.compile(r"\bcv_listener_\w+")
_WORD = re.compile(r'(\w+)\s*(=~|=|!=|!~)\s*"([^"]*)"')
_PARTS = {Kind.HISTOGRAM: ("_bucket", "_sum", "_count")}


def known() -> dict[str, dict[str, tuple[str, ...]]]:
    """Each name as it stands in a query → its labels, each with its words."""
    found = {}
    for specs in GROUPS.values():
        for spec in specs:
            labels = {label.name: label.words for label in spec.labels}
            for part in _PARTS.get(spec.kind, ("",)):
                found[spec.full_name + part] = labels | ({"le": ()} if part == "_bucket" else {})
    return found


def strange(query: str) -> list[str]:
    """What in a query is no metric, no label of it, or no word of that label."""
    names = known()
    wrong = [name for name in _NAME.findall(query) if name not in names]
    for name, inside in re.findall(r"\b(cv_listener_\w+)\{([^}]*)\}", query):
        for label, _, value in _WORD.findall(inside):
            words = names.get(name, {}).get(label)
            if label in ("instance", "job"):
                continue
            if words is None:
                wrong.append(f"{name} has no label {label}")
            elif words and "$" not in value and not set(value.split("|")) <= set(words):
                wrong.append(f"{name}'s {label} says no {value}")
    return wrong
