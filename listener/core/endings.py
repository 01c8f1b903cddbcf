"""How the process ends: from an error to an exit status (sysexits.h) and what to do about it."""

from __future__ import annotations

from .errors import (
    AddressUnusable,
    CvListenerError,
    JournalDamaged,
    JournalFault,
    JournalLocked,
    JournalTooNew,
    SettingsInvalid,
    SpoolFault,
    SpoolFull,
)

OK = 0
UNAVAILABLE = 69
INTERNAL = 70
IO_FAILED = 74
TRY_LATER = 75
PERMISSION = 77
CONFIGURATION = 78


def root(error: BaseException) -> BaseException:
    """The error that a group is about: the gravest of ours first."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    leaves = [root(inner) for inner in error.exceptions]
    return next((leaf for leaf in leaves if isinstance(leaf, CvListenerError)), leaves[0])


def exit_status(error: BaseException) -> int:
    """What the process ends with because of this error (sysexits.h)."""
    match root(error):
        case cause if not isinstance(cause, Exception):
            return OK  # An interrupt or a cancellation: somebody wanted it.
        case JournalLocked():
            return TRY_LATER
        case JournalTooNew() | SettingsInvalid():
            return CONFIGURATION
        case AddressUnusable() as fault if not isinstance(fault.__cause__, PermissionError):
            return UNAVAILABLE
        case PermissionError() | AddressUnusable():
            return PERMISSION
        case JournalFault() | SpoolFault() | SpoolFull() as fault:
            return PERMISSION if isinstance(fault.__cause__, PermissionError) else IO_FAILED
        case OSError() as fault:
            return UNAVAILABLE if fault.filename is None else IO_FAILED
        case _:
            return INTERNAL


def hint(error: BaseException) -> str:
    """What to do about it."""
    match root(error):
        case JournalDamaged():
            return _DAMAGED
        case AddressUnusable():
            return _HINTS[UNAVAILABLE]
        case SpoolFault() | SpoolFull() as fault if exit_status(fault) == IO_FAILED:
            return "See to spool/ in CV_STATE_DIR and to the disk under it, then start again."
        case _:
            return _HINTS.get(
                exit_status(error), "A fault of the program: please report it, with this line."
            )


_DAMAGED = (
    "Start nothing on it: keep a copy of CV_STATE_DIR, see to the disk under it, and put a backup "
    "back into an empty folder (cv-listener restore FILE). What was accepted since that backup "
    "must be submitted anew."
)


_HINTS = {
    UNAVAILABLE: (
        "See CV_INTAKE_HOST and CV_INTAKE_PORT: another program uses that address, or it is "
        "none of this machine's."
    ),
    IO_FAILED: (
        "Do what the error says, and see to the disk under CV_STATE_DIR; then start again: what "
        "was acknowledged was written to it before."
    ),
    TRY_LATER: "Another daemon uses CV_STATE_DIR: stop it, or give this one another folder.",
    PERMISSION: "Let this user read and write CV_STATE_DIR.",
    CONFIGURATION: "Mend what the error names, then start again.",
}
