"""Where a process can be made to die: one table, and how a point of it is laid.

A point is a function of the real product, named as ``package.module:Qualified.name``, before or
after whose n-th call the process kills itself. A name that no longer exists fails at once.
"""

from __future__ import annotations

import importlib
import inspect
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from types import FrameType
from typing import Any, Literal

from listener.adapters.spool import BATCH_BYTES

SQLITE = "listener.adapters.journal_sqlite"
JOURNAL = f"{SQLITE}.journal:SqliteJournal"
DISK = "tests.kills.disk"

Scene = Literal["flow", "resend", "stop", "start", "fresh", "first", "older"]
"""What leads to a point: updates going through · one that has to be sent again · SIGTERM amid
updates · a start after a death that left work · an empty state folder · the first time that we
listen · an older journal."""


@dataclass(frozen=True, slots=True)
class Point:
    """``risk``: what could be wrong afterwards. ``under``: only while that function is being run
    too. ``only``: only where this holds for the arguments. ``most``: so many passings are sure."""

    where: str
    when: Literal["before", "after"]
    risk: str
    scene: Scene = "flow"
    under: str = ""
    only: Callable[..., bool] | None = None
    most: int = 1


def _facts(*events: str, without: str = "") -> Callable[..., bool]:
    def told(_log: Any, _code: Any, facts: Any, _changed: Any) -> bool:
        names = {fact.event for fact in facts}
        return names.issuperset(events) and without not in names

    return told


def _to(name: str) -> Callable[..., bool]:
    return lambda _partial, target: Path(target).name == name


def _part_handed(upload: Any) -> bool:
    witness = upload._witness
    return witness.expected is not None and 0 < witness.handed < witness.expected


def _whole_handed(upload: Any) -> bool:
    return upload._witness.expected is not None and upload._witness.whole


def _is_baseline(*_: Any, request_id: str, **__: Any) -> bool:
    return request_id.endswith("-baseline")


def _is_resend(*_: Any, request_id: str, **__: Any) -> bool:
    return not request_id.endswith("-1")


def _writes(transactions: Any, _jobs: Any) -> bool:
    return str(transactions._begin) == "BEGIN IMMEDIATE"


def _full_batch(_incoming: Any, batch: bytes) -> bool:
    return len(batch) >= BATCH_BYTES


_TELL = "listener.service.engine:tell"
_PERFORM = "listener.service.engine:Engine._perform"
_POST = "listener.adapters.upstream_http.upstream:HttpUpstream.post_update"
_READ = "listener.adapters.upstream_http.upstream:HttpUpstream.read_record"
_UPLOAD = "listener.adapters.upstream_http.witness:Upload.__anext__"
_RECOVER_ONE = "Service.recover.<locals>.one"

