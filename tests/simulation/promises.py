"""The promises I1-I10, each held against the witnesses that can speak for it."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from itertools import pairwise

from listener.adapters.socket_source.link import STILL_S
from listener.core import quiet, standing
from listener.core.names import (
    Attribution,
    CvCode,
    Outcome,
    PostKind,
    State,
    SubmissionId,
)
from listener.core.submission import Submission
from listener.core.view import rfc3339
from tests.fakes.upstream_scripted import Post

from .evidence import Account, Evidence
from .life import LONGEST_DELAY_S, LONGEST_STALL_S, START_NS, Life
from .ports import Line, Told

SLACK_MS = 10_000
"""Between the time at which a file may go, and the round that sweeps it."""

ON_ITS_WAY_MS = round(LONGEST_DELAY_S * 1000) + 1
"""A gap begins with the last frame that was received: what was sent before that may come after."""

NOT_YET_KNOWN_MS = 60_000
"""A gap is told from the last frame on, and that came before anybody knew of it: by the interval of
a ping and what may follow it. Each stall of the machine puts it off by as long as it lasts."""

OVER_UNKNOWN_MS = 30_000
"""Where the disk is slow, a close may be decided while the end of a gap waits to be written: it
counts on as deaf, which is no lie that would confirm anything. A stall puts it off, too."""

TOLD_S = 0.1
"""Between an answer and what follows from it, where nothing is slow; and what is being committed
meanwhile is sent."""

START_MS = START_NS // 10**6


def violations(life: Life) -> list[str]:
    """Every broken promise of one played life, in words; the journal's file is still there."""
    evidence = Evidence(life)
    found = [f"the service fell over: {error}" for error in life.fell_over]
    found += [f"log: not in the catalogue: {name}" for name in sorted(life.log.unknown)]
    for name, promise in PROMISES.items():
        found += [f"{name} {problem}" for problem in promise(evidence)]
    return found


def closes(e: Evidence) -> Iterator[str]:
    """Every accepted submission is in the journal and reaches an outcome."""
    for name in e.life.accepted:
        if name not in e.submissions:
            yield f"accepted, and gone from the journal [{name}]"
    for name, (_, submission) in e.submissions.items():
        if submission.state is not State.CLOSED:
            yield f"still {submission.state} when all faults had stopped [{name}]"
    requests = Counter(submission.file.sha256 for _, submission in e.submissions.values())
    for count in requests.values():
        if count > 1:
            yield f"a client that asked again with its key has {count} submissions"
    if len(set(e.life.accepted)) != e.life.acceptances:
        yield f"{e.life.acceptances} clients were told of {len(set(e.life.accepted))} submissions"


def says_no_more_than_happened(e: Evidence) -> Iterator[str]:
    """No outcome says more than what the upstream did."""
    for name, (code, submission) in e.submissions.items():
        for problem in _untrue(e, code, submission, e.posts[name]):
            yield f"{problem} [{name}]"
        if (submission.reason or "").startswith("listened") and _missed(e, submission):
            yield f"it is said that we listened, and we missed its event [{name}]"
    yield from _wrongly_deaf(e)


def _untrue(e: Evidence, code: CvCode, submission: Submission, posts: list[Post]) -> Iterator[str]:
    applied = [post for post in posts if post.applied_s is not None]
    own = submission.attribution is Attribution.EXCLUSIVE and not e.muddied(code)
    match submission.outcome:
        case Outcome.CONFIRMED:
            if e.foreign_shortly_before(code, submission):
                yield "confirmed as its own, and a foreign event was heard just before it was sent"
            if own and submission.heard is not None:
                yield from _another_ones(e, submission.id, submission.heard.seq, posts)
            if not e.life.upstream.ledger.emitted.get(code):
                yield "confirmed, and nothing was ever emitted for this code"
        case Outcome.PRESUMED if own and not applied:
            yield "presumed as its own, and never applied"
        case Outcome.NOT_DISPATCHED if applied and not e.muddied(code):
            yield "not_dispatched, and it was applied"
        case Outcome.REJECTED | Outcome.UNDELIVERED | Outcome.CANCELLED | Outcome.SUPERSEDED:
            if applied and code not in e.lied_about:
                yield f"{submission.outcome}, and it was applied"
        case _:
            pass


