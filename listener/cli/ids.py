"""The id of a submission, as typed."""

from __future__ import annotations

from . import exits


def path_of(submission_id: str) -> str:
    """Where the daemon has it. Raises CommandFailed for what is no id: it may be a code, typed by
    mistake, which must not travel in a URL."""
    if len(submission_id) != 36 or not set(submission_id.lower()) <= set("0123456789abcdef-"):
        raise exits.CommandFailed(
            exits.USAGE,
            "expected the id of a submission, 36 characters, found another form",
            "ids are told by 'cv-listener list'",
        )
    return f"/v1/submissions/{submission_id.lower()}"
