"""How an emulator is set up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .faultbook import Odds
from .plan import CHOICES, PlanInvalid

MAX_FILE_BYTES = 5 * 1024 * 1024
"""The upstream's known limit."""


@dataclass(frozen=True, slots=True)
class Options:
    """``port`` 0: any free one, kept over a stop and a start. ``codes`` exist from the start; where
    ``auto_create``, others come into being when first asked for. ``success_status``: 200 or 201.

    Delays are counted in milliseconds: of the reply from its being ready, of the event from the
    update's being applied, of a job from its dispatch.

    The socket: ``join_event`` is what a client must emit before it hears anything (it is
    acknowledged with ``{"status": "ok"}``); ``socket_auth`` is the auth payload that it must bring.
    ``extra_argument``: each event carries a second argument, as servers with recovery add one.

    ``extract`` False: no text is read out of the files, for speed. ``control``: the routes that
    begin with an underscore, and the header ``X-Emulate``, are obeyed.
    """

    host: str = "127.0.0.1"
    port: int = 0
    base_path: str = "/cv-enhance"
    codes: tuple[str, ...] = field(default=(), repr=False)
    auto_create: bool = True
    success_status: int = 200
    reply_delay_ms: int = 0
    event_delay_ms: int = 20
    job_ms: int = 2_000
    max_file_bytes: int = MAX_FILE_BYTES
    extract: bool = True
    control: bool = True
    seed: int = 0
    faults: Mapping[str, Odds] = field(default_factory=dict)
    payload: str = "plain"
    extra_argument: bool = False
    socket_path: str = "/socket.io"
    namespace: str = "/"
    event: str = "cv_updated"
    join_event: str | None = None
    socket_auth: Mapping[str, object] | None = field(default=None, repr=False)
    transports: tuple[str, ...] = ("polling", "websocket")
    ping_interval_s: float = 25
    ping_timeout_s: float = 20

    def __post_init__(self) -> None:
        if not self.payload or self.payload not in CHOICES["payload"]:
            known = ", ".join(sorted(CHOICES["payload"] - {""}))
            raise PlanInvalid(f"expected payload to be one of {known}, found {self.payload!r}")
        if self.success_status not in (200, 201):
            raise PlanInvalid(
                f"expected success_status to be 200 or 201, found {self.success_status}"
            )
