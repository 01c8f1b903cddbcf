"""How the process ends, and what it says is to be done."""

from __future__ import annotations

import asyncio

import pytest

from listener.core import endings
from listener.core.endings import exit_status, hint, root
from listener.core.errors import (
    AddressUnusable,
    CvListenerError,
    InvalidCode,
    InvalidFile,
    JournalDamaged,
    JournalFault,
    JournalLocked,
    JournalTooNew,
    SettingsInvalid,
    SpoolFault,
    SpoolFull,
)


def because(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (KeyboardInterrupt(), 0),
        (SystemExit(3), 0),
        (asyncio.CancelledError(), 0),
        (JournalLocked("held"), 75),
        (JournalTooNew("newer"), 78),
        (SettingsInvalid("unknown"), 78),
        (PermissionError(13, "no"), 77),
        (JournalFault("disk"), 74),
        (JournalDamaged("pages"), 74),
        (SpoolFault("gone"), 74),
        (SpoolFull("no room"), 74),
        (because(JournalFault("disk"), PermissionError(13, "no")), 77),
        (because(SpoolFault("disk"), PermissionError(13, "no")), 77),
        (because(JournalFault("disk"), OSError(5, "broken")), 74),
        (OSError(98, "address in use"), 69),
        (OSError(28, "no space", "/state"), 74),
        (AddressUnusable("taken"), 69),
        (because(AddressUnusable("port 80"), PermissionError(13, "no")), 77),
        (ValueError("ours"), 70),
        (CvListenerError("ours"), 70),
    ],
)
def test_each_error_has_its_exit_status(error: BaseException, status: int) -> None:
    assert exit_status(error) == status


def test_the_statuses_are_those_of_sysexits() -> None:
    assert (endings.OK, endings.UNAVAILABLE, endings.INTERNAL) == (0, 69, 70)
    assert (endings.IO_FAILED, endings.TRY_LATER) == (74, 75)
    assert (endings.PERMISSION, endings.CONFIGURATION) == (77, 78)


def test_of_a_group_the_gravest_of_ours_counts() -> None:
    ours, other = JournalFault("disk"), ValueError("first")
    assert root(other) is other
    assert root(ExceptionGroup("g", [other, ours])) is ours
    assert root(ExceptionGroup("g", [other, ExceptionGroup("h", [KeyError(), ours])])) is ours
    assert root(ExceptionGroup("g", [other, KeyError()])) is other
    assert exit_status(ExceptionGroup("g", [other, ours])) == 74
    assert exit_status(BaseExceptionGroup("g", [KeyboardInterrupt()])) == 0


def test_each_ending_says_what_to_do() -> None:
    assert "CV_INTAKE_PORT" in hint(OSError(98, "address in use"))
    assert "CV_INTAKE_PORT" in hint(because(AddressUnusable("80"), PermissionError(13, "no")))
    assert "disk under CV_STATE_DIR" in hint(JournalFault("disk"))
    assert "spool/" in hint(SpoolFault("gone"))
    damaged = hint(ExceptionGroup("g", [JournalDamaged("pages")]))
    assert "restore" in damaged
    assert "lost" not in damaged
    assert "Another daemon" in hint(JournalLocked("held"))
    assert "read and write CV_STATE_DIR" in hint(PermissionError(13, "no"))
    assert "what the error names" in hint(SettingsInvalid("unknown"))
    assert "report it" in hint(ValueError("ours"))


@pytest.mark.parametrize("kind", [InvalidCode, InvalidFile])
def test_a_callers_fault_has_a_reason_and_words(
    kind: type[InvalidCode] | type[InvalidFile],
) -> None:
    fault = kind("empty", "expected something, found nothing")
    assert (fault.reason, str(fault)) == ("empty", "expected something, found nothing")
