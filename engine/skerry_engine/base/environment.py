"""The base: blocks of bytes in one LMDB file, as the last checkpoint left them.

LMDB keeps every block of a commit reachable until the next commit but one, whatever happens to the process or the
power: a checkpoint that fails, or is cut off, leaves the base as it was.

    checkpoint's thread      begin ─────────── commit ┐                   `BaseWriter` (writer.py)
    who has the engine             put put put        └ adopt             everything read before `adopt` is the old base
    readers                  get  get  get  get  get       get            everything after it the new one

- Reading goes through one read transaction, begun again by `adopt`; it never sees a commit that was not adopted,
  so whoever holds changes against the base drops them in the same unit in which they come to stand in it.
- Each block is verified against its checksum, which stands apart (base/blocks.py says why).  What does not fit, is
  missing, or what LMDB itself finds broken is DatabaseDamaged, naming file, block and epoch.  Some broken bytes make
  LMDB stop the process instead; none make it give a wrong block.
- The map's size is address space, not disk and not memory: it is reserved so large that it need not grow.  If it
  must, it grows between two checkpoints (`grow`), when no transaction is open.

Not thread-safe: whoever calls has the engine's mutex.  `BaseCopy.write` is the exception.

This module and writer.py are the only ones that touch the `lmdb` package.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from collections.abc import Callable, Iterator
from threading import Thread
from typing import TYPE_CHECKING, Final

import lmdb

from skerry_engine.base.blocks import (
    FORMAT_VERSION,
    ROOT_KEY,
    RootRecord,
    block_sum,
    describe_key,
    unpack_root,
)
from skerry_engine.errors import DatabaseDamaged, IncompatibleFormat, disk_error

if TYPE_CHECKING:
    from lmdb import Cursor, Transaction, _Database

FILE_NAME: Final = "base/data.mdb"
"""The file as messages name it, relative to the database."""

DEFAULT_MAP_BYTES: Final = (1 << 40) if sys.maxsize > 1 << 32 else (1 << 30)
"""Address space reserved for the file: 1 TiB.  Where a process may not have so much, less."""

LEAST_MAP_BYTES: Final = 1 << 26

GROWTH: Final = 4
"""The map is at least this many times the file when it is opened, and so many times larger after `grow`."""

DIRECTORY_MODE: Final = 0o700
"""Nobody else reads a database's files; LMDB's get the same without the x."""


def os_error(error: lmdb.Error, path: str) -> OSError:
    """LMDB's failure as the operating system's error that it stands for."""
    code: int = getattr(error, "code", 0)
    if isinstance(error, lmdb.MapFullError):
        return OSError(errno.ENOSPC, f"the map of {FILE_NAME} is full", path)
    if isinstance(error, lmdb.DiskError):
        code = errno.ENOSPC
    elif isinstance(error, lmdb.ReadonlyError):
        code = errno.EACCES
    elif isinstance(error, lmdb.MemoryError):
        code = errno.ENOMEM
    if code > 0:
        return OSError(code, os.strerror(code), path)
    return OSError(errno.EIO, str(error), path)


class Base:
    """An open base.  Implements abc.Blocks.

    `epoch` is that of the checkpoint whose state is read, 0 before the first one.  `unreturned_bytes`: so much was
    written by checkpoints since memory was last given back; LMDB keeps about twice that for the next ones.
    """

    __slots__ = (
        "directory",
        "cluster_id",
        "epoch",
        "needs_growth",
        "unreturned_bytes",
        "environment",
        "root",
        "blocks",
        "sums",
        "_transaction",
        "_cursor",
        "_copies",
        "_map_bytes",
        "_is_shut",
        "_is_closed",
    )

    def __init__(
        self, directory: str, cluster_id: bytes, least_epoch: int = 0, map_bytes: int = DEFAULT_MAP_BYTES
    ) -> None:
        """Open the base in `directory`, making it if there is none and `least_epoch` is 0.

        `cluster_id` (16 bytes) says whose it must be, `least_epoch` at least which epoch's state it holds, as the
        log knows.  Raises DatabaseDamaged, IncompatibleFormat, OSError.
        """
        self.directory: str = directory
        self.cluster_id: bytes = cluster_id
        self.epoch: int = 0
        self.needs_growth: bool = False
        self.unreturned_bytes: int = 0
        self._transaction: Transaction[bytes] | None = None
        self._cursor: Cursor[bytes] | None = None
        self._copies: int = 0
        self._map_bytes: int = map_bytes
        self._is_shut: bool = False
        self._is_closed: bool = False
        path = os.path.join(directory, "data.mdb")
        if not os.path.exists(path):
            if least_epoch:
                raise DatabaseDamaged(f"{FILE_NAME} is missing; it should hold epoch {least_epoch} or later")
            _make_directory(directory)
        else:
            map_bytes = max(map_bytes, GROWTH * os.path.getsize(path))
        self.environment: lmdb.Environment = _open(directory, map_bytes)
        self.root: _Database
        self.blocks: _Database
        self.sums: _Database
        try:
            self._find_root(least_epoch)
            self._open_trees()
        except BaseException:
            self.environment.close()
            raise

    # --- opening --------------------------------------------------------------------------------------------

    def _find_root(self, least_epoch: int) -> None:
        """See whose the base is, and make it if it is new."""
        try:
            with self.environment.begin() as transaction:
                data = transaction.get(ROOT_KEY)
            is_new = data is None and self.environment.info()["last_txnid"] == 0
        except lmdb.Error as error:
            raise self._damaged(str(error)) from error
        if data is not None:
            self._check_root(data, least_epoch)
        elif is_new and not least_epoch:
            self._create()
        else:
            raise self._damaged("its root record is missing")

    def _open_trees(self) -> None:
        try:
            self.root = self.environment.open_db()
            self.blocks = self.environment.open_db(b"blocks", create=False)
            self.sums = self.environment.open_db(b"sums", create=False)
            self.epoch = self._begin()
        except lmdb.Error as error:
            raise self._damaged(str(error)) from error

    def _create(self) -> None:
        """Make the three trees, in one transaction."""
        try:
            with self.environment.begin(write=True) as transaction:
                self.environment.open_db(b"blocks", txn=transaction)
                self.environment.open_db(b"sums", txn=transaction)
                root = RootRecord(FORMAT_VERSION, self.cluster_id, 0)
                transaction.put(ROOT_KEY, root.pack())
        except lmdb.Error as error:
            raise os_error(error, self.directory) from error
        _sync_directory(self.directory)

    def _check_root(self, data: bytes, least_epoch: int) -> None:
        root = self._unpack(data)
        if root.format_version > FORMAT_VERSION:
            raise IncompatibleFormat(
                f"{FILE_NAME} has format {root.format_version}; this version reads formats up to {FORMAT_VERSION}"
            )
        if root.cluster_id != self.cluster_id:
            raise DatabaseDamaged(
                f"{FILE_NAME} belongs to database {root.cluster_id.hex()}, not to {self.cluster_id.hex()}"
            )
        if root.epoch < least_epoch:
            raise DatabaseDamaged(
                f"{FILE_NAME} holds the state at epoch {root.epoch}, not at epoch {least_epoch} or later"
            )

    def _unpack(self, data: bytes) -> RootRecord:
        try:
            return unpack_root(data)
        except ValueError as error:
            raise self._damaged(str(error)) from None

    def close(self) -> None:
        """Close the file; twice is harmless.  No writer may be at work."""
        if self._is_closed:
            return
        self._is_closed = True
        self._end()
        self.environment.close()

    # --- the read transaction -------------------------------------------------------------------------------

    def _begin(self) -> int:
        """Begin reading what was committed last; returns its epoch."""
        self._transaction = transaction = self.environment.begin(db=self.blocks)
        self._cursor = transaction.cursor()
        data = transaction.get(ROOT_KEY, db=self.root)
        if data is None:
            raise self._damaged("its root record is missing")
        return self._unpack(data).epoch

    def _end(self) -> None:
        transaction, self._transaction, self._cursor = self._transaction, None, None
        if transaction is not None:
            transaction.abort()

    def adopt(self) -> None:
        """From now on read what was committed last.  Raises DatabaseDamaged."""
        self._end()
        try:
            self.epoch = self._begin()
        except lmdb.Error as error:
            self._end()
            raise self._damaged(str(error)) from error

    def _recover(self) -> None:
        """Leave a read transaction that LMDB has given up, for one that sees the same."""
        self._end()
        try:
            if self._begin() != self.epoch:  # committed, but not adopted yet
                self._end()
        except (lmdb.Error, DatabaseDamaged):
            self._end()

    def grow(self) -> None:
        """Reserve a larger map; without effect while a copy is being made.  No writer may be at work."""
        if self._copies:
            return
        self._end()
        try:
            self.environment.set_mapsize(GROWTH * self.environment.info()["map_size"])
            self.needs_growth = False
            self._begin()
        except lmdb.Error as error:
            raise os_error(error, self.directory) from error

    def give_back_memory(self) -> None:
        """Give back the memory in which LMDB has gathered what it wrote, by closing the file and opening it again.

        That takes some milliseconds after large checkpoints.  Without effect while a copy is being made.  No writer
        may be at work, and everything committed is adopted.  Raises OSError; then reading opens the file.
        """
        if self._copies:
            return
        self._end()
        self._map_bytes = self.environment.info()["map_size"]
        self.environment.close()
        self._is_shut = True
        self._open_again()
        self.unreturned_bytes = 0
        Thread(target=_trim_heap, name="skerry trim", daemon=True).start()

    def _open_again(self) -> None:
        self.environment = _open(self.directory, self._map_bytes)
        self._is_shut = False
        self._open_trees()

    def _readable(self, key: bytes) -> Transaction[bytes]:
        """The read transaction, where there was none.  Raises DatabaseDamaged, or what keeps the file from opening."""
        if self._is_shut:
            try:
                self._open_again()
            except OSError as error:
                raise disk_error(f"could not open {FILE_NAME}", error) from error
        if self._transaction is None:
            raise self._damaged("it could not be read", key)
        return self._transaction

    # --- reading --------------------------------------------------------------------------------------------

    def get(self, key: bytes) -> bytes:
        """The block.  Raises DatabaseDamaged when it is missing or its checksum does not fit."""
        block = self.find(key)
        if block is None:
            raise self._damaged("the block is missing", key)
        return block

    def find(self, key: bytes) -> bytes | None:
        """As `get`; None when neither the block nor its checksum is there."""
        transaction = self._transaction or self._readable(key)
        try:
            block = transaction.get(key)
            expected = transaction.get(key, db=self.sums)
        except lmdb.Error as error:
            self._recover()
            raise self._damaged(str(error), key) from error
        if block is None:
            if expected is None:
                return None
            raise self._damaged("the block is missing", key)
        if expected != block_sum(key, block):
            raise self._damaged("the block does not fit its checksum", key)
        return block

    def at_or_before(self, key: bytes) -> tuple[bytes, bytes] | None:
        """The last block whose key is not above `key`, with its key.  Raises DatabaseDamaged.

        What is given is whole, but only its content can tell that nothing between it and `key` got lost.
        """
        return self._neighbour(key, _seek_at_or_before)

    def after(self, key: bytes) -> tuple[bytes, bytes] | None:
        """The first block whose key is above `key`, with its key.  Raises DatabaseDamaged."""
        return self._neighbour(key, _seek_after)

    def _neighbour(
        self, key: bytes, seek: Callable[[Cursor[bytes], bytes], bool]
    ) -> tuple[bytes, bytes] | None:
        transaction = self._transaction or self._readable(key)
        cursor = self._cursor
        assert cursor is not None
        try:
            if not seek(cursor, key):
                return None
            found, block = cursor.item()
            expected = transaction.get(found, db=self.sums)
        except lmdb.Error as error:
            self._recover()
            raise self._damaged(str(error), key) from error
        if expected != block_sum(found, block):
            raise self._damaged("the block does not fit its checksum", found)
        return found, block

    def _damaged(self, what: str, key: bytes | None = None) -> DatabaseDamaged:
        place = "" if key is None else f" at {describe_key(key)}"
        return DatabaseDamaged(
            f"{FILE_NAME} is damaged{place} (base of epoch {self.epoch}): {what}",
            hint='Run "skerry check" to see all of it, and restore a backup.',
        )

    # --- the whole ------------------------------------------------------------------------------------------

    def size_bytes(self) -> int:
        """The file's length."""
        return os.path.getsize(os.path.join(self.directory, "data.mdb"))

    def verify(self, slice_blocks: int = 64) -> Iterator[list[str]]:
        """Read all blocks and checksums; each step does about `slice_blocks` and gives what it found damaged."""
        for tree, other, missing in (
            (self.blocks, self.sums, "has no checksum"),
            (self.sums, self.blocks, "is missing"),
        ):
            after: bytes | None = b""
            while after is not None:
                after, found = self._verify_slice(tree, other, missing, after, slice_blocks)
                yield found

    def _verify_slice(
        self, tree: _Database, other: _Database, missing: str, after: bytes, limit: int
    ) -> tuple[bytes | None, list[str]]:
        found: list[str] = []
        key = after
        try:
            transaction = self._transaction or self._readable(key)
            cursor = transaction.cursor(db=tree)
            for _ in range(limit):
                if not _seek_after(cursor, key):
                    return None, found
                key = cursor.key()
                problem = self._problem(transaction, key, cursor.value(), tree, other, missing)
                if problem:
                    found.append(str(self._damaged(problem, key)))
        except DatabaseDamaged as error:
            return None, [*found, str(error)]
        except lmdb.Error as error:
            # Beyond a broken page of LMDB's own nothing can be said in order.
            self._recover()
            return None, [*found, str(self._damaged(str(error), key))]
        return key, found

    def _problem(
        self,
        transaction: Transaction[bytes],
        key: bytes,
        value: bytes,
        tree: _Database,
        other: _Database,
        missing: str,
    ) -> str:
        counterpart = transaction.get(key, db=other)
        if counterpart is None:
            return f"the block {missing}"
        if tree is self.blocks and counterpart != block_sum(key, value):
            return "the block does not fit its checksum"
        return ""

    def copying(self) -> BaseCopy:
        """Begin a copy; until it ends the file is neither grown nor closed."""
        self._copies += 1
        return BaseCopy(self)

    def end_copy(self) -> None:
        """A copy has ended."""
        self._copies -= 1


