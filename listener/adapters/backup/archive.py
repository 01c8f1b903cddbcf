"""What a backup is: a tar of few names, its manifest first."""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import orjson

from listener.core.errors import BackupRefused

FORMAT = 1
MANIFEST, JOURNAL, SPOOL = "manifest.json", "journal.db", "spool/"
SECRETS = ("token", "token.previous", "ref.key", "ref.key.previous")
"""Small files of the state folder: with them, clients and refs go on as before."""

CHUNK = 1 << 20
_SPOOLED = re.compile(r"spool/[0-9A-Za-z][0-9A-Za-z-]{0,63}")
_MANIFEST_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Manifest:
    """``taken_ms``: no later than the snapshot. ``missing``: files that went while it was taken."""

    format: int
    taken_ms: int
    version: str
    journal_sha256: str
    open: int
    files: int
    missing: int


def not_ours(what: str) -> BackupRefused:
    """An archive that is no backup of ours, or a broken one."""
    return BackupRefused(
        f"expected a backup that cv-listener made, found {what}; take another one, and see that it "
        "was copied whole"
    )


def known(name: str) -> bool:
    """Whether a member may have this name: nothing of it leads anywhere else."""
    return name in (MANIFEST, JOURNAL, *SECRETS) or bool(_SPOOLED.fullmatch(name))


def member(name: str, size: int, at_s: float) -> tarfile.TarInfo:
    """A plain file, 0600 and nobody's."""
    info = tarfile.TarInfo(name)
    info.size, info.mtime, info.mode = size, int(at_s), 0o600
    return info


def add_bytes(archive: tarfile.TarFile, name: str, data: bytes, at_s: float) -> None:
    """A small member."""
    archive.addfile(member(name, len(data), at_s), io.BytesIO(data))


def read_manifest(archive: tarfile.TarFile) -> Manifest:
    """Raises BackupRefused."""
    info = archive.next()
    if info is None or info.name != MANIFEST or not info.isreg() or info.size > _MANIFEST_BYTES:
        raise not_ours("an archive without its manifest")
    try:
        told = orjson.loads(_opened(archive, info).read())
        manifest = Manifest(**told)
    except (ValueError, TypeError):
        raise not_ours("a manifest that cannot be read") from None
    if manifest.format != FORMAT:
        raise not_ours(f"one of format {manifest.format}, and this program knows {FORMAT}")
    return manifest


def copied(archive: tarfile.TarFile, info: tarfile.TarInfo, to: IO[bytes]) -> str:
    """Write a member; the SHA-256 of it. Raises BackupRefused where it is cut short."""
    digest, left, source = hashlib.sha256(), info.size, _opened(archive, info)
    while left:
        chunk = source.read(min(CHUNK, left))
        if not chunk:
            raise not_ours("one that is cut short")
        to.write(chunk)
        digest.update(chunk)
        left -= len(chunk)
    return digest.hexdigest()


def ended(archive: tarfile.TarFile) -> bool:
    """Whether, read to its last member, it ends as a whole one does, with two blocks of zeros: cut
    between two members it would be taken for a smaller one."""
    size = Path(str(archive.name)).stat().st_size
    return size - archive.offset >= 2 * tarfile.BLOCKSIZE


def _opened(archive: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    opened = archive.extractfile(info)
    if opened is None:
        raise not_ours("something that is no file in it")
    return opened
