"""The outcome handlers that come with it, by the names that the settings have for them."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field

from listener.ports.log import Log
from listener.ports.reaction import Handler

from .chat import chat
from .log import outcome_log
from .posting import Poster
from .program import program
from .webhook import webhook

NAMES = ("log", "webhook", "chat", "program")


@dataclass(frozen=True, slots=True)
class Means:
    """What they are made of. ``path``: where programs are looked for. ``proxy``: an ``http://``
    URL, with credentials."""

    log: Log
    ssl_context: ssl.SSLContext
    user_agent: str
    timeout_s: float
    path: str
    proxy: str | None = field(default=None, repr=False)
    webhook_url: str = field(default="", repr=False)
    webhook_secrets: tuple[str, ...] = field(default=(), repr=False)
    chat_url: str = field(default="", repr=False)
    program: tuple[str, ...] = ()


def shipped(name: str, means: Means) -> tuple[Handler, Poster | None]:
    """The handler of that name, and what is to be closed after it. Raises LookupError where none
    comes with it."""
    match name:
        case "log":
            return Handler(name, outcome_log(means.log), timeout_s=means.timeout_s), None
        case "program":
            handle = program(means.program, means.path)
            return Handler(name, handle, at_once=4, timeout_s=means.timeout_s), None
        case "webhook":
            poster = _poster(means)
            handle = webhook(poster, means.webhook_url, means.webhook_secrets)
            return Handler(name, handle, at_once=16, timeout_s=means.timeout_s), poster
        case "chat":
            poster = _poster(means)
            handle = chat(poster, means.chat_url)
            # One after the other: a channel reads them in order, and takes no more than a few.
            return Handler(name, handle, at_once=1, timeout_s=means.timeout_s), poster
        case _:
            raise LookupError(name)


def _poster(means: Means) -> Poster:
    return Poster(ssl_context=means.ssl_context, user_agent=means.user_agent, proxy=means.proxy)
