"""The outcome handler ``chat``: what is unresolved, as a sentence in a chat's channel."""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from listener.core.names import Outcome
from listener.core.reasons import ATTEMPT, CLOSE, find
from listener.ports.reaction import OutcomeHandler

from .posting import Poster

WORDS: dict[str, str] = {
    Outcome.UNCONFIRMED: "It was possibly sent, and no event came for it.",
    Outcome.NOT_DISPATCHED: "It was accepted, and its record never moved.",
    Outcome.UNDELIVERED: "It could not be sent in time.",
    Outcome.REJECTED: "The upstream refused it.",
}
"""The outcomes that somebody should look at, and what is said where no reason is known."""


def chat(poster: Poster, url: str) -> OutcomeHandler:
    """A handler that POSTs ``{"text": …}``, as the incoming webhooks of Slack, Mattermost, Teams
    and others take it, for each unresolved outcome and for each correction of one. Told twice after
    a crash, it stands in the channel twice, with the same id."""

    async def handle(submission: Mapping[str, object]) -> None:
        text = sentence(submission)
        if text is not None:
            body = orjson.dumps({"text": text})
            await poster.post(url, body, {"Content-Type": "application/json"})

    return handle


def sentence(submission: Mapping[str, object]) -> str | None:
    """What to say of it, None for nothing. All of its words are ours."""
    outcome, before = str(submission["outcome"]), submission["outcome_before"]
    about = f"The CV update of {submission['cv_ref']}"
    where = f"(submission {submission['id']})"
    if outcome in WORDS:
        why = find({**ATTEMPT, **CLOSE}, submission["reason"])
        return f"{about} is {outcome}. {why.meaning if why else WORDS[outcome]} {where}"
    if isinstance(before, str) and before in WORDS:
        return f"{about} is {outcome} after all, and not {before}. {where}"
    return None
