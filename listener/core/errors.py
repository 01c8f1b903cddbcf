"""Faults, each saying whose it is. Expected results are values and never stand here."""

from __future__ import annotations


class CvListenerError(Exception):
    """Base of every fault this package raises on purpose.

    ``str(error)`` says what was expected, what was found and what to do, and never holds a cv_code.
    """


class InvalidCode(CvListenerError, ValueError):
    """The caller's fault: a ``cv_code`` that cannot be sent. ``reason`` is a stable slug."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class InvalidFile(CvListenerError, ValueError):
    """The caller's fault: a file that is not an acceptable CV. ``reason`` is a stable slug
    (``empty``, ``too_large``, ``not_pdf_or_docx``)."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class SubmissionDeclined(CvListenerError):
    """Nobody's fault, and nothing was stored. ``reason``: ``lane_busy``, ``key_reused``,
    ``draining`` or ``starting``."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"expected to submit, found the submission declined: {reason}")
        self.reason = reason


class SettingsInvalid(CvListenerError, ValueError):
    """The operator's fault: a setting that is unknown or does not hold. Exit status 78."""


class AddressUnusable(CvListenerError, OSError):
    """The operator's: the address to listen at is another's, or none of this machine's. Exit status
    69, or 77 where this user may not."""


class IllegalInput(CvListenerError, RuntimeError):
    """Our own fault: an input that the transition table does not allow. Nothing was changed."""


class JournalFault(CvListenerError):
    """The journal cannot keep its promise (disk, permission, corruption). The daemon must stop."""


class JournalDamaged(JournalFault):
    """The journal is damaged, or gone while files that belong to it are there. Nothing begins on
    it: what it alone knew comes back from a backup, or not at all."""


class JournalLocked(JournalFault):
    """Another daemon holds this journal. Exit status 75."""


class JournalTooNew(JournalFault):
    """The journal was written by a newer version; this one refuses to touch it. Exit status 78."""


class BackupRefused(CvListenerError, ValueError):
    """The operator's fault: a folder that cannot be filled from a backup, or none to back up, or a
    file that is no backup. Exit status 64."""


class SpoolFull(CvListenerError):
    """The spool's quota (or the disk) has no room for this file. Intake answers 507."""


class SpoolFault(CvListenerError):
    """The spool cannot take files: its folder is gone, or not ours to write, or the disk fails.
    Intake answers 503; at the start it ends the daemon, with status 74 or 77."""


def place_of(error: BaseException) -> str:
    """Where it was raised: a file's name and a line, which hold no value."""
    trace = error.__traceback__
    if trace is None:
        return "an unknown place"
    while trace.tb_next is not None:
        trace = trace.tb_next
    file = trace.tb_frame.f_code.co_filename.replace("\\", "/").rpartition("/")[2]
    return f"{file}:{trace.tb_lineno}"
