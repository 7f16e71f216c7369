"""Backups: a copy of a database (copies.py), while it runs or while it rests.

While it runs, for a session that steps it:

    one unit      the log's segments after the base's epoch are held back from being recycled
    wait          LMDB copies the base, in a thread: what the last checkpoint committed
    wait          until everything committed so far is durable: group G
    wait          the records between that base and G are copied, in a thread
    one unit      the segments may go

Readers, writers and checkpoints go on.  A checkpoint that is committed meanwhile only makes the log longer than the
copy needs.  What is committed before the backup ends may or may not be in it; what is, is a prefix of the commits.

A session that ends in the middle does not stop the threads: what they made is removed when they are done, and the
next who comes here, or the closing of the database, gives back what was held.

While it rests, `copy_resting` holds the directory's lock, so that it goes on resting.  Where nothing can be written (a
backup on a medium that is read-only) there is no lock to hold, and the base's file is copied as it is.
"""

from __future__ import annotations

import errno
import os
import shutil
import threading
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from skerry_engine.base.environment import Base
from skerry_engine.base.writer import Completion
from skerry_engine.durability.copies import (
    BASE,
    DATA,
    Copied,
    End,
    make_base_directory,
    new_directory,
    read_copied_base,
    remove_copy,
    write_copied_log,
)
from skerry_engine.errors import DatabaseDamaged, DatabaseError, UndefinedObject, disk_error
from skerry_engine.log.control import Control, read_control
from skerry_engine.log.disk import OsDisk
from skerry_engine.log.lock_file import DirectoryLock
from skerry_engine.log.reader import open_log, read_records
from skerry_engine.session.steps import Step, Wait
from skerry_engine.txn.two_phase import until_durable

if TYPE_CHECKING:
    from skerry_engine.durability.checkpoint import Checkpointer
    from skerry_engine.txn.durable_log import DurableLog

T = TypeVar("T")


class Work(Generic[T]):
    """A call on a thread of its own (it implements `steps.Waiting`).  Callbacks run there: they may only wake."""

    def __init__(self, call: Callable[[], T]) -> None:
        self._call = call
        self._end = Completion()
        self._result: T | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="skerry backup", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._result = self._call()
        except BaseException as error:  # noqa: BLE001 - it is raised again where it is waited for
            self._error = error
        self._end.end()

    def is_over(self) -> bool:
        """Whether the call has returned or raised."""
        return self._end.is_over()

    def on_over(self, callback: Callable[[], None]) -> None:
        """Call `callback` once it is over (at once if it is)."""
        self._end.on_over(callback)

    def deadline_s(self) -> float | None:
        """It has none."""
        return None

    def join(self) -> None:
        """Block until it is over."""
        self._thread.join()

    def result(self) -> T:
        """What the call returned, or raise what it raised.  It must be over."""
        assert self.is_over()
        if self._error is not None:
            raise self._error
        return self._result  # type: ignore[return-value]


class Backups:
    """The backups of an open database that are being made."""

    def __init__(self, base: Base, log: DurableLog, checkpointer: Checkpointer) -> None:
        self._base = base
        self._log = log
        self._checkpointer = checkpointer
        self._running: list[_Backup] = []

    def run(self, path: str) -> Generator[Step, None, Copied]:
        """Make a backup in a directory that does not exist, or is empty.

        Raises DuplicateFile, DiskFull and other errors of the disk, DatabaseDamaged.
        """
        self.give_back()
        try:
            backup = _Backup(self._base, self._log, self._checkpointer, new_directory(path))
        except OSError as error:
            raise disk_error(f"could not make {path!r}", error) from error
        self._running.append(backup)
        try:
            return (yield from backup.run())
        except OSError as error:
            raise disk_error("could not write the backup", error) from error
        finally:
            backup.abandon_unless_done()
            self.give_back()

    def give_back(self) -> None:
        """Give back what backups hold that are over."""
        for backup in [each for each in self._running if each.is_over()]:
            self._running.remove(backup)
            backup.give_back()

    def close(self) -> None:
        """Wait for the threads: nothing they read is closed under them."""
        for backup in self._running:
            backup.join()
        self.give_back()