class BaseCopy:
    """A copy that is being made: `write` without the engine's mutex, on a thread of its own, then `end` with it."""

    __slots__ = ("_base", "_environment")

    def __init__(self, base: Base) -> None:
        self._base: Base = base
        self._environment: lmdb.Environment = base.environment

    def write(self, directory: str) -> None:
        """Write what was committed last into an empty, existing directory; neither readers nor the writer are held up.

        Free pages are left out.  Raises OSError.
        """
        try:
            # A plain copy would wait for the checkpoint that is being written.
            self._environment.copy(directory, compact=True)
        except lmdb.Error as error:
            raise os_error(error, directory) from error

    def end(self) -> None:
        """The copy is made, or has failed."""
        self._base.end_copy()


def _seek_at_or_before(cursor: Cursor[bytes], key: bytes) -> bool:
    if not cursor.set_range(key):
        return cursor.last()
    return cursor.key() == key or cursor.prev()


def _seek_after(cursor: Cursor[bytes], key: bytes) -> bool:
    if not key:
        return cursor.first()
    if not cursor.set_range(key):
        return False
    return cursor.key() != key or cursor.next()


def _open(directory: str, map_bytes: int) -> lmdb.Environment:
    """The environment, its trees not opened yet.  Raises DatabaseDamaged, OSError."""
    try:
        return lmdb.open(
            directory,
            map_size=map_bytes,
            max_dbs=2,
            max_spare_txns=0,
            # A missing directory is the caller's to make: it has to be synced.
            create=False,
            mode=DIRECTORY_MODE,
        )
    except lmdb.Error as error:
        if isinstance(error, lmdb.MemoryError) and map_bytes > LEAST_MAP_BYTES:
            return _open(directory, map_bytes // GROWTH)
        if getattr(error, "code", 1) > 0:
            raise os_error(error, directory) from error
        raise DatabaseDamaged(f"{FILE_NAME} is damaged: {error}", hint="Restore a backup.") from error


def _trim_heap() -> None:
    """Have the C library give free memory back to the system, where it can be asked to."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def _make_directory(directory: str) -> None:
    """Make a directory that survives a power cut."""
    os.makedirs(directory, DIRECTORY_MODE, exist_ok=True)
    _sync_directory(os.path.dirname(os.path.abspath(directory)))


def _sync_directory(directory: str) -> None:
    if os.name == "nt":
        return
    number = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
