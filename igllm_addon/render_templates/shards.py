# SPDX-License-Identifier: GPL-3.0-or-later
"""Tar files whose bytes follow from their content alone, and files that are there whole or not at all. No bpy.

A sample travels as a fragment: the tar blocks of its members without the end of an archive. A shard is the fragments of its
samples one after another, then the end, so packing copies bytes, and two runs that made the same samples made the same shards.
Every header has mode 0644, owner 0 and time 0.
"""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import UsageError

TAR_END = bytes(2 * tarfile.BLOCKSIZE)


@dataclass(frozen=True)
class FileRecord:
    """What a manifest says about a file: its length in bytes and its SHA-256 in hexadecimal."""

    bytes: int
    sha256: str


def tar_member(name: str, data: bytes) -> bytes:
    """Header, data and padding of one regular file."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    padding = -len(data) % tarfile.BLOCKSIZE
    return info.tobuf(tarfile.USTAR_FORMAT) + data + bytes(padding)


def sample_fragment(key: str, parts: Mapping[str, bytes]) -> bytes:
    """The members KEY.EXTENSION of one sample, sorted by extension."""
    return b"".join(tar_member(f"{key}.{extension}", parts[extension]) for extension in sorted(parts))


def fragment_parts(fragment: bytes) -> dict[str, bytes]:
    """extension -> data of a sample's fragment. A fragment that is cut or damaged raises tarfile.ReadError."""
    parts: dict[str, bytes] = {}
    read = 0
    with tarfile.open(fileobj=io.BytesIO(fragment + TAR_END)) as archive:
        for info in archive:
            data = archive.extractfile(info)
            parts[info.name.partition(".")[2]] = data.read() if data is not None else b""
            read = info.offset_data + info.size + -info.size % tarfile.BLOCKSIZE
    if not parts or read != len(fragment):
        raise tarfile.ReadError("a fragment must hold whole members and nothing else")
    return parts


def sample_ends(path: Path) -> list[int]:
    """Where each sample of a shard ends, in bytes from the start of the file: one number a key, in the file's order."""
    ends: dict[str, int] = {}
    with tarfile.open(path, "r:") as archive:
        for info in archive:
            ends[info.name.partition(".")[0]] = info.offset_data + info.size + -info.size % tarfile.BLOCKSIZE
    return list(ends.values())


def read_chunks(path: Path, stop: int) -> Iterator[bytes]:
    """The first `stop` bytes of a file, in pieces."""
    with path.open("rb") as file:
        while stop > 0 and (chunk := file.read(min(stop, 1 << 20))):
            stop -= len(chunk)
            yield chunk


def write_atomically(path: Path, chunks: Iterable[bytes]) -> FileRecord:
    """Write a file so that it is there whole or not at all, whenever the process or the machine stops.

    An existing file of that name is replaced at the last moment. What the disk refuses becomes a UsageError.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    digest, length = hashlib.sha256(), 0
    try:
        with temporary.open("wb") as file:
            for chunk in chunks:
                digest.update(chunk)
                length += len(chunk)
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        _remove_if_possible(temporary)
        raise UsageError(
            f"Cannot write {path}: {why(error)}; once that is possible, the same command goes on from here."
        ) from error
    return FileRecord(length, digest.hexdigest())


def why(error: OSError) -> str:
    """The system's reason in words, such as "No space left on device"."""
    return error.strerror or str(error)


def _sync_folder(folder: Path) -> None:
    """Make a renaming last through a power failure, where the system can do that."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_if_possible(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return  # the folder is gone or read-only; the reason that is already on its way up says so
