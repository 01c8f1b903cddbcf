"""What becomes of one request: the plan, the named faults, and how either is read from outside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from types import MappingProxyType

from listener.core.errors import CvListenerError

CHOICES: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "on": frozenset({"post", "get"}),
        "answer": frozenset(
            {
                *("ok", "error", "throttled", "unavailable", "not_found", "status_error"),
                *("unreadable", "redirect", "truncated", "slow", "reset", "close", "hang"),
            }
        ),
        "apply": frozenset({"before", "after", "never"}),
        "jobs": frozenset({"both", "enhancement", "none"}),
        "failing": frozenset({"none", "enhancement", "analysis", "both"}),
        "payload": frozenset({"", "plain", "wrapped", "minimal", "full", "reply", "hostile"}),
        "foreign": frozenset({"none", "before", "after"}),
        "retry_after_form": frozenset({"seconds", "date"}),
    }
)
"""The words that each field of a plan may hold."""

UNSET = -1
"""Of a delay or a status: the emulator's own setting holds."""

LONGEST_MS = 3_600_000


class PlanInvalid(CvListenerError, ValueError):
    """The caller's fault: a plan with a field or a word that does not exist."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The treatment of the next ``times`` requests of one kind.

    ``name``: what the ledger calls it. ``on``: ``post`` (an update) or ``get`` (a reading).

    The answer. ``answer``: ``ok``; ``error`` (500) · ``throttled`` (429) · ``unavailable`` (503) ·
    ``not_found`` (404) · ``status_error`` (200 whose body says error) · ``unreadable`` (200 that is
    no JSON) · ``redirect`` (307), each with ``status`` in place of its own where that is set;
    ``truncated`` (closed half-way through the body) · ``slow`` (a byte at a time, over
    ``slow_ms``); ``reset`` (a TCP RST) · ``close`` (a FIN, no answer) · ``hang`` (no answer, until
    the client leaves). ``read_body`` False: it comes as soon as the head was read.
    ``retry_after_s`` goes out with 429 and 503, as seconds or as a date; UNSET sends none.

    The truth. ``apply``: whether the update is applied ``before`` the answer, as the upstream does
    it, ``after`` it (or after the break), or ``never``, whatever the answer says. What is applied
    moves the record, dispatches ``jobs``, and emits ``events`` events of the shape ``payload``, the
    first ``event_delay_ms`` after; with ``event_first`` they are out before the answer begins.
    ``chaff`` hostile events precede them. ``failing`` names the jobs that will fail.
    ``foreign``: another party's update moves the record and emits, right before or after this one.

    A reading: ``omit`` names fields of the record that it leaves out.
    """

    name: str = "none"
    on: str = "post"
    times: int = 1
    answer: str = "ok"
    status: int = UNSET
    read_body: bool = True
    reply_delay_ms: int = UNSET
    slow_ms: int = 1_000
    retry_after_s: int = UNSET
    retry_after_form: str = "seconds"
    apply: str = "before"
    apply_delay_ms: int = 0
    jobs: str = "both"
    job_ms: int = UNSET
    failing: str = "none"
    events: int = 1
    event_delay_ms: int = UNSET
    event_first: bool = False
    payload: str = ""
    chaff: int = 0
    foreign: str = "none"
    foreign_delay_ms: int = 0
    omit: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, words in CHOICES.items():
            if (found := getattr(self, name)) not in words:
                raise PlanInvalid(f"expected {name} to be one of {_listed(words)}, found {found!r}")
        for field in fields(self):
            value = getattr(self, field.name)
            if type(field.default) is int and not UNSET <= value <= LONGEST_MS:
                raise PlanInvalid(
                    f"expected {field.name} from {UNSET} to {LONGEST_MS}, found {value}"
                )
        if self.times < 1:
            raise PlanInvalid(f"expected times to be 1 at least, found {self.times}")
        if self.status != UNSET and not 200 <= self.status <= 599:
            raise PlanInvalid(f"expected status from 200 to 599, found {self.status}")
        if not self.read_body and self.apply != "never":
            raise PlanInvalid("expected apply=never with read_body=false: there is no file to take")


def _named(name: str, **changes: object) -> tuple[str, Plan]:
    return name, replace(Plan(), name=name, **changes)  # type: ignore[arg-type]  # checked by use