class _Backup:
    def __init__(self, base: Base, log: DurableLog, checkpointer: Checkpointer, target: Path) -> None:
        self._root = os.path.dirname(base.directory)
        self._cluster_id = base.cluster_id
        self._log = log
        self._checkpointer = checkpointer
        self._target = target
        self._work: Work[Copied] | Work[None] | None = None
        self._is_done = False
        self._held = checkpointer.hold_log()
        self._copy = base.copying()

    def run(self) -> Generator[Step, None, Copied]:
        """The backup, step by step."""
        copying = self._work = Work(self._copy_base)
        while not copying.is_over():
            yield Wait(copying)
        copying.result()
        yield from until_durable(self._log)
        group = self._log.writer.durable_group
        writing = self._work = Work(lambda: self._copy_log(group))
        while not writing.is_over():
            yield Wait(writing)
        copied = writing.result()
        self._is_done = True
        return copied

    def _copy_base(self) -> None:
        self._copy.write(str(make_base_directory(self._target)))

    def _copy_log(self, group: int) -> Copied:
        disk = OsDisk(self._root)
        try:
            control = read_control(disk)
            if control is None:
                raise DatabaseDamaged("the control file is missing")
            base = read_copied_base(self._target, control)
            records = read_records(disk, self._cluster_id, base[1].chunks_from, group)
            return write_copied_log(self._target, control, base, records, End())
        finally:
            disk.close()

    def is_over(self) -> bool:
        """Whether no thread works for it."""
        return self._work is None or self._work.is_over()

    def abandon_unless_done(self) -> None:
        """It failed, or nobody waits for it any more: what was made goes as soon as no thread writes there."""
        if self._is_done:
            return
        if self._work is None:
            remove_copy(self._target)
        else:
            self._work.on_over(lambda: remove_copy(self._target))

    def join(self) -> None:
        """Block until no thread works for it."""
        if self._work is not None:
            self._work.join()

    def give_back(self) -> None:
        """The base may be closed, and the log recycled."""
        self._copy.end()
        self._checkpointer.let_log_go(self._held)


# --- at rest ------------------------------------------------------------------------------------------------


def copy_resting(source: str | os.PathLike[str], target: str | os.PathLike[str], end: End) -> Copied:
    """Copy a database that nobody has open, up to an end.

    Raises DatabaseInUse, DatabaseDamaged, IncompatibleFormat, HistoryNotRetained, DuplicateFile, UndefinedObject where
    there is no database, OSError.
    """
    directory = Path(source).absolute()
    if not (directory / "control").exists():
        raise UndefinedObject(f"there is no database in {str(directory)!r}")
    lock = _lock_unless_read_only(directory)
    disk = OsDisk(directory, read_only=True)
    try:
        control = read_control(disk)
        assert control is not None
        made = new_directory(target)
        try:
            if lock is None:
                shutil.copyfile(directory / BASE / DATA, make_base_directory(made) / DATA)
            else:
                _copy_base(directory, control, made)
            return _copy_log(disk, control, made, end)
        except BaseException:
            remove_copy(made)
            raise
    finally:
        disk.close()
        if lock is not None:
            lock.release()


def _lock_unless_read_only(directory: Path) -> DirectoryLock | None:
    try:
        return DirectoryLock(directory)
    except OSError as error:
        if error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM):
            raise
        return None


def _copy_base(directory: Path, control: Control, target: Path) -> None:
    base = Base(str(directory / BASE), control.cluster_id)
    try:
        copy = base.copying()
        copy.write(str(make_base_directory(target)))
        copy.end()
    finally:
        base.close()


def _copy_log(disk: OsDisk, control: Control, target: Path, end: End) -> Copied:
    base = read_copied_base(target, control)
    contents = open_log(disk, control.cluster_id, base[0])
    return write_copied_log(target, control, base, contents.records(base[1].chunks_from), end)


__all__ = ["Backups", "Copied", "DatabaseError", "End", "Work", "copy_resting"]