POINTS: dict[str, Point] = {
    # Taking a file in.
    "spool.part_written": Point(
        "listener.adapters.spool:_Incoming.write",
        "after",
        "half a file is left, or taken for a whole one",
        only=_full_batch,
    ),
    "spool.before_rename": Point(
        "listener.adapters.spool:_Incoming._close",
        "after",
        "a whole file under its partial name stays for ever",
        under="_Incoming.finish",
        most=4,
    ),
    "spool.renamed": Point(
        "listener.adapters.spool:_Incoming.finish",
        "after",
        "a file without a submission stays for ever",
        most=4,
    ),
    "accept.committed": Point(
        "listener.service.intake:Intake._accept",
        "after",
        "accepted, and nobody was told: its submitter comes again, and it is sent twice",
        most=4,
    ),
    # Sending.
    "sending.baseline_read": Point(
        _READ,
        "after",
        "a baseline that nobody committed",
        only=_is_baseline,
        most=4,
    ),
    "sending.committed": Point(
        _POST,
        "before",
        "'sending' on disk and not a byte gone: lost, or taken for applied",
        most=4,
    ),
    "post.mid_body": Point(_UPLOAD, "before", "half a body: applied or not?", only=_part_handed),
    "post.handed_over": Point(
        _UPLOAD,
        "before",
        "applied behind our back, and sent again",
        only=_whole_handed,
        most=4,
    ),
    "post.replied": Point(_POST, "after", "accepted, and not on disk: sent again"),
    "ended.committed": Point(
        _TELL,
        "before",
        "an attempt's end without its line",
        only=_facts("attempt.ended"),
        most=4,
    ),
    "ended.told": Point(
        _TELL,
        "after",
        "the effects of an attempt's end are lost",
        only=_facts("attempt.ended"),
        most=4,
    ),
    # Hearing.
    "event.received": Point(
        f"{JOURNAL}.append_events", "before", "an event that only memory held is lost"
    ),
    "event.appended": Point(
        f"{JOURNAL}.append_events", "after", "an event on disk that nothing ever looks at"
    ),
    "event.held": Point(
        _TELL,
        "before",
        "an early event is forgotten while its POST is under way",
        only=_facts("event.correlated", without="submission.closed"),
    ),
    "listening.resumed": Point(
        f"{JOURNAL}.store_resume",
        "after",
        "a new session, and the gap before it is never told",
        scene="first",
    ),
    # Closing.
    "close.committed": Point(
        _TELL,
        "before",
        "the canonical line is lost",
        only=_facts("submission.closed"),
        most=4,
    ),
    "close.told": Point(
        _TELL,
        "after",
        "the canonical line twice; file, handlers and waiters forgotten",
        only=_facts("submission.closed"),
        most=4,
    ),
    "close.performing": Point(_PERFORM, "after", "some effects performed, others forgotten"),
    "reaction.told": Point(
        f"{JOURNAL}.give_out",
        "before",
        "the line is told again after a restart, or never",
        most=4,
    ),
    "reaction.given_out": Point(
        f"{JOURNAL}.give_out",
        "after",
        "the line is told again after a restart; no handler is asked",
        most=4,
    ),
    "reaction.begun": Point(
        "listener.service.caller:Caller._make",
        "before",
        "a handler never hears of a close",
        most=4,
    ),
    "reaction.handled": Point(
        f"{JOURNAL}.finish_reaction",
        "before",
        "a handler is asked for ever, or never",
        most=4,
    ),
    "reaction.finished": Point(
        f"{JOURNAL}.finish_reaction",
        "after",
        "a handler is asked again after a restart",
        most=4,
    ),
    "file.before_deletion": Point(
        "listener.adapters.spool:DiskSpool.remove", "before", "a file stays for ever"
    ),
    "file.deleted": Point(f"{JOURNAL}.files_gone", "before", "a file that is gone is missed"),
    # In doubt.
    "enquiry.answered": Point(
        _READ,
        "after",
        "a reading that nobody committed decides something",
        scene="resend",
        under="Enquirer._work",
    ),
    "resend.committed": Point(
        _TELL,
        "before",
        "queued again, and never offered",
        scene="resend",
        only=_facts("submission.requeued"),
    ),
    "resend.sending": Point(
        _POST, "before", "a second attempt that was not made", scene="resend", only=_is_resend
    ),
    "resend.handed_over": Point(
        _POST, "after", "a second attempt that was made", scene="resend", only=_is_resend
    ),
    # The journal's file.
    "transaction.half_done": Point(
        f"{SQLITE}.commits:apply_commit",
        "after",
        "half a decision on disk",
        most=4,
    ),
    "transaction.written": Point(
        f"{DISK}:syncing_log",
        "before",
        "rows in the log that nobody was told of",
        most=4,
    ),
    "transaction.committed": Point(
        f"{SQLITE}.transactions:Transactions._transact",
        "after",
        "a decision on disk that memory does not know",
        only=_writes,
        most=4,
    ),
    "checkpoint.half_done": Point(
        f"{DISK}:wrote_database",
        "after",
        "half the pages moved",
        under="Transactions.checkpoint_if_due",
        most=4,
    ),
    # The clock's own.
    "heartbeat.before_mark": Point(
        f"{JOURNAL}.mark_alive",
        "before",
        "a gap begins too late",
        under="Heartbeat.run",
        most=4,
    ),
    "heartbeat.marked": Point(
        f"{JOURNAL}.mark_alive",
        "after",
        "a gap begins too late",
        under="Heartbeat.run",
        most=4,
    ),
    "timer.woke": Point(
        "listener.service.engine:Engine.give",
        "before",
        "a timer that only memory held",
        scene="resend",
        under="Timers._wake.<locals>.one",
    ),
    # On the way down.
    "drain.begun": Point(
        "listener.service.intake:Intake.drain", "before", "what intake began", scene="stop"
    ),
    "drain.attempts_ended": Point(
        "listener.service.dispatcher:Dispatcher.drain", "after", "what was sent", scene="stop"
    ),
    "drain.marked": Point(
        f"{JOURNAL}.mark_alive", "after", "gaps", scene="stop", under="Service._drain"
    ),
    "closing.checkpoint": Point(
        f"{DISK}:wrote_database",
        "after",
        "half the pages moved at the close",
        scene="stop",
        under="Transactions.close",
    ),
    # On the way up.
    "start.event_uncorrelated": Point(
        "listener.service.ear:Hearer._correlate",
        "before",
        "an inbox that is walked but once",
        scene="start",
        under="Hearer.recover",
    ),
    "start.before_restarted": Point(
        "listener.service.engine:Engine.give",
        "before",
        "some lanes on the new clock, others not",
        scene="start",
        under=_RECOVER_ONE,
    ),
    "start.restarted": Point(
        "listener.service.engine:Engine.give",
        "after",
        "'sending' found a second time",
        scene="start",
        under=_RECOVER_ONE,
    ),
    "start.retold": Point(
        "listener.service.reactor:Reactor.recover",
        "after",
        "the retold line is lost, or told for ever",
        scene="start",
    ),
    "start.swept": Point(
        "listener.adapters.spool:DiskSpool.sweep", "after", "a file too many", scene="start"
    ),
    "start.opened": Point(
        "listener.adapters.web.server:write_address", "before", "no door", scene="start"
    ),
    "start.token_written": Point(
        "pathlib:Path.replace", "before", "no token", scene="fresh", only=_to("token")
    ),
    "start.key_written": Point(
        "listener.adapters.identity:os.link", "before", "another key: other refs", scene="fresh"
    ),
    "start.address_written": Point(
        "pathlib:Path.replace",
        "before",
        "a stale address",
        scene="start",
        only=_to("intake.json"),
    ),
    "migration.copied": Point(
        f"{SQLITE}.migrations:_back_up", "after", "a copy in the way", scene="older"
    ),
    "migration.half_done": Point(
        f"{DISK}:syncing_log", "before", "half a schema", scene="older", under="_apply"
    ),
    "migration.done": Point(
        f"{SQLITE}.migrations:_apply", "after", "the step is made again", scene="older"
    ),
}
"""Every point by name."""


