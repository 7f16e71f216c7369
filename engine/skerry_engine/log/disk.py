"""A database directory of the operating system, as `abc.Disk` and `abc.File` describe it.

Nothing here retries or hides an error: what the system says goes up as OSError, and whoever wrote decides what it
means.  Directories are made for the owner alone, and so are files.

What it does not do: paths outside the directory, links, mapping into memory.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from skerry_engine.abc import File

FILE_MODE = 0o600
DIRECTORY_MODE = 0o700
# What one call writes at most: Linux writes no more than 2 GiB at a time.
MAX_WRITE_BYTES = 1 << 30


def _sync_data(descriptor: int) -> None:
    """Have a file's data, and as much of its metadata as reading them takes, survive a power cut."""
    if sys.platform == "darwin":  # where fsync leaves the data in the drive's cache
        import fcntl

        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
    else:
        os.fdatasync(descriptor)


def make_directories(path: str | os.PathLike[str]) -> None:
    """Make a directory and what is missing above it, so that a power cut does not take them away again."""
    missing: list[Path] = []
    at = Path(path).absolute()
    while not at.is_dir():
        missing.append(at)
        at = at.parent
    for each in reversed(missing):
        each.mkdir(DIRECTORY_MODE, exist_ok=True)
        descriptor = os.open(each.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class OsFile:
    """An open file: a descriptor, and no buffer of its own."""

    __slots__ = ("_descriptor",)

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def read(self, offset: int, size: int) -> bytes:
        data = os.pread(self._descriptor, size, offset)
        if len(data) == size or not data:
            return data
        parts = [data]
        have = len(data)
        while have < size:
            data = os.pread(self._descriptor, size - have, offset + have)
            if not data:
                break
            parts.append(data)
            have += len(data)
        return b"".join(parts)

    def write(self, offset: int, data: bytes) -> None:
        size = len(data)
        written = os.pwrite(
            self._descriptor, data if size <= MAX_WRITE_BYTES else data[:MAX_WRITE_BYTES], offset
        )
        while written < size:
            piece = memoryview(data)[written : written + MAX_WRITE_BYTES]
            written += os.pwrite(self._descriptor, piece, offset + written)

    def sync(self) -> None:
        _sync_data(self._descriptor)

    def size(self) -> int:
        return os.fstat(self._descriptor).st_size

    def truncate(self, size: int) -> None:
        os.ftruncate(self._descriptor, size)

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


class OsDisk:
    """The files below one directory, which exists already.

    Directories that were synced once stay open, so that a process with too many open files can sync them again: the
    log begins new segments without needing a descriptor more than it has.  With `read_only`, files can be looked at
    where they can't be written, and writing fails.
    """

    __slots__ = ("_root", "_directories", "_mode")

    def __init__(self, path: str | os.PathLike[str], read_only: bool = False) -> None:
        self._directories: dict[str, int] = {}
        self._mode = os.O_RDONLY if read_only else os.O_RDWR
        # Absolute, so that a later chdir of the process does not move the database.
        self._root = Path(path).absolute()

    @property
    def path(self) -> Path:
        """The directory."""
        return self._root

    def open(self, name: str, create: bool = False) -> File:
        flags = self._mode | os.O_CLOEXEC | (os.O_CREAT if create else 0)
        return OsFile(os.open(self._root / name, flags, FILE_MODE))

    def list(self, directory: str) -> Sequence[str]:
        try:
            return sorted(os.listdir(self._root / directory))
        except FileNotFoundError:
            return []

    def make_directory(self, name: str) -> None:
        path = self._root / name
        try:
            path.mkdir(DIRECTORY_MODE)
        except FileExistsError:
            if not path.is_dir():
                raise

    def rename(self, old: str, new: str) -> None:
        os.replace(self._root / old, self._root / new)

    def remove(self, name: str) -> None:
        os.remove(self._root / name)

    def sync_directory(self, directory: str) -> None:
        descriptor = self._directories.get(directory)
        if descriptor is None:
            opened = os.open(self._root / directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            descriptor = self._directories.setdefault(directory, opened)
            if descriptor != opened:  # another thread was first
                os.close(opened)
        os.fsync(descriptor)

    def close(self) -> None:
        """Give the directories back; files are closed one by one."""
        while self._directories:
            os.close(self._directories.popitem()[1])

    def __del__(self) -> None:
        self.close()
