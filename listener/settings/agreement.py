"""What each setting may be alone, and not together with others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from .functions import events_of

if TYPE_CHECKING:
    from .model import Settings


def disagreements(settings: Settings) -> Iterator[str]:
    """A line for each setting that another one rules out: which, and what to do."""
    settle, give_up = settings.settle_period_s, settings.give_up_after_s
    if give_up < settle:
        yield (
            f"CV_GIVE_UP_AFTER: expected CV_SETTLE_PERIOD ({settle:g}) or more, found {give_up:g}:"
            " raise it, or nothing in doubt could be resolved"
        )
    if settings.late_window_s < settle:
        yield (
            f"CV_LATE_WINDOW: expected CV_SETTLE_PERIOD ({settle:g}) or more, found"
            f" {settings.late_window_s:g}: raise it, or the enquiry after the settle period could"
            " correct nothing"
        )
    if settings.spool_quota_bytes < settings.max_file_bytes:
        yield (
            f"CV_SPOOL_QUOTA: expected CV_MAX_FILE_BYTES ({settings.max_file_bytes}) or more, found"
            f" {settings.spool_quota_bytes}: raise it, or no file of that size fits"
        )
    kept_s = settings.retention_days * 86_400
    for name, needed_s in (
        ("CV_LATE_WINDOW", settings.late_window_s),
        ("CV_KEEP_UNRESOLVED", settings.keep_unresolved_s),
    ):
        if kept_s < needed_s:
            yield (
                f"CV_RETENTION_DAYS: expected {name} ({needed_s:g} seconds) or more, found"
                f" {settings.retention_days} days: raise it, or what is needed would be deleted"
            )
    token = settings.intake_token
    if token is not None and token.get_secret_value() in settings.intake_tokens_plain():
        yield (
            "CV_INTAKE_TOKENS: expected other tokens than CV_INTAKE_TOKEN, found it among them:"
            " give each its own"
        )
    if settings.spool_watch is not None and _inside(settings.spool_watch, settings.state_dir):
        yield (
            "CV_SPOOL_WATCH: expected a folder of its own, found one that is CV_STATE_DIR, holds it"
            " or lies within it: choose another"
        )
    if settings.socket_event in events_of(settings.event_handlers):
        yield (
            "CV_EVENT_HANDLERS: expected other events than CV_SOCKET_EVENT"
            f" ({settings.socket_event}), found it among them: take it out; what becomes of an"
            " update is told by CV_OUTCOME_HANDLERS"
        )
    yield from _handlers(settings)


def _inside(one: Path, other: Path) -> bool:
    return one.is_relative_to(other) or other.is_relative_to(one)


def _handlers(settings: Settings) -> Iterator[str]:
    """A handler that is named has what it needs; what is set for one is set for one that is
    named."""
    needs: dict[str, dict[str, object]] = {
        "webhook": {
            "CV_WEBHOOK_URL": settings.webhook_url,
            "CV_WEBHOOK_SECRET": settings.webhook_secret,
        },
        "chat": {"CV_CHAT_URL": settings.chat_url},
        "program": {"CV_PROGRAM": settings.program},
    }
    for handler, given in needs.items():
        named = handler in settings.outcome_handlers
        for name, value in given.items():
            if named and not value:
                yield (
                    f"{name}: expected it to be set, because CV_OUTCOME_HANDLERS names {handler},"
                    f" found nothing: set it, or take {handler} out of CV_OUTCOME_HANDLERS"
                )
            elif value and not named:
                yield (
                    f"{name}: expected {handler} in CV_OUTCOME_HANDLERS, found it not named there:"
                    f" add it, or take {name} out"
                )
