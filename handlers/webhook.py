"""The outcome handler ``webhook``: each outcome as a signed POST, by https://www.standardwebhooks.com."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import orjson
from standardwebhooks import Webhook

from listener.ports.reaction import OutcomeHandler

from .posting import Poster

CLOSED, CORRECTED = "submission.closed", "submission.corrected"


def webhook(poster: Poster, url: str, secrets: Sequence[str]) -> OutcomeHandler:
    """A handler that POSTs ``{"type", "timestamp", "data"}``, ``data`` being the submission.

    ``secrets``: each ``whsec_…``; the body is signed with every one of them, so that a receiver may
    know any. ``webhook-id`` is the same whenever the same version of a submission is told, and no
    other: what makes it safe to hear twice.
    """
    keys = [Webhook(secret) for secret in secrets]

    async def handle(submission: Mapping[str, object]) -> None:
        body = orjson.dumps(message(submission))
        await poster.post(url, body, signed(keys, message_id(submission), body))

    return handle


def message(submission: Mapping[str, object]) -> dict[str, object]:
    """What is told. ``timestamp``: since when it is so, not when it is told."""
    corrected = submission["corrected_at"]
    return {
        "type": CLOSED if corrected is None else CORRECTED,
        "timestamp": corrected or submission["closed_at"],
        "data": submission,
    }


def message_id(submission: Mapping[str, object]) -> str:
    """Holds no full stop: the signature puts one behind it."""
    return f"{submission['id']}-{submission['version']}"


def signed(keys: Sequence[Webhook], identity: str, body: bytes) -> dict[str, str]:
    """The headers, as of now."""
    now = datetime.now(UTC)
    text = body.decode()
    return {
        "Content-Type": "application/json",
        "webhook-id": identity,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(key.sign(identity, now, text) for key in keys),
    }