def _missed(e: Evidence, submission: Submission) -> bool:
    """Whether an event of it was emitted before it closed, and nobody heard it; but for a deafness
    that nobody could know of yet, for the connection seemed to stand."""
    name, closed_ms = submission.id, submission.closed_ms or 0
    if e.life.scenario.clock_jumps and any(start > closed_ms for start, _ in e.gaps):
        return False  # a clock set back forgets how deaf it was before: told in decision 3
    if any(start <= closed_ms and (end is None or end > closed_ms) for start, end in e.gaps):
        return False
    lines = (line for line in e.lines["submission.closed"] if not line.fields.get("repeated"))
    closed = next((line for line in lines if line.fields["submission_id"] == name), None)
    if closed is None:
        return False  # a crash took the line, and with it the word of when it was
    heard = {entry.number for entry in e.inbox}
    return any(
        emission.at_s + LONGEST_DELAY_S < closed.at_s
        and emission.number not in heard
        and emission.number not in e.unprovable
        and e.life.upstream.ledger.owners.get(emission.number, "").rsplit("-", 1)[0] == name
        for emission in e.readable
    )


def _another_ones(e: Evidence, name: SubmissionId, seq: int, posts: list[Post]) -> Iterator[str]:
    number = next((entry.number for entry in e.inbox if entry.seq == seq), None)
    owner = None if number is None else e.life.upstream.ledger.owners.get(number)
    if e.told_long_after(number):
        return
    if not any(post.emitted for post in posts):
        yield "confirmed as its own, and the upstream never emitted for it"
    elif owner is not None and owner.rsplit("-", 1)[0] != name:
        yield f"confirmed as its own by the event of {owner}"


def _wrongly_deaf(e: Evidence) -> Iterator[str]:
    """How long an outcome says that we were deaf, against the journal's gaps. Only where a gap that
    is known stays: is not dropped by a recovery, moved by a clock, or found only later."""
    drawn = e.life.scenario
    if drawn.recovery or drawn.clock_jumps or drawn.deafens:
        return
    stalled_ms = round(drawn.stalls * LONGEST_STALL_S * 1000)
    unknown_ms = NOT_YET_KNOWN_MS + stalled_ms
    over_ms = (OVER_UNKNOWN_MS if drawn.slow_disk else 0) + stalled_ms
    corrected = {line.fields["submission_id"] for line in e.lines["submission.corrected"]}
    # A crash can take the line of a correction: the close is told again in its stead.
    again = (line for line in e.lines["submission.closed"] if line.fields.get("repeated"))
    corrected |= {line.fields["submission_id"] for line in again}
    for name, (_, submission) in e.submissions.items():
        first = standing.first_sent(submission)
        if first is None or submission.closed_ms is None or name in corrected:
            continue
        spans = [
            min(submission.closed_ms, submission.closed_ms if end is None else end)
            - max(first.began_ms, start)
            for start, end in e.gaps
        ]
        deaf_ms = sum(span for span in spans if span > 0)
        if not deaf_ms - unknown_ms <= submission.deaf_ms <= deaf_ms + over_ms:
            yield f"deaf for {submission.deaf_ms} ms, and by the gaps for {deaf_ms} ms [{name}]"


def nothing_after_an_acceptance(e: Evidence) -> Iterator[str]:
    """No POST after an accepted one; and no two of one code at once."""
    for name, posts in e.posts.items():
        if name not in e.submissions:
            yield f"sent, and the journal has never heard of it [{name}]"
            continue
        told = {attempt.number: attempt.result for attempt in e.submissions[name][1].attempts}
        for earlier, _ in pairwise(posts):
            result = told.get(int(earlier.request_id.rsplit("-", 1)[1]))
            if result is not None and result.kind is PostKind.ACCEPTED:
                yield f"sent again after it was accepted [{name}]"
    if e.life.upstream.ledger.overlaps:
        yield f"lane: {len(e.life.upstream.ledger.overlaps)} posts of one code at once"
    yield from _lanes(e)


def nothing_again_once_applied(e: Evidence) -> Iterator[str]:
    """What may have been applied is not sent again, and so nothing is applied twice."""
    for name, posts in e.posts.items():
        if sum(post.applied_s is not None for post in posts) > 1:
            yield f"applied more than once [{name}]"
        for earlier, later in pairwise(posts):
            if earlier.applied_s is not None and earlier.applied_s <= later.began_s:
                yield f"sent again after it was applied ({earlier.fault}) [{name}]"


def same_end_whenever_heard(e: Evidence) -> Iterator[str]:
    """Whenever its event was heard, and through whatever restarts: it confirms."""
    for entry in e.inbox:
        if entry.disposition is None:
            yield f"event {entry.seq} was journaled and never correlated"
    for name, (code, submission) in e.submissions.items():
        alone = e.updates_of[code] == 1 and code not in e.life.upstream.ledger.foreign
        refused = any(post.told == "refused" for post in e.posts[name])
        if alone and submission.outcome is Outcome.REJECTED and _belied(e, code, submission):
            yield f"refused, and its event was heard soon after, and it stays rejected [{name}]"
        if alone and not refused and e.heard_of[code]:
            if submission.outcome is not Outcome.CONFIRMED:
                yield f"its event was heard, and it ended {submission.outcome} [{name}]"
            elif submission.attribution is not Attribution.EXCLUSIVE and not (
                e.muddied(code) or code in e.doubled
            ):
                yield f"alone, its event heard, and {submission.attribution} [{name}]"


