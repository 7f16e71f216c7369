"""Making the files that segments are written to.

A file is filled under a name that no reader looks at, synced, and only then gets a name that means something; and the
directory is synced before anything is written that depends on the name.

What it does not do: decide which file is made when (log/writer.py).
"""

from __future__ import annotations

from typing import Final

from skerry_engine.abc import Disk, File
from skerry_engine.errors import DatabaseDamaged
from skerry_engine.log.format import (
    LOG_DIRECTORY,
    SECTOR_BYTES,
    SEGMENT_HEADER_BYTES,
    SegmentHeader,
    pack_segment_header,
    segment_name,
    segment_number,
    whole_sectors,
)

MIN_SEGMENT_BYTES: Final = 2560
ZEROS: Final = bytes(1 << 20)


def segment_size(size: int) -> int:
    """The size of segments that was asked for, as it will be."""
    return whole_sectors(max(size, MIN_SEGMENT_BYTES))


def name_segment(disk: Disk, name: str, header: SegmentHeader) -> File:
    """Make a segment of a file; it stays open."""
    file = disk.open(name)
    try:
        file.write(0, pack_segment_header(header))
        file.sync()
        disk.rename(name, segment_name(header.number))
        disk.sync_directory(LOG_DIRECTORY)
    except OSError:
        file.close()
        raise
    return file


def fill(disk: Disk, name: str, size: int, is_gentle: bool) -> None:
    """Make a file of zeros and sync it, in one go or in many.  When that fails, its room is given back."""
    file = disk.open(name, create=True)
    try:
        file.truncate(0)
        for offset in range(0, size, len(ZEROS)):
            file.write(offset, ZEROS if size - offset >= len(ZEROS) else bytes(size - offset))
            if is_gentle:
                file.sync()
        file.sync()
    except OSError:
        _give_up(disk, name, file)
        raise
    file.close()


def lengthen(disk: Disk, name: str, size: int) -> None:
    """Make a file of that size whose blocks the system finds when they are written."""
    file = disk.open(name, create=True)
    try:
        file.truncate(0)
        file.truncate(size)
        file.sync()
    except OSError:
        _give_up(disk, name, file)
        raise
    file.close()


def _give_up(disk: Disk, name: str, file: File) -> None:
    file.close()
    try:
        disk.remove(name)
    except OSError:
        pass  # the error that led here is the one to report; the next opening removes the file


def clear_interrupted_creation(disk: Disk) -> None:
    """Remove the files of a log in which nothing was ever written.  Raises DatabaseDamaged for any other."""
    names = [
        f"{LOG_DIRECTORY}/{name}" for name in disk.list(LOG_DIRECTORY) if segment_number(name) is not None
    ]
    for name in names:
        file = disk.open(name)
        try:
            begun = file.read(SEGMENT_HEADER_BYTES, SECTOR_BYTES).strip(b"\0")
        finally:
            file.close()
        if begun or len(names) > 1:
            raise DatabaseDamaged(
                f"the database has no control file, but {name} holds commits",
                hint="Restore the control file, or the whole database, from a backup.",
            )
        disk.remove(name)
    disk.sync_directory(LOG_DIRECTORY)
