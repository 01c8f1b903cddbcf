"""The kinds of settings, as annotations of the model's fields."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Secret, SecretStr

from listener.core import seconds
from listener.core.names import LanePolicy

from . import forms, objects
from .forms import Form
from .functions import PATTERN, Named, or_named, read_event_handler
from .objects import ConnectEmit


def _whole(least: int, most: int, example: int) -> Form:
    return Form(f"a whole number from {least} to {most}", str(example), forms.whole(least, most))


_NO_TEXT = r"\x00-\x1f\x7f\ud800-\udfff"
"""Of a character class: what steers, and what bytes that are not UTF-8 come to."""

_SECONDS = Form(seconds.EXPECTED, "30", forms.read_seconds)
Seconds = Annotated[float, _SECONDS]
Period = Annotated[
    float, Form("seconds, or a number with ms, s, m, h or d; 0 for none", "24h", forms.read_period)
]
SecondsList = Annotated[
    tuple[float, ...],
    Form(
        "seconds, 0.001 or more, or numbers with ms, s, m, h or d, with commas between, each"
        " more than the last; or nothing, for none",
        "2,5,15",
        forms.list_of(forms.read_seconds, rising=True, empty=True),
        empty=True,
    ),
]
Size = Annotated[int, Form("bytes, or a number with KiB, MiB or GiB", "5MiB", forms.read_size)]
Port = Annotated[int, _whole(0, 65_535, 8600)]
Attempts = Annotated[int, _whole(1, 100, 3)]
InFlight = Annotated[int, _whole(1, 1_000, 16)]
Days = Annotated[int, _whole(1, 3_650, 30)]
Switch = Annotated[bool, Form("on or off", "on", forms.read_switch)]
Statuses = Annotated[
    tuple[int, ...],
    Form(
        "HTTP statuses from 400 to 599 with commas between",
        "502,504",
        forms.list_of(forms.whole(400, 599), empty=True),
    ),
]

Folder = Annotated[Path, Form("a folder's path", "/var/lib/cv-listener", forms.read_folder)]
OptionalFolder = Annotated[Path | None, Form("a folder's path", "/srv/cvs", forms.read_folder)]
Poll = Annotated[
    Literal["auto", "on", "off"], Form("auto, on or off", "on", forms.one_of("auto", "on", "off"))
]
CaFile = Annotated[
    Path | None,
    Form("a file of certificates (PEM)", "/etc/ssl/own-ca.pem", forms.read_ca_file),
]

HttpUrl = Annotated[
    str,
    Form(
        "an http or https URL with a host, without query and fragment",
        "https://api.uptal.com/cv-enhance",
        forms.url("http", "https"),
    ),
]
SocketUrl = Annotated[
    str,
    Form(
        "an http, https, ws or wss URL with a host, and no more",
        "https://api.uptal.com",
        forms.url("http", "https", "ws", "wss", path_belongs="into CV_SOCKET_PATH"),
    ),
]
ProxyUrl = Annotated[
    SecretStr | None,
    Form(
        "an http URL with a host, and with credentials where it wants some",
        "http://proxy.example:3128",
        forms.url("http", path_belongs="nowhere", credentials=True),
        secret=True,
    ),
]
SocketPath = Annotated[
    str, Form("a path that begins with /", "/socket.io", forms.matching(r"/[!->@-~]*"))
]
Namespace = Annotated[
    str, Form("a namespace that begins with /", "/cvs", forms.matching(rf"/[^\s,?{_NO_TEXT}]*"))
]
EventName = Annotated[
    str, Form("an event's name", "cv_updated", forms.matching(rf"[^{_NO_TEXT}]+"))
]
Transports = Annotated[
    tuple[Literal["websocket", "polling"], ...],
    Form(
        "websocket, polling, or both with a comma between",
        "websocket,polling",
        forms.list_of(forms.one_of("websocket", "polling")),
    ),
]
Host = Annotated[
    str, Form("an address or a host's name", "127.0.0.1", forms.matching(r"[0-9A-Za-z.:_-]+"))
]
Hosts = Annotated[
    tuple[str, ...],
    Form(
        "hosts' names with commas between",
        "cv-listener.internal",
        forms.list_of(forms.matching(r"[0-9A-Za-z._-]+"), empty=True),
    ),
]

Headers = Annotated[
    Secret[dict[str, str]] | Named | None,
    Form(
        "a JSON object of header names and values, or a function as package.module:function",
        '{"Authorization": "Bearer ..."}',
        or_named(objects.read_headers),
        secret=True,
    ),
]
JsonObject = Annotated[
    Secret[dict[str, Any]] | Named | None,
    Form(
        "a JSON object, or a function as package.module:function",
        '{"token": "..."}',
        or_named(objects.read_object),
        secret=True,
    ),
]
Texts = Annotated[
    Secret[dict[str, str]] | Named | None,
    Form(
        "a JSON object of texts, or a function as package.module:function",
        '{"client": "cv-listener"}',
        or_named(objects.read_texts),
        secret=True,
    ),
]
Emits = Annotated[
    tuple[ConnectEmit, ...],
    Form(
        'a JSON list of emits, each a name, ["name", args...], or'
        ' {"event": ..., "args": [...], "ack_timeout": seconds or null}',
        '[["subscribe", {"channel": "cvs"}]]',
        objects.read_emits,
        secret=True,
    ),
]
Token = Annotated[
    SecretStr | None,
    Form(
        "a token of 8 or more letters, digits and . _ ~ + / -",
        "...",
        forms.read_token,
        secret=True,
    ),
]
Tokens = Annotated[
    Secret[dict[str, str]] | None,
    Form(
        "a JSON object from token, of 8 or more letters, digits and . _ ~ + / -, to scope (read,"
        " submit, admin) or a list of scopes; or from scope to token or a list of tokens",
        '{"(a token)": "submit", "(another)": ["read", "admin"]}',
        objects.read_tokens,
        secret=True,
    ),
]
Key = Annotated[
    SecretStr | None,
    Form(
        "a text of 16 or more characters",
        "...",
        forms.matching(r"[^\ud800-\udfff]{16,}"),
        secret=True,
    ),
]

Policy = Annotated[
    LanePolicy, Form("queue, reject or coalesce", "queue", forms.one_of(*LanePolicy))
]
Open = Annotated[
    Literal["auto", "on", "off"],
    Form("auto, on or off", "off", forms.one_of("auto", "on", "off")),
]
LogFormat = Annotated[
    Literal["auto", "json", "console"],
    Form("auto, json or console", "json", forms.one_of("auto", "json", "console")),
]
LogLevel = Annotated[
    Literal["debug", "info", "warning", "error", "critical"],
    Form(
        "debug, info, warning, error or critical",
        "info",
        forms.one_of("debug", "info", "warning", "error", "critical"),
    ),
]
Handlers = Annotated[
    tuple[str, ...],
    Form(
        "log, webhook, chat, program, or functions as package.module:function, with commas between",
        "log,your_package.hooks:on_outcome",
        forms.list_of(forms.matching(f"log|webhook|chat|program|{PATTERN}")),
    ),
]
EventHandlers = Annotated[
    tuple[str, ...],
    Form(
        "EVENT=package.module:function, or several of them with commas between, each once",
        "cv_viewed=your_package.hooks:on_viewed",
        forms.list_of(read_event_handler),
    ),
]
PostUrl = Annotated[
    SecretStr | None,
    Form(
        "an http or https URL with a host",
        "https://hooks.example/...",
        forms.url("http", "https", credentials=True, query=True),
        secret=True,
    ),
]
WebhookSecrets = Annotated[
    Secret[tuple[str, ...]] | None,
    Form(
        "whsec_ and 24 to 64 bytes in base64, or several of them with commas between",
        "whsec_...",
        forms.list_of(forms.read_webhook_secret),
        secret=True,
    ),
]
Command = Annotated[
    tuple[str, ...],
    Form(
        "a program and its arguments, quoted as a shell would have it",
        "/usr/local/bin/on-outcome --channel ops",
        forms.read_command,
    ),
]
Name = Annotated[
    str, Form("a name without spaces", "cv-listener-0", forms.matching(r"[!-~]{1,255}"))
]