def _belied(e: Evidence, code: CvCode, submission: Submission) -> bool:
    """Whether an event of it was heard less than a settle period after it closed."""
    if e.life.scenario.clock_jumps:
        return False
    until_ms = (submission.closed_ms or 0) + e.life.scenario.policy.settle_ms
    owners = e.life.upstream.ledger.owners
    return any(entry.heard_ms < until_ms and entry.number in owners for entry in e.heard_of[code])


def reactions_at_least_once(e: Evidence) -> Iterator[str]:
    """Handlers heard how each submission ended, and of every correction, by versions that grow; or
    they failed, and the journal says when they are asked again."""
    last: dict[str, Told] = {}
    process = e.life.process
    assert process is not None
    now_ms = process.clock.now_ms()  # the last run's, which no step of the machine's clock moves
    for told in e.life.reacted:
        before = last.get(told.name)
        if before is not None and told.version < before.version:
            yield f"version {told.version} was told after {before.version} [{told.name}]"
        last[told.name] = told
    for name, (_, submission) in e.submissions.items():
        heard = last.get(name)
        if e.postponed.get(name, 0) > now_ms:
            continue
        if heard is None:
            yield f"no handler ever heard of its close [{name}]"
        elif (heard.outcome, heard.attribution) != (submission.outcome, submission.attribution):
            yield (
                f"handlers were last told {heard.outcome} {heard.attribution}, and it is "
                f"{submission.outcome} {submission.attribution} [{name}]"
            )


def one_canonical_line(e: Evidence) -> Iterator[str]:
    """One line per close: twice only where the second says that it repeats."""
    first: Counter[str] = Counter()
    again: set[str] = set()
    for line in e.lines["submission.closed"]:
        name = str(line.fields["submission_id"])
        if line.fields.get("repeated"):
            again.add(name)
        else:
            first[name] += 1
    for name in e.submissions:
        if first[name] > 1:
            yield f"{first[name]} canonical lines [{name}]"
        if not first[name] and name not in again:
            yield f"no canonical line [{name}]"


def no_secret(e: Evidence) -> Iterator[str]:
    """No code and no file's name in any line."""
    for line in e.life.log.lines:
        if "Sim" in repr(line.fields):
            yield f"a code or a name stands in {line.event}"


def closes_in_bounded_time(e: Evidence) -> Iterator[str]:
    """When faults stop, what is open closes, and what is new goes through."""
    if e.life.all_closed_s is None:
        yield "something is open long after all faults had stopped"
    for name, state, outcome in e.life.dawdling:
        yield f"nothing was wrong any more, and a new update is {state} {outcome} [{name}]"


def no_file_past_its_time(e: Evidence) -> Iterator[str]:
    """The spool holds what is open, and what a retry may still need."""
    # A clock that jumps between runs moves the time a file is kept with it: no bound to hold.
    jumps = e.life.scenario.clock_jumps
    now_ms = e.life.wall_ns() // 10**6
    for name in e.life.spool.files:
        kept = e.submissions.get(name)
        until = 0 if kept is None else kept[1].keep_file_until_ms or 0
        if kept is None or (until + SLACK_MS < now_ms and not jumps):
            yield f"its file is still in the spool [{name}]"


def no_event_missed_silently(e: Evidence) -> Iterator[str]:
    """Every emission is in the inbox, once, or its moment lies in a gap that the journal tells."""
    times = Counter(entry.number for entry in e.inbox if entry.number is not None)
    for number, count in times.items():
        if count > 1:
            yield f"emission {number} stands {count} times in the inbox"
    if e.life.scenario.clock_jumps:
        return  # the gaps' times are the wrong clock's
    # Before the first of them no process ever came as far as to listen.
    born_ms = e.gaps[0][0] if e.gaps else 0
    # A machine that stood still for less than that is not noticed: what waited counts as heard now.
    unnoticed_ms = round(STILL_S * 1000) if e.life.scenario.stalls else 0
    early_ms = ON_ITS_WAY_MS + unnoticed_ms
    for emission in e.readable:
        at_ms = START_MS + int(emission.at_s * 1000)
        if at_ms < born_ms or times[emission.number] or emission.number in e.unprovable:
            continue
        told = any(
            start - early_ms <= at_ms and (end is None or at_ms <= end + 1) for start, end in e.gaps
        )
        if told:
            continue
        yield f"emission {emission.number} at {emission.at_s:.3f} s was missed, and no gap tells it"


