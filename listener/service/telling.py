"""One submission explained: what it waits for and what comes next, or its story."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from listener.core import explain, outcomes, story
from listener.core.evidence import Gap
from listener.core.explain import Around
from listener.core.names import CvCode, Millis, Outcome, State, SubmissionId, WaitingFor
from listener.core.standing import first_sent
from listener.core.submission import Lane, Submission
from listener.core.usual import Usual, usual_of, usual_words
from listener.core.view import public, retried_by, rfc3339, waiting_for
from listener.ports.clock import Clock
from listener.ports.journal import Journal, Query
from listener.ports.log import Log

from .dispatcher import Dispatcher
from .ear import Hearer
from .engine import Engine
from .enquirer import Enquirer
from .pausing import Pause
from .retrying import sent_again

RECENT = 200
"""Confirmed updates that tell what is usual."""


class Telling:
    """Reads, and changes nothing. What it answers holds no code."""

    def __init__(
        self,
        journal: Journal,
        engine: Engine,
        hearer: Hearer,
        dispatcher: Dispatcher,
        enquirer: Enquirer,
        pause: Pause,
        clock: Clock,
        log: Log,
    ) -> None:
        self._journal = journal
        self._engine = engine
        self._hearer = hearer
        self._dispatcher = dispatcher
        self._enquirer = enquirer
        self._pause = pause
        self._clock = clock
        self._log = log

    async def story(self, submission_id: SubmissionId) -> dict[str, Any] | None:
        """The public form of ``GET /v1/submissions/{id}/story``; None if unknown."""
        stored = await self._journal.submission(submission_id)
        if stored is None:
            return None
        usual = await self._usual()
        lane = await self._engine.lane(stored.code)
        # As the lane has it: what was decided meanwhile is in both, or in neither.
        found = next((s for s in lane.submissions if s.id == submission_id), stored.submission)
        around = self._around(found, stored.code, lane, usual)
        shown = public(found, self._log.ref(stored.code), lane, around.now_ms)
        shown["waiting_for"] = around.waiting
        again = await sent_again(self._journal, found)
        if again is not None:
            shown["retried_by"] = retried_by(again)
        told = _told(found, around, again)
        return {"submission": shown, **told, "story": await self._facts(found)}

    async def _usual(self) -> Usual:
        recent = await self._journal.submissions(Query(outcome=Outcome.CONFIRMED, limit=RECENT))
        return usual_of((each.submission for each in recent), self._clock.now_ms())

    def _around(self, submission: Submission, code: CvCode, lane: Lane, usual: Usual) -> Around:
        now = self._clock.now_ms()
        waiting = waiting_for(submission, lane, now)
        paused = self._pause.since_ms
        if waiting is WaitingFor.SENDING and paused is not None:
            waiting = WaitingFor.RESUME
        gate, gate_ms = self._dispatcher.gate(code) or (None, None)
        deaf_ms = self._hearer.deaf_for_ms()
        return Around(
            now_ms=now,
            waiting=waiting,
            lane=lane,
            policy=self._engine.policy,
            usual=usual,
            deaf_since_ms=None if self._hearer.listening else Millis(now - deaf_ms),
            paused_since_ms=paused,
            gate=gate,
            gate_ms=gate_ms,
            readings_ms=self._enquirer.paused_until_ms(),
        )

    async def _facts(self, submission: Submission) -> list[dict[str, Any]]:
        now = self._clock.now_ms()
        told = [
            (at_ms, story.fact_shown(at_ms, event, orjson.loads(body)))
            for at_ms, event, body in await self._journal.facts_of(submission.id)
        ]
        gaps = [(gap.start_ms, story.gap_shown(gap, now)) for gap in await self._gaps(submission)]
        # Sorted by time alone: of one moment, the facts keep their order.
        return [shown for _, shown in sorted([*gaps, *told], key=lambda each: each[0])]

    async def _gaps(self, submission: Submission) -> Sequence[Gap]:
        """Those that touched its waiting: from its first attempt to its close."""
        first = first_sent(submission)
        if first is None:
            return ()
        end = submission.closed_ms or self._clock.now_ms()
        found = await self._journal.gaps_since(Millis(first.began_ms - 1))
        return story.touching(found, first.began_ms, end)


def _told(submission: Submission, around: Around, again: Submission | None) -> dict[str, Any]:
    """What is said of it, for people, and for programs beside it."""
    now, waiting = around.now_ms, around.waiting
    told: dict[str, Any] = {
        "at": rfc3339(now),
        "explanation": explain.explanation(submission, around),
        "waits_for": None,
        "usual": None,
        "next": [
            {
                "what": step.ahead,
                "at": rfc3339(step.at_ms),
                "words": explain.step_words(step, now),
            }
            for step in explain.steps_ahead(submission, around)
        ],
        "means": outcomes.means(submission) or None,
        "what_to_do": outcomes.what_to_do(submission, again) or None,
    }
    if waiting is None or submission.state is State.CLOSED:
        return told
    began = explain.waits_since_ms(submission, around)
    told["waits_for"] = {
        "what": waiting,
        "since": rfc3339(began),
        "for_ms": max(0, now - began),
        "words": explain.WAITS[waiting],
    }
    usual = around.usual
    told["usual"] = {
        "confirmed": usual.count,
        "since": rfc3339(usual.since_ms),
        "event_p50_ms": usual.event_p50_ms,
        "event_p90_ms": usual.event_p90_ms,
        "reply_p50_ms": usual.reply_p50_ms,
        "reply_p90_ms": usual.reply_p90_ms,
        "words": usual_words(usual, waiting),
    }
    return told
