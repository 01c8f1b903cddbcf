"""What in the settings nothing may show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from .model import Settings


def secrets_in(settings: Settings) -> frozenset[str]:
    """Every text of it: whole, and by its words."""
    known = (settings.intake_token, settings.ref_key, settings.ref_key_previous)
    keys = (key for key in known if key is not None)
    proxies = (settings.api_proxy_plain() or "", settings.handler_proxy_plain() or "")
    urls = (settings.webhook_url_plain(), settings.chat_url_plain(), settings.traces_url_plain())
    posts = [urlsplit(url) for url in urls]
    given = [
        *(settings.api_headers_plain(), settings.socket_auth_plain()),
        *(settings.socket_headers_plain(), settings.socket_query_plain()),
        [emit.args for emit in settings.socket_on_connect],
        [*settings.intake_tokens_plain(), *(key.get_secret_value() for key in keys)],
        [urlsplit(proxy).password for proxy in proxies],
        *([url.geturl(), url.password] for url in posts),
        # Of most chats the path is the secret. A short one is a word, and stands elsewhere, too.
        [part for url in posts for part in (url.path.strip("/"), url.query) if len(part) >= 12],
        settings.webhook_secret_plain(),
    ]
    return frozenset(_texts(given))


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, str) and value:
        yield value
        # "Bearer …": the token alone, too.
        yield from (word for word in value.split() if len(word) > len("Bearer"))
