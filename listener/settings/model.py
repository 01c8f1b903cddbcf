"""Every setting: its name, its kind, its default, and what it is for."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import Field, Secret, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from listener.core.errors import SettingsInvalid
from listener.core.names import LanePolicy

from . import kinds
from .agreement import disagreements
from .forms import Form, origin
from .functions import Named
from .secrets import secrets_in


class Group(StrEnum):
    """What settings stand together under, in the papers."""

    API = "The upstream's API"
    SOCKET = "The upstream's events"
    INTAKE = "The daemon's own HTTP"
    SENDING = "Sending"
    WAITING = "How long to wait"
    KEEPING = "What is kept"
    HANDLERS = "What is done on each outcome, and on other events"
    DAEMON = "The daemon and its log"


def _env(group: Group, name: str, default: object, *, otherwise: str = "") -> Any:
    """``default`` may be a function of what was validated before it, or of nothing; ``otherwise``
    then says in words what it gives."""
    about: dict[str, Any] = {
        "validation_alias": name,
        "json_schema_extra": {"group": group, "otherwise": otherwise},
    }
    if callable(default):
        return Field(default_factory=default, **about)
    return Field(default, **about)


def default_state_dir(env: Mapping[str, str]) -> Path:
    """systemd's state folder, else the user's (XDG). Raises SettingsInvalid without a home."""
    if given := env.get("STATE_DIRECTORY"):
        return Path(given.split(":")[0])
    base = Path(env.get("XDG_STATE_HOME", ""))
    if not base.is_absolute():
        try:
            base = Path(env.get("HOME") or Path.home()) / ".local" / "state"
        except RuntimeError:
            raise SettingsInvalid(
                "CV_STATE_DIR: expected a folder to keep state in, found none given and no home"
                " folder: set CV_STATE_DIR"
            ) from None
    return (base / "cv-listener").absolute()


class Settings(BaseSettings):
    """All settings, checked. Read by :func:`listener.settings.load`.

    Built by hand it takes plain values by field name, reads neither environment nor ``.env``, and
    raises pydantic's ValidationError. Secrets do not show in its ``repr``.
    """

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        populate_by_name=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
        validate_default=False,
    )

    api_base_url: kinds.HttpUrl = _env(
        Group.API, "CV_API_BASE_URL", "https://api-v2.uptal.com/cv-enhance"
    )
    """Where the upstream's records are. The default is its development host; in production it is
    `https://api.uptal.com/cv-enhance`."""
    api_timeout_s: kinds.Seconds = _env(Group.API, "CV_API_TIMEOUT", 10.0)
    """Bound on connecting, and on each step of a request. A reading ends within twice that."""
    api_upload_timeout_s: kinds.Seconds = _env(
        Group.API,
        "CV_API_UPLOAD_TIMEOUT",
        lambda known: 3 * known["api_timeout_s"],
        otherwise="three times CV_API_TIMEOUT",
    )
    """How long the line may stand still while a file is sent, and bound on waiting for the reply to
    it. A whole update ends within twice this and twice CV_API_TIMEOUT, and a second more for each 8
    KiB of the file: so slow may a line be, if it carries on."""
    api_headers: kinds.Headers = _env(Group.API, "CV_API_HEADERS", None)
    """Sent with every request: for authentication, say. A function is asked before each request, in
    a thread of its own unless it is a coroutine function; so it should keep a token that is still
    good. Where it fails, nothing is sent."""
    api_proxy: kinds.ProxyUrl = _env(Group.API, "CV_API_PROXY", None)
    """The proxy, for HTTP and for the socket. The usual proxy variables are not looked at."""
    tls_ca_file: kinds.CaFile = _env(Group.API, "CV_TLS_CA_FILE", None)
    """Authorities to trust besides the usual ones, for HTTP and for the socket."""
    retry_after_cap_s: kinds.Seconds = _env(Group.API, "CV_RETRY_AFTER_CAP", 300.0)
    """The longest quiet that the upstream may ask for with `Retry-After`."""
    not_applied_statuses: kinds.Statuses = _env(Group.API, "CV_NOT_APPLIED_STATUSES", ())
    """Statuses that a proxy before the upstream is known to give without passing anything on. After
    one of them an update is sent again without enquiry, so be sure."""

    socket_url: kinds.SocketUrl = _env(
        Group.SOCKET,
        "CV_SOCKET_URL",
        lambda known: origin(known["api_base_url"]),
        otherwise="scheme, host and port of CV_API_BASE_URL",
    )
    """The Socket.IO server."""
    socket_path: kinds.SocketPath = _env(Group.SOCKET, "CV_SOCKET_PATH", "/socket.io")
    """Its path."""
    socket_namespace: kinds.Namespace = _env(Group.SOCKET, "CV_SOCKET_NAMESPACE", "/")
    """The namespace that events come in."""
    socket_event: kinds.EventName = _env(Group.SOCKET, "CV_SOCKET_EVENT", "cv_updated")
    """The event to listen for."""
    socket_auth: kinds.JsonObject = _env(Group.SOCKET, "CV_SOCKET_AUTH", None)
    """Sent as Socket.IO's auth payload. A function is asked before each connection, in a thread of
    its own unless it is a coroutine function, for 10 seconds at most; where it fails, it is asked
    again."""
    socket_headers: kinds.Headers = _env(Group.SOCKET, "CV_SOCKET_HEADERS", None)
    """Sent with the socket's HTTP requests. A function is asked as for CV_SOCKET_AUTH."""
    socket_query: kinds.Texts = _env(Group.SOCKET, "CV_SOCKET_QUERY", None)
    """Added to the query of the socket's URL. A function is asked as for CV_SOCKET_AUTH."""
    socket_on_connect: kinds.Emits = _env(Group.SOCKET, "CV_SOCKET_ON_CONNECT", ())
    """What to emit once connected, where events come only to those who ask for them."""
    socket_transports: kinds.Transports = _env(Group.SOCKET, "CV_SOCKET_TRANSPORTS", ("websocket",))
    """How to connect. Over polling, what was missed while away cannot be recovered."""
    socket_backoff_cap_s: kinds.Seconds = _env(Group.SOCKET, "CV_SOCKET_BACKOFF_CAP", 30.0)
    """The longest wait before the next attempt to connect. The first is half a second, and each is
    twice the one before, until a connection holds."""

    intake_host: kinds.Host = _env(Group.INTAKE, "CV_INTAKE_HOST", "127.0.0.1")
    """The address that the daemon listens on."""
    intake_port: kinds.Port = _env(Group.INTAKE, "CV_INTAKE_PORT", 8600)
    """And the port; 0 takes any free one, which the command line finds."""
    intake_hosts: kinds.Hosts = _env(Group.INTAKE, "CV_INTAKE_HOSTS", ())
    """Further names that requests may call it by, beside localhost, any address, and
    CV_INTAKE_HOST."""
    intake_token: kinds.Token = _env(Group.INTAKE, "CV_INTAKE_TOKEN", None)
    """The token that may do everything. Where neither this nor CV_INTAKE_TOKENS is set, one is made
    and kept in the state folder, where the command line finds it."""
    intake_tokens: kinds.Tokens = _env(Group.INTAKE, "CV_INTAKE_TOKENS", None)
    """Tokens by what they may do; each scope includes those before it: read, submit, admin. The
    command line uses CV_INTAKE_TOKEN, or else an admin's."""
    gateway_open: kinds.Open = _env(Group.INTAKE, "CV_GATEWAY_OPEN", "auto")
    """Whether the gateway (`/cv-enhance/...`) wants no token; auto: where the daemon listens on
    this machine alone (loopback), it wants none."""
    metrics_open: kinds.Open = _env(Group.INTAKE, "CV_METRICS_OPEN", "auto")
    """Whether `/metrics` wants no token, but a token that may read (off) or none at all (on); auto:
    as the gateway, none where the daemon listens on this machine alone (loopback)."""
    gateway_wait_s: kinds.Seconds = _env(Group.INTAKE, "CV_GATEWAY_WAIT", 25.0)
    """How long the gateway lets a client wait for the upstream's last word on an update, before it
    answers 504. Below the 30 seconds that most who upload wait, so that they hear of it."""

    spool_watch: kinds.OptionalFolder = _env(Group.INTAKE, "CV_SPOOL_WATCH", None)
    """A folder to watch: a CV that is put there becomes a submission (docs/watched-folder.md)."""
    spool_watch_settle_s: kinds.Seconds = _env(Group.INTAKE, "CV_SPOOL_WATCH_SETTLE", 3.0)
    """How long a file there must lie unchanged to count as complete."""
    spool_watch_poll: kinds.Poll = _env(Group.INTAKE, "CV_SPOOL_WATCH_POLL", "auto")
    """Whether that folder is looked into again and again instead of being told of changes by the
    system: auto, where it is on a network."""

    lane_policy: kinds.Policy = _env(Group.SENDING, "CV_LANE_POLICY", LanePolicy.QUEUE)
    """What a second update of one CV does while another is open: wait in line (queue), be refused
    (reject), or replace those of which nothing was possibly sent (coalesce)."""
    max_attempts: kinds.Attempts = _env(Group.SENDING, "CV_MAX_ATTEMPTS", 3)
    """How many attempts of one submission may be possibly sent."""
    max_in_flight: kinds.InFlight = _env(Group.SENDING, "CV_MAX_IN_FLIGHT", 16)
    """How many attempts are made at one time."""
    listen_wait_s: kinds.Seconds = _env(Group.SENDING, "CV_LISTEN_WAIT", 30.0)
    """How long an update that could be sent waits for the subscription where there is none, before
    it is sent all the same: presumed at best, unless its event is replayed. Counts from when it
    could be sent or the subscription was lost, whichever came later. Where the upstream is found to
    answer again, all wait up to 10 s more."""
    baseline: kinds.Switch = _env(Group.SENDING, "CV_BASELINE", True)
    """Whether the record is read right before sending. Without that nothing in doubt is ever sent
    again."""
    max_file_bytes: kinds.Size = _env(Group.SENDING, "CV_MAX_FILE_BYTES", 5 << 20)
    """The largest file that is taken. The upstream's known limit is 5 MiB."""

    confirm_timeout_s: kinds.Seconds = _env(Group.WAITING, "CV_CONFIRM_TIMEOUT", 30.0)
    """How long to wait for the event, from the end of the attempt."""
    settle_period_s: kinds.Seconds = _env(Group.WAITING, "CV_SETTLE_PERIOD", 30.0)
    """After how long a record that has not moved is believed, and the update may be sent again. It
    must exceed the longest that the upstream takes to apply an update."""
    enquiries_s: kinds.SecondsList = _env(Group.WAITING, "CV_ENQUIRIES", (2.0, 5.0, 15.0))
    """When the record is read while an attempt is in doubt, from the end of the attempt; it is read
    again after CV_SETTLE_PERIOD in any case."""
    give_up_after_s: kinds.Seconds = _env(Group.WAITING, "CV_GIVE_UP_AFTER", 3_600.0)
    """The end of all waiting for what was possibly sent."""
    deliver_within_s: kinds.Seconds = _env(Group.WAITING, "CV_DELIVER_WITHIN", 86_400.0)
    """The end of trying, while nothing was possibly sent."""
    late_window_s: kinds.Seconds = _env(Group.WAITING, "CV_LATE_WINDOW", 86_400.0)
    """How long a late event may still correct an outcome."""

    state_dir: kinds.Folder = _env(
        Group.KEEPING,
        "CV_STATE_DIR",
        lambda: default_state_dir(os.environ),
        otherwise="systemd's $STATE_DIRECTORY, else $XDG_STATE_HOME/cv-listener, else"
        " ~/.local/state/cv-listener",
    )
    """The folder of journal, files, key and token. Each daemon has its own."""
    keep_unresolved_s: kinds.Seconds = _env(Group.KEEPING, "CV_KEEP_UNRESOLVED", 86_400.0)
    """How long the file of an unresolved submission is kept, so that it can be retried."""
    spool_quota_bytes: kinds.Size = _env(Group.KEEPING, "CV_SPOOL_QUOTA", 1 << 30)
    """How much room the files may take; beyond it submissions are refused."""
    retention_days: kinds.Days = _env(Group.KEEPING, "CV_RETENTION_DAYS", 30)
    """After how many days closed submissions are deleted."""
    ref_key: kinds.Key = _env(
        Group.KEEPING, "CV_REF_KEY", None, otherwise="made once, and kept in the state folder"
    )
    """The key behind cv_ref. Daemons with the same key give one code the same cv_ref."""
    ref_key_previous: kinds.Key = _env(Group.KEEPING, "CV_REF_KEY_PREVIOUS", None)
    """The key before this one: while it is set, lines tell the earlier cv_ref, too."""
    rotation_period_s: kinds.Period = _env(Group.KEEPING, "CV_ROTATION_PERIOD", 86_400.0)
    """How long after a change a token or a key of before is still known. With 0, not at all."""

    outcome_handlers: kinds.Handlers = _env(Group.HANDLERS, "CV_OUTCOME_HANDLERS", ("log",))
    """What is called with each outcome, at least once. The page docs/handlers.md
    tells of each."""
    event_handlers: kinds.EventHandlers = _env(Group.HANDLERS, "CV_EVENT_HANDLERS", ())
    """Functions that are called with events other than CV_SOCKET_EVENT, at least once, in order.
    Several may be named for one event, and one for several."""
    handler_timeout_s: kinds.Seconds = _env(Group.HANDLERS, "CV_HANDLER_TIMEOUT", 30.0)
    """How long one call of a handler may take: a request of webhook or chat, a run of the program,
    a function."""
    handler_proxy: kinds.ProxyUrl = _env(Group.HANDLERS, "CV_HANDLER_PROXY", None)
    """The proxy for webhook and chat. Neither CV_API_PROXY nor the usual proxy variables are looked
    at."""
    webhook_url: kinds.PostUrl = _env(Group.HANDLERS, "CV_WEBHOOK_URL", None)
    """Where the handler webhook POSTs each outcome."""
    webhook_secret: kinds.WebhookSecrets = _env(Group.HANDLERS, "CV_WEBHOOK_SECRET", None)
    """What it signs with. While receivers change from one secret to the next, both with a comma
    between: all of them sign."""
    chat_url: kinds.PostUrl = _env(Group.HANDLERS, "CV_CHAT_URL", None)
    """The incoming webhook of a chat's channel, where the handler chat POSTs what is unresolved."""
    program: kinds.Command = _env(Group.HANDLERS, "CV_PROGRAM", ())
    """What the handler program runs on each outcome, without a shell. It is shown in the log: no
    place for a secret."""

    log_format: kinds.LogFormat = _env(Group.DAEMON, "CV_LOG_FORMAT", "auto")
    """One JSON object a line (json), or lines for people (console); auto: on a terminal for
    people."""
    log_level: kinds.LogLevel = _env(Group.DAEMON, "CV_LOG_LEVEL", "info")
    """The least that is written."""
    heartbeat_s: kinds.Seconds = _env(Group.DAEMON, "CV_HEARTBEAT", 30.0)
    """How often daemon.heartbeat is written."""
    drain_timeout_s: kinds.Seconds = _env(Group.DAEMON, "CV_DRAIN_TIMEOUT", 10.0)
    """How long, at SIGTERM, attempts under way may take to end."""
    traces_url: kinds.PostUrl = _env(Group.DAEMON, "CV_TRACES_URL", None)
    """Where traces are sent, as OTLP over HTTP: `http://127.0.0.1:4318/v1/traces`, say. It needs
    the extra otel. The page docs/traces.md tells more."""
    replica: kinds.Name = _env(
        Group.DAEMON,
        "CV_REPLICA",
        lambda: os.uname().nodename or "unnamed",
        otherwise="the host's name",
    )
    """What this instance is called in the log."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What it is given alone: the environment is read by ``load``, which knows where each value
        came from, refuses unknown names, and shows no secret."""
        return (init_settings,)

    @model_validator(mode="after")
    def _agree(self) -> Settings:
        if wrong := list(disagreements(self)):
            raise ValueError("\n".join(wrong))
        return self

    # What is secret, in plain: each call gives an object of its own.

    def api_headers_plain(self) -> dict[str, str]:
        """Names and values, unless a function makes them."""
        return _plain(self.api_headers) or {}

    def api_proxy_plain(self) -> str | None:
        """The proxy's URL, its credentials included."""
        return self.api_proxy.get_secret_value() if self.api_proxy else None

    def webhook_url_plain(self) -> str:
        """Empty where there is none."""
        return self.webhook_url.get_secret_value() if self.webhook_url else ""

    def webhook_secret_plain(self) -> tuple[str, ...]:
        """All that sign."""
        return self.webhook_secret.get_secret_value() if self.webhook_secret else ()

    def chat_url_plain(self) -> str:
        """Empty where there is none."""
        return self.chat_url.get_secret_value() if self.chat_url else ""

    def traces_url_plain(self) -> str:
        """Empty where there is none."""
        return self.traces_url.get_secret_value() if self.traces_url else ""

    def handler_proxy_plain(self) -> str | None:
        """The proxy's URL, its credentials included."""
        return self.handler_proxy.get_secret_value() if self.handler_proxy else None

    def socket_auth_plain(self) -> dict[str, Any] | None:
        """The auth payload, unless a function makes it."""
        return _plain(self.socket_auth)

    def socket_headers_plain(self) -> dict[str, str] | None:
        """Names and values, unless a function makes them."""
        return _plain(self.socket_headers)

    def socket_query_plain(self) -> dict[str, str] | None:
        """Names and values, unless a function makes them."""
        return _plain(self.socket_query)

    def intake_tokens_plain(self) -> dict[str, str]:
        """Token → scope, of CV_INTAKE_TOKENS alone."""
        return dict(self.intake_tokens.get_secret_value()) if self.intake_tokens else {}

    @property
    def cli_token(self) -> str | None:
        """A token that may do everything, for the command line. None: the state folder's."""
        if self.intake_token is not None:
            return self.intake_token.get_secret_value()
        tokens = self.intake_tokens_plain().items()
        return next((token for token, scope in tokens if scope == "admin"), None)

    def secrets(self) -> frozenset[str]:
        """Every text in them that nothing may show."""
        return secrets_in(self)

    def changed(self) -> dict[str, str]:
        """Name → value of what was set, as one writes it; of a secret, only that it is there."""
        return {
            known.name: known.form.show(getattr(self, known.field))
            for known in known_settings()
            if known.field in self.model_fields_set
        }


def _plain(given: Secret[Any] | Named | None) -> dict[str, Any] | None:
    return dict(given.get_secret_value()) if isinstance(given, Secret) else None


@dataclass(frozen=True, slots=True)
class Known:
    """One setting, for papers and messages. ``default``: as one writes it, empty for none.
    ``otherwise``: where the default depends, in words on what."""

    name: str
    field: str
    group: Group
    form: Form
    meaning: str
    default: str
    otherwise: str


def known_settings() -> tuple[Known, ...]:
    """Every setting, in order."""
    return tuple(_known(field) for field in Settings.model_fields)


def _known(field: str) -> Known:
    info = Settings.model_fields[field]
    extra = info.json_schema_extra
    form = next(item for item in info.metadata if isinstance(item, Form))
    if not isinstance(extra, dict):
        raise TypeError(f"expected {field} to be made by _env")
    default = "" if info.default_factory else form.show(info.default)
    return Known(
        name=str(info.validation_alias),
        field=field,
        group=Group(str(extra["group"])),
        form=form,
        meaning=" ".join((info.description or "").split()),
        default="" if form.secret else default,
        otherwise=str(extra["otherwise"]),
    )
