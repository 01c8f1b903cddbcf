"""Any inputs to the core, as bytes: the stateful machine of its tests, with the dice in a fuzzer's
hand. Drawn at random, most of its lives never come to a second attempt; weighted here, they do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from listener.core.evidence import PostResult
from listener.core.names import LanePolicy, PostKind
from listener.core.policy import Policy
from listener.core.standing import head
from tests.core.test_machine import LaneMachine

DELAYS = (0, 1, 200, 5_000, 29_999, 30_000, 60_000, 3_600_000, 90_000_000)
PATHS = ("p0", "p0", "p1", "p2", None, "failed")
WORDS = (None, "ready", "processing", "failed")
STATUSES = (None, 200, 404, 503)
RESTS = ("recovered", "gap", "deaf for long")
STEPS = 32
TO_THE_END = 0x20
"""A bit of the first byte: without it, time goes on until all is closed, which takes long."""


def one(data: bytes) -> None:
    """Two bytes of policy, then a step of two bytes each. Raises for a promise that is broken."""
    machine = LaneMachine()
    machine.policy = _policy(*_two(data))
    take_steps(machine, data[2 : 2 * STEPS])
    if not data[:1] or not data[0] & TO_THE_END:
        machine.teardown()


def take_steps(machine: LaneMachine, data: bytes) -> None:
    """Two bytes a step."""
    for at in range(0, len(data), 2):
        step, how = _two(data[at:])
        _STEPS[step % len(_STEPS)](machine, how)


def _two(data: bytes) -> tuple[int, int]:
    first, second = (data[:2] + b"\0\0")[:2]
    return first, second


def _policy(first: int, second: int) -> Policy:
    return Policy(
        lane_policy=tuple(LanePolicy)[first % 3],
        max_attempts=3 - (first >> 2) % 3,
        baseline=bool(first & 0x80) or not first & 0x40,
        enquiries_ms=((2_000, 5_000, 15_000), (), (0,))[second % 3],
        confirm_timeout_ms=(30_000, 10_000, 1)[(second >> 2) % 3],
        settle_ms=(30_000, 10_000, 60_000, 1)[(second >> 4) % 4],
        give_up_after_ms=(3_600_000, 100_000)[second >> 7],
    )


def _listening(machine: LaneMachine) -> bool:
    return bool(machine.hearing.listening)


def _submit(machine: LaneMachine, how: int) -> None:
    machine.submit()


def _send(machine: LaneMachine, how: int) -> None:
    """What sends, at the time when it may."""
    first = head(machine.lane)
    if first is None:
        return
    if not how & 1:
        machine.now = max(machine.now, first.not_before_ms or 0, machine.lane.rest_until_ms or 0)
    machine.begin(bool(how & 2), PATHS[(how >> 2) % 6], WORDS[(how >> 5) % 4], WORDS[how % 4])


def _end(machine: LaneMachine, how: int) -> None:
    if not any(s.state == "sending" for s in machine.lane.submissions):
        return
    kind = (*PostKind, PostKind.ACCEPTED, PostKind.POSSIBLY_SENT)[how % 7]
    wait_ms = (None, 0, 7_000)[(how >> 3) % 3]
    resendable = kind is not PostKind.POSSIBLY_SENT or not how & 0x40
    result = PostResult(kind, "drawn", STATUSES[(how >> 5) % 4], wait_ms, resendable)
    machine.end(result, bool(how & 0x80))


def _event(machine: LaneMachine, how: int) -> None:
    machine.event(bool(how & 1))


def _read(machine: LaneMachine, how: int) -> None:
    path, status, other = PATHS[how % 6], WORDS[(how >> 3) % 4], WORDS[(how >> 5) % 4]
    machine.read((0, 1, 40_000)[how % 3], path, status, other, bool(how & 0x80))


def _later(machine: LaneMachine, how: int) -> None:
    machine.later(DELAYS[how % len(DELAYS)])


def _time(machine: LaneMachine, how: int) -> None:
    (machine.wake if how & 2 else machine.time)(bool(how & 1))


def _cancel(machine: LaneMachine, how: int) -> None:
    if machine.count:
        machine.cancel(how % 4, bool(how & 0x80))


def _restart(machine: LaneMachine, how: int) -> None:
    machine.restart((0, 0, 1_000, 10_000_000, -10_000_000)[how % 5])


def _ear(machine: LaneMachine, how: int) -> None:
    if _listening(machine):
        machine.deafen()
    else:
        machine.listen(RESTS[how % 3])


_STEPS: tuple[Callable[[LaneMachine, int], None], ...] = (
    _submit,
    _send,
    _end,
    _event,
    _read,
    _later,
    _time,
    _cancel,
    _restart,
    _ear,
    _send,
    _end,
    _time,
    _time,
    _read,
    _event,
)


def seeds() -> Iterator[bytes]:
    """One life for each way that an attempt can end, and what may follow."""
    for kind in range(7):
        sent = bytes([0, 0, 0, 0, 1, 0, 2, kind])
        for after in (b"\3\0", b"\4\2", b"\6\2\4\0", b"\x08\0\6\2", b"\7\0\3\0", b"\x09\0\x09\1"):
            yield sent + after
            yield sent + after + bytes([0, 0, 6, 2, 4, 0, 6, 2, 4, 0, 1, 0, 2, 0, 3, 1])
        yield sent[:6] + b"\3\0" + sent[6:] + b"\3\1"
    doubt = bytes([0, 0, 0, 0, 1, 0, 2, 4])
    resend = doubt + b"\5\6\6\0\4\0"
    for after in (b"\1\0\2\3\3\0", b"\3\0", b"\4\1", b"\7\0", b"\x08\0", b"\6\2", b"\1\x0c"):
        yield resend + after
