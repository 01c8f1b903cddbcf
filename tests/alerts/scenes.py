"""Each fault that an alert is for, as a scene; and what else fires in it, with the reason why that
is right."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .stage import Stage

Play = Callable[[Stage], Awaitable[None]]


@dataclass(frozen=True)
class Scene:
    """``alert``: the one that is to fire, None: none. ``consequences``: what must fire with it, and
    why. ``unseen``: where it is not seen, log or metrics. ``goes_well``: seconds of healthy traffic
    before."""

    alert: str | None
    play: Play
    settings: Mapping[str, object] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    hurt: str = ""
    goes_well: float = 2.0
    consequences: Mapping[str, str] = field(default_factory=dict)


async def wait(seconds: float) -> None:
    """Time passes: that is the fault."""
    await asyncio.sleep(seconds)


async def healthy(on: Stage) -> None:
    await on.traffic(4)
    on.socket.cut()
    await on.traffic(3)
    await on.daemon.stop()
    await on.daemon.start()
    await on.traffic(4)


async def silent(on: Stage) -> None:
    await on.daemon.kill()
    await wait(7)


async def not_back(on: Stage) -> None:
    await on.submit(fault="late_reply", reply_delay_ms=1_500)
    await wait(0.5)
    await on.daemon.stop()
    await wait(22)


async def restarts(on: Stage) -> None:
    for _ in range(4):
        await wait(1)
        await on.daemon.kill()
        await on.daemon.start()
    await wait(1)


async def failed(on: Stage) -> None:
    with on.hurting():
        await on.daemon.ended()
    await on.daemon.start()
    await on.traffic(2)


async def deaf(on: Stage) -> None:
    await on.socket.refuse()
    on.socket.cut()
    await wait(8)
    await on.socket.start()
    await wait(2)


async def refused(_on: Stage) -> None:
    await wait(3)


async def gaps(on: Stage) -> None:
    for _ in range(7):
        on.socket.cut()
        await wait(2)


async def stopped(on: Stage) -> None:
    await on.traffic(20, every=0.8, fault="no_event")


async def slow(on: Stage) -> None:
    await on.submit(12, fault="late_event", event_delay_ms=10_500)
    await wait(12)


async def unresolved(on: Stage) -> None:
    await on.submit(fault="no_event")
    await on.traffic(4)


async def not_dispatched(on: Stage) -> None:
    await on.submit(fault="not_dispatched")
    await on.traffic(4)


async def presumed(on: Stage) -> None:
    await on.socket.refuse()
    on.socket.cut()
    await on.traffic(2.5, every=0.3)
    await wait(1)
    await on.socket.start()
    await wait(4)


async def rejected(on: Stage) -> None:
    await on.submit(4, fault="not_found")
    await on.traffic(2)


async def undelivered(on: Stage) -> None:
    await on.submit(fault="throttled", retry_after_s=4)
    await wait(5)


async def wait_long(on: Stage) -> None:
    await on.submit(fault="no_event")
    await wait(32)


async def halted(on: Stage) -> None:
    await wait(1.5)
    await on.http.refuse()
    on.http.cut()
    await on.traffic(13, every=0.6)


async def paused(on: Stage) -> None:
    await on.daemon.post("/v1/pause")
    await wait(36)
    await on.daemon.post("/v1/resume")
    await wait(1)


async def throttles(on: Stage) -> None:
    await on.submit(6, fault="throttled", times=3, retry_after_s=0)
    await wait(12)


async def credentials(on: Stage) -> None:
    with on.hurting():
        await on.traffic(5)


async def handler_fails(on: Stage) -> None:
    with on.hurting():
        await on.traffic(24, every=1)


async def function_fails(on: Stage) -> None:
    with on.hurting():
        await on.upstream.socket.emit({"seen": 1}, event="cv_viewed")
        await on.traffic(24, every=1)


async def event_too_large(on: Stage) -> None:
    await on.upstream.socket.emit({"seen": "x" * 70_000}, event="cv_viewed")
    await on.traffic(3)


async def handler_gone(on: Stage) -> None:
    await on.traffic(3)


async def hurts(on: Stage) -> None:
    await on.submit()
    with on.hurting():
        await wait(13)


async def hurts_long(on: Stage) -> None:
    await on.submit()
    with on.hurting():
        await wait(24)


async def hurts_in_traffic(on: Stage) -> None:
    with on.hurting():
        await on.traffic(3)
    await on.traffic(3)


async def no_reader(on: Stage) -> None:
    with on.hurting():
        await on.traffic(4, every=0.02)
    await on.traffic(2)


async def no_room(on: Stage) -> None:
    await on.daemon.post("/v1/pause")
    for _ in range(12):
        await on.daemon.post(
            "/v1/submissions",
            data={"cv_code": "FULL"},
            files={"cv": ("cv.pdf", on.file.read_bytes(), "application/pdf")},
        )
    await wait(3)
    await on.daemon.post("/v1/resume")
    await wait(2)


async def other_clock(on: Stage) -> None:
    await on.traffic(4)


_HANDLER = "log,tests.alerts.hurt:{}"

SCENES: dict[str, Scene] = {
    "healthy": Scene(None, healthy),
    "daemon_killed": Scene("DaemonSilent", silent),
    "daemon_drained": Scene(
        "DaemonNotBack",
        not_back,
        consequences={"DaemonSilent": "who is not there gives no sign of life, either"},
    ),
    "daemon_crashes": Scene("DaemonRestarts", restarts, goes_well=0),
    "journal_broken": Scene("DaemonFailed", failed, hurt="broken_disk"),
    "socket_refused_connections": Scene("SubscriptionDeaf", deaf),
    "socket_refused_auth": Scene(
        "SubscriptionRefused", refused, options={"socket_auth": {"token": "right"}}, goes_well=0
    ),
    "socket_flaps": Scene("GapsFrequent", gaps),
    "events_stopped": Scene(
        "ConfirmationsStopped", stopped, settings={"confirm_timeout": 40, "give_up_after": 90}
    ),
    "events_late": Scene(
        "ConfirmationsSlow", slow, settings={"confirm_timeout": 40, "give_up_after": 90}
    ),
    "event_lost": Scene("Unresolved", unresolved),
    "not_dispatched": Scene("Unresolved", not_dispatched),
    "sent_while_deaf": Scene("PresumedMany", presumed),
    "codes_unknown": Scene("RejectedMany", rejected),
    "time_ran_out": Scene("Undelivered", undelivered, settings={"deliver_within": 1.5}),
    "event_outstanding": Scene(
        "WaitLong", wait_long, settings={"confirm_timeout": 40, "give_up_after": 90}
    ),
    "upstream_down": Scene("SendingHalted", halted),
    "paused_by_hand": Scene("SendingPaused", paused),
    "upstream_throttles": Scene("UpstreamThrottles", throttles),
    "vault_sealed": Scene(
        "CredentialsFail", credentials, settings={"api_headers": "tests.alerts.hurt:headers"}
    ),
    "handler_raises": Scene(
        "HandlerFails", handler_fails, settings={"outcome_handlers": _HANDLER.format("failing")}
    ),
    "function_raises": Scene(
        "HandlerFails",
        function_fails,
        settings={"event_handlers": "cv_viewed=tests.alerts.hurt:failing_too"},
    ),
    "event_too_large": Scene(
        "EventsLost",
        event_too_large,
        settings={"event_handlers": "cv_viewed=tests.alerts.hurt:failing_too"},
    ),
    "webhook_gone": Scene(
        "HandlerDisabled", handler_gone, settings={"outcome_handlers": "log,webhook"}
    ),
    "disk_slow": Scene("JournalSlow", hurts_long, hurt="slow_disk"),
    "loop_held_up": Scene(
        "LoopLags", hurts, settings={"outcome_handlers": _HANDLER.format("greedy")}
    ),
    "log_unread": Scene("LogDropped", no_reader, hurt="reader"),
    "spool_full": Scene(
        "RoomLow", no_room, settings={"max_file_bytes": 8_000, "spool_quota": 24_000}
    ),
    "clock_ahead": Scene("ClockOff", other_clock, hurt="clock"),
    "task_forgotten": Scene(
        "ProgramFault", hurts_in_traffic, settings={"outcome_handlers": _HANDLER.format("careless")}
    ),
}
"""By the name of its recording."""
