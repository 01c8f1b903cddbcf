"""The page of states: drawn from the core's table, so that it cannot tell otherwise."""

from __future__ import annotations

from listener.core.inputs import Input
from listener.core.names import State
from listener.core.transitions import TABLE

INTRODUCTION = """\
<!-- Generated from listener/core/transitions.py by `make docs`: change that, not this page. -->

# States

A submission is in one of five states. Where it is says nothing of how it ended: that is its
[outcome](../README.md#outcomes). Arrows are labelled with the inputs that may lead from one state
to the other; which of them is taken is decided by the rules, from what is known at that moment.
"""

REMARKS = """\
`queued` can be reached again after a send that provably did not reach the upstream, or was
throttled, and after an enquiry that found the record unmoved. A submission found `sending` at a
restart is possibly sent. `closed` is left by nothing: a later truth corrects the outcome under the
same id, with a higher version.
"""


def page() -> str:
    """The diagram of changes of state, and the whole table below it."""
    return "\n".join([INTRODUCTION, _diagram(), "", REMARKS, _table(), ""])


def _diagram() -> str:
    edges: dict[tuple[str, str], list[str]] = {}
    for (before, given), afters in TABLE.items():
        for after in afters - {before}:
            edge = (before.value if before else "[*]", after.value)
            edges.setdefault(edge, []).append(given.__name__)
    order = ["[*]", *State]
    lines = [
        f"    {before} --> {after}: {', '.join(edges[before, after])}"
        for before, after in sorted(edges, key=lambda edge: [order.index(state) for state in edge])
    ]
    return "\n".join(["```mermaid", "stateDiagram-v2", *lines, "    closed --> [*]", "```"])


def _table() -> str:
    inputs: dict[type[Input], None] = {given: None for _, given in TABLE}
    head = ["| input | " + " | ".join(["(new)", *State]) + " |", "|---" * (len(State) + 2) + "|"]
    rows = [
        f"| `{given.__name__}` | "
        + " | ".join(_cell(before, given) for before in (None, *State))
        + " |"
        for given in inputs
    ]
    return "\n".join(["What each input may lead to, by the state before it:", "", *head, *rows])


def _cell(before: State | None, given: type[Input]) -> str:
    afters = TABLE.get((before, given), frozenset())
    return ", ".join(state for state in State if state in afters)
