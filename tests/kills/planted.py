"""Bugs to be planted in a doomed process, each a breach of one promise that a witness must see."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from listener.adapters.journal_sqlite import SqliteJournal
from listener.adapters.spool import DiskSpool
from listener.adapters.upstream_http import HttpUpstream
from listener.core import restart, sending, transitions
from listener.core.inputs import Restarted
from listener.core.names import Attribution, Outcome, State
from listener.service.front import ServiceFront
from listener.service.intake import Accepted, Intake
from listener.service.reactor import Outcomes, Reactor

LATE_S = 0.3


def _plant(holder: Any, name: str, bug: Callable[..., Any]) -> None:
    """In place of the function of that name."""
    setattr(holder, name, bug)


def _acknowledge_before_commit() -> None:
    """The submitter is answered out of memory, and the commit comes a little later."""
    accept, shown = Intake._accept, ServiceFront.submission
    later: set[asyncio.Task[Any]] = set()

    async def hasty(self: Intake, asked: Any) -> Any:
        async def commit() -> None:
            await asyncio.sleep(LATE_S)
            await accept(self, asked)

        task = asyncio.create_task(commit())
        later.add(task)
        task.add_done_callback(later.discard)
        return Accepted(asked.submission_id)

    async def from_memory(self: ServiceFront, submission_id: Any) -> Any:
        found = await shown(self, submission_id)
        return found or {"id": submission_id, "state": "queued", "version": 1}

    _plant(Intake, "_accept", hasty)
    _plant(ServiceFront, "submission", from_memory)


def _resend_after_crash() -> None:
    """What was being sent when the process died is taken as not sent."""
    real = restart._restart_one
    allowed = transitions.TABLE[State.SENDING, Restarted]
    transitions.TABLE[State.SENDING, Restarted] = allowed | {State.QUEUED}

    def hopeful(draft: Any, submission: Any) -> None:
        if submission.state is State.SENDING:
            attempts = submission.attempts[:-1]
            draft.put(replace(submission, state=State.QUEUED, attempts=attempts))
        else:
            real(draft, submission)

    _plant(restart, "_restart_one", hopeful)


def _confirm_after_crash() -> None:
    """What was being sent when the process died is taken as confirmed."""
    real = restart._restart_one

    def sure(draft: Any, submission: Any) -> None:
        if submission.state is State.SENDING:
            draft.close(submission, Outcome.CONFIRMED, attribution=Attribution.EXCLUSIVE)
        else:
            real(draft, submission)

    _plant(restart, "_restart_one", sure)


def _resend_accepted() -> None:
    """What waited for its event when the process died is sent again."""
    real = restart._restart_one
    allowed = transitions.TABLE[State.AWAITING, Restarted]
    transitions.TABLE[State.AWAITING, Restarted] = allowed | {State.QUEUED}

    def again(draft: Any, submission: Any) -> None:
        if submission.state is State.AWAITING:
            draft.put(replace(submission, state=State.QUEUED))
        else:
            real(draft, submission)

    _plant(restart, "_restart_one", again)
    _plant(
        sending, "_resend", lambda draft, submission, read: sending._start(draft, submission, read)
    )


def _leak_code() -> None:
    """A code stands in a line of output."""
    accept = Intake._accept

    async def talkative(self: Intake, asked: Any) -> Any:
        line = {"event": "noted", "level": "debug", "code": asked.code}
        os.write(1, json.dumps(line).encode() + b"\n")
        return await accept(self, asked)

    _plant(Intake, "_accept", talkative)


def _forget_inbox() -> None:
    """A start correlates nothing of what an earlier run heard."""

    async def nothing(_self: SqliteJournal) -> list[Any]:
        return []

    _plant(SqliteJournal, "undisposed", nothing)


def _lose_canonical_line() -> None:
    """A start tells no line again."""

    async def silent(_self: Reactor) -> int:
        return 0

    _plant(Reactor, "recover", silent)


def _delete_before_close() -> None:
    """A file is deleted as soon as its POST has ended."""
    post = HttpUpstream.post_update

    async def tidy(self: HttpUpstream, code: Any, file: Any, facts: Any, **rest: Any) -> Any:
        result = await post(self, code, file, facts, **rest)
        file.unlink(missing_ok=True)
        return result

    _plant(HttpUpstream, "post_update", tidy)


def _finish_reaction_before_handlers() -> None:
    """A reaction is crossed off before any handler heard of it."""
    real = Outcomes.prepare

    async def eager(self: Outcomes, errand: Any) -> Any:
        await self.finish(errand, errand.version)
        return await real(self, errand)

    _plant(Outcomes, "prepare", eager)


def _sweep_nothing() -> None:
    """A start leaves what a crash left in the spool."""

    async def idle(_self: DiskSpool, _keep: Any) -> int:
        return 0

    _plant(DiskSpool, "sweep", idle)


BUGS: dict[str, Callable[[], None]] = {
    "acknowledge_before_commit": _acknowledge_before_commit,
    "resend_after_crash": _resend_after_crash,
    "confirm_after_crash": _confirm_after_crash,
    "resend_accepted": _resend_accepted,
    "leak_code": _leak_code,
    "forget_inbox": _forget_inbox,
    "lose_canonical_line": _lose_canonical_line,
    "delete_before_close": _delete_before_close,
    "finish_reaction_before_handlers": _finish_reaction_before_handlers,
    "sweep_nothing": _sweep_nothing,
}
