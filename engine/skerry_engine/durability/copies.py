"""Copies of a database: what backing up and restoring have in common.

    base/      LMDB's own copy of the base, as one checkpoint left it: the state at epoch B
    log/       the records after it, written anew, up to the last epoch that is wanted
    control    last of all: a directory without it is no database

So a copy is a database like any other, sealed as after a clean stop.  The log is read record by record and written
through `LogWriter`: every byte of it is verified on the way, and a copy can end at any epoch from B on.

A copy that ends between two groups of commits ends with a CHECKPOINT record at its last epoch, which means nothing
else than that the log reaches so far.

What it does not do: change what it copies from.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from skerry_engine.base.environment import Base
from skerry_engine.durability.checkpoint import BaseState, read_state
from skerry_engine.errors import DuplicateFile, HistoryNotRetained
from skerry_engine.log.control import Control, write_control
from skerry_engine.log.disk import FILE_MODE, OsDisk
from skerry_engine.log.format import Record
from skerry_engine.log.writer import LogWriter
from skerry_engine.storage.row_codec import pack
from skerry_engine.txn.records import CHECKPOINT, COMMIT, unpack_commit

DIRECTORY_MODE: Final = 0o700
GROUP_BYTES: Final = 1 << 20
BASE: Final = "base"
DATA: Final = "data.mdb"


class Copied(NamedTuple):
    """What a copy holds: any state from `first_epoch` to `last_epoch` can be restored from it.

    `last_commit_us` is when the last commit in its log was made (microseconds since 2000-01-01 UTC), None if there
    is none.
    """

    first_epoch: int
    last_epoch: int
    last_commit_us: int | None


class End(NamedTuple):
    """Where a copy is to end: at an epoch, before the first commit that was made after a moment, or nowhere."""

    epoch: int | None = None
    time_us: int | None = None


def new_directory(path: str | os.PathLike[str]) -> Path:
    """Make the directory of a copy.  Raises DuplicateFile where something is already, and OSError."""
    target = Path(path).absolute()
    if target.is_dir() and not any(target.iterdir()):
        return target
    if target.exists():
        what = "is not empty" if target.is_dir() else "is no directory"
        raise DuplicateFile(f"{str(target)!r} {what}", hint="Name a directory that does not exist yet.")
    target.mkdir(DIRECTORY_MODE, parents=True)
    return target


def remove_copy(target: Path) -> None:
    """Take back what was made in a directory that was new; the control file, if any, goes first."""
    (target / "control").unlink(missing_ok=True)
    for entry in list(target.iterdir()):
        if entry.is_dir():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)


def make_base_directory(target: Path) -> Path:
    """The directory that LMDB's copy goes to."""
    directory = target / BASE
    directory.mkdir(DIRECTORY_MODE)
    return directory


def read_copied_base(target: Path, control: Control) -> tuple[int, BaseState]:
    """The epoch and state of the base that was copied.  Raises DatabaseDamaged."""
    base = Base(str(target / BASE), control.cluster_id)
    try:
        return base.epoch, read_state(base)
    finally:
        base.close()


def write_copied_log(
    target: Path, control: Control, base: tuple[int, BaseState], records: Iterable[Record], end: End
) -> Copied:
    """Write the log behind a base that was copied, then make the directory a database.

    `records` are those after the base's `chunks_from`.  Raises HistoryNotRetained when the end is before the base or
    behind the records, OSError and what reading the records raises.
    """
    base_epoch, state = base
    if end.epoch is not None and end.epoch < base_epoch:
        raise _not_held(end, base_epoch, None)
    disk = OsDisk(target)
    try:
        writer = LogWriter.create(disk, control.cluster_id, last_epoch=state.chunks_from)
        try:
            copied = _write_records(writer, base_epoch, records, end)
            writer.seal()
        finally:
            writer.close()
        _sync_base(disk, target)
        write_control(disk, control)
        disk.sync_directory("..")
    finally:
        disk.close()
    return copied


def _sync_base(disk: OsDisk, target: Path) -> None:
    """Have LMDB's copy survive a power cut, and nobody else read it."""
    (target / BASE / DATA).chmod(FILE_MODE)
    file = disk.open(f"{BASE}/{DATA}")
    try:
        file.sync()
    finally:
        file.close()
    disk.sync_directory(BASE)


def _write_records(writer: LogWriter, base_epoch: int, records: Iterable[Record], end: End) -> Copied:
    last_epoch, last_us, reached = base_epoch, None, False
    for record, commit_us in _with_times(records):
        reached = _is_behind(end, record.epoch, commit_us, base_epoch)
        if reached:
            break
        writer.append(*record)
        if commit_us is not None:
            last_epoch, last_us = max(last_epoch, record.epoch), commit_us
        if writer.pending_bytes > GROUP_BYTES:
            _write_group(writer)
    if end.epoch is not None:
        if end.epoch > last_epoch and not reached:
            raise _not_held(end, base_epoch, last_epoch)
        last_epoch = end.epoch
    if end.time_us is not None and last_us is None:
        raise HistoryNotRetained(
            f"no commit behind epoch {base_epoch} is as old as that",
            hint=f"Restore to epoch {base_epoch} if that was early enough, or take an older backup.",
        )
    if writer.last_epoch < last_epoch or end != End():
        writer.append(CHECKPOINT, last_epoch, pack(last_epoch))
    _write_group(writer)
    return Copied(base_epoch, last_epoch, last_us)


def _with_times(records: Iterable[Record]) -> Iterator[tuple[Record, int | None]]:
    """Each record, and for a commit when it was made."""
    for record in records:
        yield record, unpack_commit(record.body).timestamp_us if record.kind == COMMIT else None


def _is_behind(end: End, epoch: int, commit_us: int | None, base_epoch: int) -> bool:
    """Whether a record is the first that is not wanted.  What the base holds already is not asked for its time:
    records up to its epoch are there for what they began."""
    if end.epoch is not None:
        return epoch > end.epoch
    if end.time_us is None or commit_us is None or commit_us <= end.time_us:
        return False
    if epoch <= base_epoch:
        raise HistoryNotRetained(
            f"the oldest state is that at epoch {base_epoch}, which is later than the time asked for",
            hint="Restore an older backup.",
        )
    return True


def _write_group(writer: LogWriter) -> None:
    group = writer.take()
    if group is not None:
        writer.write(group, sync=False)


def _not_held(end: End, first: int, last: int | None) -> HistoryNotRetained:
    known = f"from {first} on" if last is None else f"from {first} to {last}"
    return HistoryNotRetained(
        f"epoch {end.epoch} can't be restored: there are the epochs {known}",
        hint="Restore another backup." if last is None else None,
    )