FAULTS: Mapping[str, Plan] = MappingProxyType(
    dict(
        [
            _named("late_reply", reply_delay_ms=3_000),
            _named("late_event", event_delay_ms=3_000),
            _named("event_first", event_first=True),
            _named("no_event", events=0),
            _named("two_events", events=2),
            _named("error_before", answer="error", apply="never"),
            _named("error_after", answer="error"),
            _named("error_late", answer="error", apply="after", apply_delay_ms=500),
            _named("reset_mid_body", answer="reset", apply="never", read_body=False),
            _named("reset_before", answer="reset", apply="never"),
            _named("reset_after", answer="reset"),
            _named("reset_late", answer="reset", apply="after", apply_delay_ms=500),
            _named("close_before", answer="close", apply="never"),
            _named("close_after", answer="close"),
            _named("hang_before", answer="hang", apply="never"),
            _named("hang_after", answer="hang"),
            _named("throttled", answer="throttled", apply="never", retry_after_s=1),
            _named("unavailable", answer="unavailable", apply="never", retry_after_s=1),
            _named("not_found", answer="not_found", apply="never"),
            _named("status_error", answer="status_error", apply="never"),
            _named("unreadable", answer="unreadable"),
            _named("redirect", answer="redirect", apply="never"),
            _named("truncated_reply", answer="truncated"),
            _named("slow_reply", answer="slow"),
            _named("foreign_before", foreign="before"),
            _named("foreign_after", foreign="after"),
            _named("hostile_event", payload="hostile"),
            _named("hostile_chaff", chaff=5),
            _named("job_failed", failing="enhancement"),
            _named("not_dispatched", apply="never"),
            _named("half_dispatched", jobs="enhancement", events=0),
            _named("get_late", on="get", reply_delay_ms=3_000),
            _named("get_error", on="get", answer="error"),
            _named("get_reset", on="get", answer="reset"),
            _named("get_hang", on="get", answer="hang"),
            _named("get_throttled", on="get", answer="throttled", retry_after_s=1),
            _named("get_not_found", on="get", answer="not_found"),
            _named("get_unreadable", on="get", answer="unreadable"),
            _named("get_without_path", on="get", omit=("cv_path",)),
        ]
    )
)
"""Every named fault. ``…_before``: before the update is applied, which it then never is."""

_DEFAULTS = {field.name: field.default for field in fields(Plan)}


def fault(name: str, **changes: object) -> Plan:
    """The named fault, with some fields changed. Raises PlanInvalid."""
    return read_plan({"fault": name, **changes})


def read_plan(given: Mapping[str, object]) -> Plan:
    """A plan from JSON, or from the texts of a header or a flag.

    ``fault`` names the one to begin with; every other key is a field of Plan. Raises PlanInvalid.
    """
    rest = dict(given)
    begun = rest.pop("fault", None)
    if begun is not None and begun not in FAULTS:
        raise PlanInvalid(f"expected fault to be one of {_listed(FAULTS)}, found {begun!r}")
    plan = Plan(name="planned") if begun is None else FAULTS[str(begun)]
    changes = {name: _read_field(name, value) for name, value in rest.items()}
    return replace(plan, **changes)  # type: ignore[arg-type]  # each was read as its field's type


def read_header(text: str) -> Plan:
    """A plan from ``X-Emulate: fault=reset_after; times=2; event_delay_ms=500``."""
    pairs = [part.split("=", 1) for part in text.split(";") if part.strip()]
    if any(len(pair) != 2 for pair in pairs):
        raise PlanInvalid("expected key=value pairs with ; between them")
    return read_plan({key.strip(): value.strip() for key, value in pairs})


def _read_field(name: str, value: object) -> object:
    if name not in _DEFAULTS:
        raise PlanInvalid(f"expected a field of {_listed(_DEFAULTS)}, found {name!r}")
    default = _DEFAULTS[name]
    if isinstance(default, bool):
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value.lower() in {"true", "false", "1", "0", "yes", "no"}:
            return value.lower() in {"true", "1", "yes"}
        raise PlanInvalid(f"expected {name} to be true or false, found {value!r}")
    if isinstance(default, int):
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        if isinstance(value, str) and value.lstrip("-").isdecimal():
            return int(value)
        raise PlanInvalid(f"expected {name} to be a whole number, found {value!r}")
    if isinstance(default, tuple):
        names = value.split(",") if isinstance(value, str) else value
        if isinstance(names, list | tuple) and all(isinstance(item, str) for item in names):
            return tuple(names)
        raise PlanInvalid(f"expected {name} to be a list of field names, found {value!r}")
    if isinstance(value, str):
        return value
    raise PlanInvalid(f"expected {name} to be a word, found {value!r}")


def _listed(words: Mapping[str, object] | frozenset[str]) -> str:
    return ", ".join(sorted(word for word in words if word))
