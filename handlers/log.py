"""The outcome handler ``log``: says which outcomes handlers have heard of."""

from __future__ import annotations

from collections.abc import Mapping

from listener.ports.log import Log
from listener.ports.reaction import OutcomeHandler


def outcome_log(log: Log) -> OutcomeHandler:
    """A handler that writes ``outcome.reported``: at least once for each version, after a crash
    too, where the canonical line tells each close but once."""

    async def handle(submission: Mapping[str, object]) -> None:
        log.emit(
            "outcome.reported",
            submission_id=submission["id"],
            cv_ref=submission["cv_ref"],
            outcome=submission["outcome"],
            attribution=submission["attribution"],
            late=submission["late"],
            submission_version=submission["version"],
        )

    return handle