def find(where: str) -> tuple[Any, str, Callable[..., Any]]:
    """The holder, the attribute and the function itself. Raises what a wrong name deserves."""
    module, _, path = where.partition(":")
    holder: Any = importlib.import_module(module)
    *parents, attribute = path.split(".")
    for name in parents:
        holder = getattr(holder, name)
    return holder, attribute, getattr(holder, attribute)


def _running() -> set[str]:
    """Every function that this thread is in, those that await the current one too."""
    names = set()
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        names.add(frame.f_code.co_qualname)
        frame = frame.f_back
    return names


def lay(name: str, passing: int, told: Path) -> None:
    """From now on this process kills itself at the n-th passing of the point. ``told`` is written
    right before, so that who finds the body knows what it died of."""
    point = POINTS[name]
    holder, attribute, original = find(point.where)
    left = passing

    def passes(args: tuple[Any, ...], words: dict[str, Any]) -> bool:
        nonlocal left
        if point.under and point.under not in _running():
            return False
        if point.only is not None and not point.only(*args, **words):
            return False
        left -= 1
        return left == 0

    def die() -> None:
        told.write_text(name)
        os.kill(os.getpid(), signal.SIGKILL)

    async def afterwards(going: Any) -> Any:
        result = await going
        die()
        return result

    @wraps(original)
    def wrapper(*args: Any, **words: Any) -> Any:
        struck = passes(args, words)
        if struck and point.when == "before":
            die()
        result = original(*args, **words)
        if not struck:
            return result
        if inspect.isawaitable(result):
            return afterwards(result)
        die()
        return result

    setattr(holder, attribute, wrapper)
