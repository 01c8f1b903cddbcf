"""Taking a backup, beside a daemon that writes, or without one."""

from __future__ import annotations

import hashlib
import os
import tarfile
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson

from listener.adapters.folders import sync_folder
from listener.adapters.journal_sqlite import open_snapshot
from listener.core.errors import BackupRefused

from .archive import CHUNK, FORMAT, JOURNAL, MANIFEST, SECRETS, SPOOL, Manifest, add_bytes, member


@dataclass(frozen=True, slots=True)
class Taken:
    """``open``: submissions in it that are not closed. ``files``: CVs. ``missing``: CVs of
    submissions that closed while it was taken."""

    open: int
    files: int
    missing: int
    size: int


def take(state_dir: Path, to: Path, version: str) -> Taken:
    """Write the state of ``state_dir`` to ``to``, 0600, whole or not at all. Blocking.

    The journal is copied as it stands at one moment; the daemon's writer is not held up, nor is its
    lock taken. Then the files follow that this copy counts on. Raises BackupRefused,
    JournalFault, or FileExistsError and other OSErrors.
    """
    journal = state_dir / "journal.db"
    if not journal.exists() or not journal.stat().st_size:
        raise BackupRefused(
            f"expected a journal in {state_dir}, found none: see CV_STATE_DIR; the daemon makes it "
            "at its first start"
        )
    if to.exists():
        raise FileExistsError(17, "a file of that name is there already", str(to))
    partial = to.with_name(f".{to.name}.{os.getpid()}")
    fd = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            with TemporaryDirectory(prefix=".backup-", dir=to.parent) as aside:
                taken = _write(file, state_dir, Path(aside) / JOURNAL, version)
            file.flush()
            os.fsync(file.fileno())
        partial.rename(to)
        sync_folder(to.parent)
    except BaseException:
        with suppress(OSError):  # the first error is the one to tell
            partial.unlink(missing_ok=True)
        raise
    return taken


def _write(file: object, state_dir: Path, copy: Path, version: str) -> Taken:
    began = time.time()
    still_open, ids = open_snapshot(state_dir / JOURNAL, copy)
    there = [name for name in ids if (state_dir / SPOOL / name).is_file()]
    manifest = Manifest(
        format=FORMAT,
        taken_ms=int(began * 1000),
        version=version,
        journal_sha256=_digest(copy),
        open=still_open,
        files=len(there),
        missing=len(ids) - len(there),
    )
    gone = 0
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:  # type: ignore[call-overload]  # any binary file
        add_bytes(archive, MANIFEST, orjson.dumps(asdict(manifest)), began)
        _add(archive, JOURNAL, copy, began)
        for name in SECRETS:
            with suppress(FileNotFoundError):
                _add(archive, name, state_dir / name, began)
        for name in there:
            try:
                _add(archive, SPOOL + name, state_dir / SPOOL / name, began)
            except FileNotFoundError:
                gone += 1
        size = archive.offset
    return Taken(still_open, len(there) - gone, manifest.missing + gone, size)


def _add(archive: tarfile.TarFile, name: str, path: Path, at_s: float) -> None:
    """A file of the spool never changes, but goes: what is open can be read to its end."""
    with path.open("rb") as opened:
        archive.addfile(member(name, os.fstat(opened.fileno()).st_size, at_s), opened)


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