def every_gap_is_accounted_for(e: Evidence) -> Iterator[str]:
    """Each gap's row counts what it touched as the submissions have it, and a line has told it:
    once, or again where it says so, for a crash may come between the line and the row."""
    told: dict[tuple[object, object], list[Line]] = defaultdict(list)
    for line in e.lines["gap.settled"]:
        told[line.fields["since"], line.fields["until"]].append(line)
    for account in e.accounts:
        since, until = rfc3339(account.start_ms), rfc3339(account.end_ms)
        where = f"of the gap from {since} to {until}"
        if account.became is None:
            yield f"the account {where} was never settled"
            continue
        lines = told.pop((since, until), [])
        if sum("repeated" not in line.fields for line in lines) > 1:
            yield f"the account {where} was told {len(lines)} times"
        if e.life.scenario.clock_jumps:
            continue  # a start on another clock moves what it finds: told in decision 3
        if bool(lines) != bool(account.became):
            yield f"the account {where} has {len(lines)} lines and holds {dict(account.became)}"
        if lines and lines[-1].fields["became"] != account.became:
            yield f"the line says {lines[-1].fields['became']} {where}, not {account.became}"
        yield from _miscounted(e, account, where)
    if told:
        yield f"accounts were told of gaps that are none: {list(told)}"


def _miscounted(e: Evidence, account: Account, where: str) -> Iterator[str]:
    """What was corrected may be counted by either outcome: it depends on which came first."""
    left, may_be = Counter(account.became), Counter[str]()
    for name, (_, submission) in e.submissions.items():
        first, closed_ms = standing.first_sent(submission), submission.closed_ms
        if first is None or closed_ms is None:
            continue
        if first.began_ms <= account.end_ms and closed_ms >= account.start_ms:
            outcomes = e.outcomes[name]
            if len(outcomes) == 1:
                left.subtract(outcomes)
            else:
                may_be.update(outcomes)
                left["corrected"] -= 1
    corrected = -left.pop("corrected", 0)
    if sum(left.values()) != corrected or any(not 0 <= left[o] <= may_be[o] for o in left):
        yield f"{dict(account.became or {})} is not what became of the touched {where}"


def _lanes(e: Evidence) -> Iterator[str]:
    """Rule 1, as the log tells it: one update of a code in flight at a time."""
    flying: dict[object, object] = {}
    for line in e.life.log.lines:
        ref, who = line.fields.get("cv_ref"), line.fields.get("submission_id")
        match line.event:
            case "attempt.began":
                if flying.get(ref, who) != who and not e.life.ends:
                    yield f"lane: {who} was sent while {flying[ref]} was in flight"
                flying[ref] = who
            case "submission.closed" | "submission.requeued" if flying.get(ref) == who:
                del flying[ref]
            case "attempt.ended" if line.fields["state"] == "queued" and flying.get(ref) == who:
                del flying[ref]
            case _:
                pass


def the_quiet_is_kept(e: Evidence) -> Iterator[str]:
    """Nothing is sent while the quiet lasts that the upstream asked for; by later runs neither."""
    drawn = e.life.scenario
    if drawn.clock_jumps:
        return  # a clock set forward between two runs ends it before its time
    told_s = math.inf if drawn.slow_disk or drawn.stalls else TOLD_S
    starts = [line.at_s for line in e.lines["journal.recovered"]]
    every = [post for posts in e.posts.values() for post in posts]
    for name, (_, submission) in e.submissions.items():
        for post in e.posts[name]:
            number = int(post.request_id.rsplit("-", 1)[1])
            asked_ms = quiet.asked_ms(submission.attempts[:number], drawn.policy)
            if asked_ms is None or post.ended_s is None:
                continue
            ended_s = post.ended_s
            known_s = min([ended_s + told_s, *(start for start in starts if start > ended_s)])
            for other in every:
                if known_s < other.began_s < ended_s + asked_ms / 1000:
                    after_s = other.began_s - ended_s
                    yield f"sent {after_s:.1f} s into {asked_ms / 1000:.0f} s of quiet [{name}]"


PROMISES: dict[str, Callable[[Evidence], Iterator[str]]] = {
    "I1": closes,
    "I2": says_no_more_than_happened,
    "I3": nothing_after_an_acceptance,
    "I4": nothing_again_once_applied,
    "I5": same_end_whenever_heard,
    "I6": reactions_at_least_once,
    "I7": one_canonical_line,
    "I8": no_secret,
    "I9": closes_in_bounded_time,
    "I10": no_file_past_its_time,
    "P4": no_event_missed_silently,
    "gaps": every_gap_is_accounted_for,
    "quiet": the_quiet_is_kept,
}
"""By name. P4 is the promise of section "hearing": no event is missed silently."""
