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


RULES = """\

## The rules

Which of a row's states is taken, the rules say. Most were found by exploring a small model of the
whole exhaustively; each closes a schedule that went wrong.

1. **Lanes.** All updates of one code form a lane, and one of them is in flight at a time. The
   others wait in order (`queue`), are refused (`reject`), or the newest replaces those of which
   no attempt was possibly sent (`coalesce`). After a close that leaves a question (any but an
   exclusive `confirmed`, where an attempt was possibly sent) the lane rests a settle period. An
   enquiry ends the rest, and may correct the outcome. It does not rest after one that is
   confirmed, was accepted from one attempt, and moved the record: nothing of it can come any more
   but an event.
2. **Matching.** An event can belong to a submission from the first `sending` of an attempt that
   was possibly sent, also while it is back in `queued`. Others are `foreign`. The order of
   receipt proves nothing: while an earlier submission of the lane is unresolved within its late
   window, or somebody else's update was seen (by its event, or by a record that moved without
   us), an event is `contended` at best. So it is where it may be an earlier update's that is told
   a second time: one that was confirmed less than a settle period before this one was sent, or
   confirmed at all, if we have connected since then, for a server may tell who connects of what
   has been. And it confirms none by itself that was not accepted, if the upstream could have
   another's to tell. An event of a code that has no lane is remembered for a settle period, in
   memory alone.
3. **Early events.** An event during `sending` is held until the attempt's end is committed.
   Accepted or possibly sent, it confirms. Not sent or throttled, it is an unresolved earlier
   submission's, or else foreign; where only `CV_NOT_APPLIED_STATUSES` says that it was not
   applied, it is a doubt, and the record decides. Refused, it is likewise an earlier one's, or
   else a contradiction: recorded, enquired of, never sent again. An event within a settle period
   after the refusal is the same, and corrects.
4. **Duplicates** are counted and never applied twice. A further event for a confirmed
   submission makes it `contended`, and the lane rests. Where an older one is unresolved, a
   second event answers that one instead: two events for two updates answer both, and which is
   whose nobody can know.
5. **Baseline.** The record is read right before `sending`. Every later reading is compared with
   the baseline of the first attempt possibly sent. "Unmoved" counts only on a field that
   changes with every update and is in both readings; without one nothing is ever sent again.
6. **Ends of a POST** are values: not sent and throttled go back to `queued`, refused is
   `rejected`, accepted is `awaiting`, all else is possibly sent and `in_doubt`.
7. **Listen first.** Sending waits until we listen, for a bounded time. The dispatcher does
   this; the core only accounts for the deafness.
8. **In doubt** waits for the event and enquires. After the settle period one last enquiry, and
   one more reading immediately before a resend: unmoved may be sent again, within attempts;
   unknown is enquired of again, with backoff, until given up; moved, or no attempts left,
   closes.
9. **Contention is looked at.** An event that may be another's, or does not confirm by itself, is
   kept as a candidate, and the record is read. Moved, or accepted without a baseline, it confirms,
   as `contended` where it may be another's; unmoved, it stays a candidate and is enquired of again
   until the deadline.
10. **Gaps.** After a gap each open submission, and the last one that is not confirmed within
    its late window, is enquired of. One that closed in the belief that we listened, and we did
    not, is corrected: `presumed` where the record is known to have moved, otherwise to a reason
    that says "deaf". While a replay may still come, no reading decides anything, for a bounded
    time.
11. **Deaf though connected.** An update that was applied while we listened, and whose event did
    not come, makes the subscription doubtful. A second connection is opened beside the first. An
    event that it alone hears proves the first one deaf: it is dropped, and to the core the time
    since its last event is a gap. Where the server ends the first one for the second, it stays
    open whether it was deaf, and it counts as having listened.
12. **Deadlines** count from the end of the attempt, and every wait has an end. Nothing closes
    or is sent again while an event of its code awaits correlation. A truth that comes later
    corrects.
13. **Cancel** takes effect at the attempt's end. Once possibly sent it only stops the watching:
    `unconfirmed`, and late events still correct.
14. **Restart.** Events without a disposition are correlated before anything else. What was
    `sending` is possibly sent. Settle periods begin anew, and nothing of the past may lie in
    the future: a clock set back or forward between two runs decides nothing.

## What no rule can close

`tests/core/exploration` plays an adversarial upstream, other people, crashes and every order of
timers against the core. The following schedules are admitted, by name, and counted; any other that
breaks a promise fails the build.

- Somebody else updates after our baseline (or before the first reading of the lane, or hidden
  behind an update of ours that may have moved the record), and their event comes before ours: it
  confirms ours. Their movement makes ours `presumed`.
- The same, where there is no baseline or no distinguishing field, or where their event comes more
  than a settle period after their update was seen, or was heard before the code had a lane and a
  restart came between.
- The upstream emits twice for one update, with more than a settle period between, on a connection
  that has stood all the while: a younger one that was accepted is confirmed by it, and one in doubt
  where its record was moved by somebody else, or cannot tell.
- An event comes after the late window of its submission, which is forgotten by then: a younger one
  is confirmed by it.
- The upstream applies an update later than a settle period after the attempt's end: it is sent
  again, or called `not_dispatched`, although it was applied.
- The upstream refuses an update and applies it all the same: `rejected`, unless its event comes
  during `sending` or within a settle period. Another update of the lane that is open or unresolved
  may be confirmed by that event, or `presumed` by the movement.
"""


def page() -> str:
    """The diagram of changes of state, the whole table, and the rules that choose within it."""
    return "\n".join([INTRODUCTION, _diagram(), "", REMARKS, _table(), RULES])


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
