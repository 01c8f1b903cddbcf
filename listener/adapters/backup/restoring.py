"""Putting a backup back, into a state folder that is empty."""

from __future__ import annotations

import os
import tarfile
from dataclasses import dataclass
from pathlib import Path

import apsw

from listener.adapters.folders import make_folder, sync_folder
from listener.adapters.journal_sqlite import UNSETTLED, FileLock, settle_copy
from listener.core.errors import BackupRefused
from listener.core.names import Millis

from .archive import JOURNAL, SPOOL, Manifest, copied, ended, known, not_ours, read_manifest

LOCK = f"{JOURNAL}.lock"
"""Held meanwhile: a daemon that is started again by others begins no journal of its own here."""
VOLUMES_OWN = "lost+found"
"""At the root of a volume it is there from the first."""


@dataclass(frozen=True, slots=True)
class Restored:
    """``taken_ms``: when the backup was taken. ``queued``: those of the ``open`` that waited to be
    sent. ``without_file``: open ones whose file is not in the backup."""

    taken_ms: Millis
    open: int
    queued: int
    files: int
    without_file: int


def restore(archive: Path, state_dir: Path, now_ms: Millis) -> Restored:
    """Fill ``state_dir``, which must be empty or missing, from a backup. Blocking.

    Sending is paused in it, until a person resumes: what waited when the backup was taken may have
    been sent since. The journal gets its name last; where this ends before, the folder is to be
    emptied and filled again; no daemon starts on it. Raises BackupRefused, JournalFault,
    JournalLocked where a daemon runs on it, JournalTooNew or OSError.
    """
    _expect_empty(state_dir)
    try:
        with tarfile.open(archive, "r:") as opened:
            manifest = read_manifest(opened)
            make_folder(state_dir)
            lock = FileLock(state_dir / LOCK, state_dir / JOURNAL)
            try:
                _expect_empty(state_dir)
                return _fill(opened, manifest, state_dir, now_ms)
            finally:
                lock.release()
    except tarfile.TarError as error:
        raise not_ours(f"another file, or a broken one ({type(error).__name__})") from None


def _expect_empty(state_dir: Path) -> None:
    """Save for a lock that nobody need hold. Raises BackupRefused."""
    none = (LOCK, VOLUMES_OWN)
    if state_dir.exists() and any(path.name not in none for path in state_dir.iterdir()):
        raise BackupRefused(
            f"expected an empty state folder, found something in {state_dir}: move it away (it may "
            "be newer than the backup), or set CV_STATE_DIR to another folder"
        )


def _fill(
    archive: tarfile.TarFile, manifest: Manifest, state_dir: Path, now_ms: Millis
) -> Restored:
    state_dir.chmod(0o700)
    digests = _unpack(archive, manifest, state_dir)
    unsettled = state_dir / UNSETTLED
    settle_copy(unsettled, Millis(manifest.taken_ms), now_ms)
    told = _checked(unsettled, manifest, digests)
    unsettled.rename(state_dir / JOURNAL)
    sync_folder(state_dir)
    return told


def _unpack(archive: tarfile.TarFile, manifest: Manifest, state_dir: Path) -> dict[str, str]:
    """Every member, fsynced; the SHA-256 of each file of the spool, by its submission."""
    (state_dir / SPOOL).mkdir(mode=0o700)
    digests: dict[str, str] = {}
    there: set[str] = set()
    while (info := archive.next()) is not None:
        if not info.isreg() or not known(info.name) or info.name in there:
            raise not_ours("something in it that no backup has")
        there.add(info.name)
        path = state_dir / (UNSETTLED if info.name == JOURNAL else info.name)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as file:
            digest = copied(archive, info, file)
            file.flush()
            os.fsync(file.fileno())
        if info.name == JOURNAL and digest != manifest.journal_sha256:
            raise not_ours("a journal that is not the one it was made with")
        if info.name.startswith(SPOOL):
            digests[info.name.removeprefix(SPOOL)] = digest
    if not ended(archive):
        raise not_ours("one that is cut short")
    if JOURNAL not in there:
        raise not_ours("none of a journal in it")
    sync_folder(state_dir / SPOOL)
    return digests


def _checked(journal: Path, manifest: Manifest, digests: dict[str, str]) -> Restored:
    """Each file is the one that was accepted. Raises BackupRefused."""
    db = apsw.Connection(str(journal), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        rows = db.execute("SELECT id, state, doc ->> '$.file.sha256' FROM submissions").fetchall()
    finally:
        db.close()
    accepted = {name: (state, digest) for name, state, digest in rows}
    for name, digest in digests.items():
        if accepted.get(name, ("", ""))[1] != digest:
            raise not_ours("a CV that is not the one that was accepted")
    waiting = [name for name, (state, _) in accepted.items() if state != "closed"]
    return Restored(
        taken_ms=Millis(manifest.taken_ms),
        open=len(waiting),
        queued=sum(accepted[name][0] == "queued" for name in waiting),
        files=len(digests),
        without_file=sum(name not in digests for name in waiting),
    )
