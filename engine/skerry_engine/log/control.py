"""The control file: that a directory is a database, which one, and in which format.

    control, 64 bytes; integers unsigned and big-endian, checksum CRC-32 as zlib has it
     0   8  magic "skerryCT"
     8   4  format version of everything in the directory
    12   4  CRC-32 of bytes 0 to 11 and 16 to 63
    16  16  cluster id: a random UUID, which log and base carry too
    32   8  when the database was made: microseconds since 2000-01-01 UTC
    40  24  zeros

Magic, version and checksum stand where they do in every format to come, so that a newer one is told from damage.  The
file is written under another name and renamed, last of all when a database is made: a directory without it holds none,
or one whose making was cut short.

What it does not do: change while the database lives.
"""

from __future__ import annotations

import struct
import uuid
import zlib
from typing import Final, NamedTuple

from skerry_engine.abc import Disk
from skerry_engine.errors import DatabaseDamaged, IncompatibleFormat
from skerry_engine.log.format import FORMAT_VERSION

CONTROL_NAME: Final = "control"
CONTROL_MAGIC: Final = b"skerryCT"
CONTROL_BYTES: Final = 64
_CONTROL: Final = struct.Struct(">8sII16sQ24x")


class Control(NamedTuple):
    """Which database this is.  `created_us`: microseconds since 2000-01-01 UTC."""

    cluster_id: bytes
    created_us: int


def new_control(created_us: int) -> Control:
    """The control file of a new database."""
    return Control(uuid.uuid4().bytes, created_us)


def pack_control(control: Control) -> bytes:
    """64 bytes."""
    head = _CONTROL.pack(CONTROL_MAGIC, FORMAT_VERSION, 0, *control)
    return _CONTROL.pack(CONTROL_MAGIC, FORMAT_VERSION, _checksum(head), *control)


def _checksum(data: bytes) -> int:
    return zlib.crc32(data[16:], zlib.crc32(data[:12]))


def unpack_control(data: bytes) -> Control:
    """Raises DatabaseDamaged, and IncompatibleFormat for a newer version's."""
    # A later format may have a longer file.
    if data[:8] != CONTROL_MAGIC or len(data) < CONTROL_BYTES:
        raise _damaged("it does not begin as a control file does")
    _, version, checksum, cluster_id, created_us = _CONTROL.unpack_from(data)
    if checksum != _checksum(data):
        raise _damaged("its checksum does not fit")
    if version != FORMAT_VERSION:
        raise IncompatibleFormat(
            f"the database has format version {version}, and this version of Skerry knows {FORMAT_VERSION}",
            hint="Upgrade Skerry.",
        )
    if data != pack_control(Control(cluster_id, created_us)):
        raise _damaged("it holds more than it should")
    return Control(cluster_id, created_us)


def _damaged(problem: str) -> DatabaseDamaged:
    return DatabaseDamaged(
        f"{CONTROL_NAME} is damaged at offset 0: {problem}; no epoch can be read",
        hint="Restore the file, or the whole database, from a backup.",
    )


def read_control(disk: Disk) -> Control | None:
    """The control file; None where there is none.

    Raises DatabaseDamaged, IncompatibleFormat and OSError.
    """
    try:
        file = disk.open(CONTROL_NAME)
    except FileNotFoundError:
        return None
    try:
        return unpack_control(file.read(0, file.size()))
    finally:
        file.close()


def write_control(disk: Disk, control: Control) -> None:
    """Make the directory a database: durable when this returns.  Raises OSError."""
    name = CONTROL_NAME + ".new"
    file = disk.open(name, create=True)
    try:
        file.truncate(0)
        file.write(0, pack_control(control))
        file.sync()
    finally:
        file.close()
    disk.rename(name, CONTROL_NAME)
    disk.sync_directory("")
