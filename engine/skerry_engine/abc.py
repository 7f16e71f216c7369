"""The Protocols that the engine's layers meet at, so that a lower layer needs no import of a higher one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import tzinfo
from random import Random
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from skerry_engine.values.io import IoContext


class FunctionContext(Protocol):
    """What a function may know of the session and the statement that call it.

    Timestamps are microseconds since 2000-01-01 UTC, as timestamptz values are.
    """

    @property
    def transaction_timestamp(self) -> int:
        """When the transaction began: now()."""
        ...

    @property
    def statement_timestamp(self) -> int:
        """When the client's message arrived."""
        ...

    def clock_timestamp(self) -> int:
        """Now, at each call."""
        ...

    @property
    def time_zone(self) -> tzinfo:
        """The session's TimeZone."""
        ...

    @property
    def io(self) -> IoContext:
        """How values read and print in this session."""
        ...

    @property
    def session_user(self) -> str: ...

    @property
    def current_user(self) -> str: ...

    @property
    def current_database(self) -> str: ...

    def current_schemas(self, include_implicit: bool) -> Sequence[str]:
        """The existing schemas of search_path, in order; `include_implicit` adds pg_catalog and the like."""
        ...

    def get_setting(self, name: str, missing_ok: bool) -> str | None:
        """A setting as SHOW prints it.  Raises UndefinedObject unless `missing_ok`, then None."""
        ...

    def set_setting(self, name: str, value: str | None, is_local: bool) -> str:
        """Set a setting (None: its default); gives the new value as SHOW prints it."""
        ...

    def nextval(self, sequence_oid: int) -> int: ...

    def currval(self, sequence_oid: int) -> int: ...

    def lastval(self) -> int: ...

    def setval(self, sequence_oid: int, value: int, is_called: bool) -> int: ...

    @property
    def backend_pid(self) -> int: ...

    @property
    def random(self) -> Random:
        """The session's generator, which setseed() seeds."""
        ...

    @property
    def transaction_id(self) -> int:
        """The transaction's number, for txid_current()."""
        ...

    def advisory_lock(self, key: tuple[int, ...], *, shared: bool, session: bool, wait: bool) -> bool:
        """Take an advisory lock; False when `wait` is False and others hold it.  May raise LockWait."""
        ...

    def advisory_unlock(self, key: tuple[int, ...] | None, *, shared: bool) -> bool:
        """Give up a session's advisory lock (None: all); False when it was not held."""
        ...

    def cancel_backend(self, pid: int) -> bool:
        """Cancel what a session runs; False, with a warning, when there is no such session."""
        ...

    def terminate_backend(self, pid: int, timeout_ms: int) -> bool:
        """End a session; False, with a warning, when there is none, or it has not ended within the timeout.

        0 does not wait for its end.  May raise a wait that reruns the statement.
        """
        ...

    def blocking_pids(self, pid: int) -> Sequence[int]:
        """The sessions that the session `pid` waits for at this moment, one entry per holder; empty when it
        doesn't wait or doesn't exist."""
        ...

    def safe_snapshot_blocking_pids(self, pid: int) -> Sequence[int]:
        """The sessions whose transactions keep the session `pid` from a safe snapshot (DEFERRABLE)."""
        ...

    def check_domain(self, oid: int, value: object) -> None:
        """Raise CheckViolation, NotNullViolation if the domain with that OID, or the array of it, has no such value."""
        ...

    def notify(self, channel: str, payload: str) -> None:
        """pg_notify(): tell those who listen to the channel, once the transaction has committed.

        Raises InvalidParameterValue for names and payloads that are too long.
        """
        ...

    def listening_channels(self) -> Sequence[str]:
        """The channels that the session listens to, in the order in which it began to."""
        ...

    def notification_queue_usage(self) -> float:
        """How full the queue of notifications is, 0 to 1."""
        ...

    def collect_garbage(self) -> int:
        """Collect old row versions that no snapshot needs; how many row changes were settled.

        May raise a wait that reruns the statement.
        """
        ...

    def current_epoch(self) -> int:
        """The epoch that the statement sees."""
        ...

    def epoch_at(self, time_us: int) -> int:
        """The last epoch committed at or before a time.  Raises HistoryNotRetained, InvalidParameterValue."""
        ...

    def epoch_time(self, epoch: int) -> int | None:
        """When an epoch was committed; None where that is not known.  Raises as `epoch_at`."""
        ...

    def set_retention(self, retention: str | None, limit: str | None) -> None:
        """Keep history for so long, and so much of it, in the words of settings; None leaves it as it is."""
        ...

    def changes(self, since: int, limit: int | None) -> Iterator[tuple[object, ...]]:
        """Committed changes above an epoch, as rows of skerry.changes().  Raises HistoryNotRetained."""
        ...

    def raw_changes(
        self, since: int, position: int | None, limit: int, names: Sequence[str] | None
    ) -> Iterator[tuple[object, ...]]:
        """The same as rows of skerry.raw_changes(), behind a place, of some tables only."""
        ...

    def subscribe(self, since: int | None) -> int:
        """Have changes above an epoch (None: from now on) kept for the session; the epoch."""
        ...

    def unsubscribe(self) -> None:
        """Have them kept no longer."""
        ...

    def wait_for_changes(self, since: int, timeout_s: float) -> int:
        """The newest epoch, as soon as it is above `since` or the time is over; may raise a wait that reruns the
        statement."""
        ...

    def pending_changes(self) -> Iterator[tuple[object, ...]]:
        """The transaction's uncommitted row changes, as rows of skerry.pending_changes()."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait that long, without keeping others from running; may raise a wait that reruns the statement."""
        ...

    @property
    def catalog(self) -> object:
        """The statement's catalog, for functions that the catalog layer adds."""
        ...


class NameResolver(Protocol):
    """Names and OIDs of catalog objects, for the text form of regclass, regtype and their kin.

    The catalog implements it, bound to a session's search_path.  `*_name` gives the name as the type prints
    it (quoted and schema-qualified where needed), None for an OID that is no such object.  `*_oid` takes text
    as the type reads it (a name, perhaps qualified and quoted) and raises as PostgreSQL does: UndefinedTable,
    UndefinedObject, UndefinedFunction, InvalidSchemaName, AmbiguousFunction.
    """

    def relation_name(self, oid: int) -> str | None:
        """regclass, out."""
        ...

    def relation_oid(self, text: str) -> int:
        """regclass, in."""
        ...

    def type_name(self, oid: int) -> str | None:
        """regtype, out: as format_type(oid, NULL)."""
        ...

    def type_oid(self, text: str) -> int:
        """regtype, in."""
        ...

    def function_name(self, oid: int) -> str | None:
        """regproc, out: the name alone."""
        ...

    def function_oid(self, text: str) -> int:
        """regproc, in: the name alone; it must be unique."""
        ...

    def function_signature(self, oid: int) -> str | None:
        """regprocedure, out: name and argument types."""
        ...

    def function_signature_oid(self, text: str) -> int:
        """regprocedure, in."""
        ...

    def operator_name(self, oid: int) -> str | None:
        """regoper, out."""
        ...

    def operator_oid(self, text: str) -> int:
        """regoper, in."""
        ...

    def operator_signature(self, oid: int) -> str | None:
        """regoperator, out: `+(integer,integer)`."""
        ...

    def operator_signature_oid(self, text: str) -> int:
        """regoperator, in."""
        ...

    def namespace_name(self, oid: int) -> str | None:
        """regnamespace, out."""
        ...

    def namespace_oid(self, text: str) -> int:
        """regnamespace, in."""
        ...

    def role_name(self, oid: int) -> str | None:
        """regrole, out."""
        ...

    def role_oid(self, text: str) -> int:
        """regrole, in."""
        ...

    def collation_name(self, oid: int) -> str | None:
        """regcollation, out."""
        ...

    def collation_oid(self, text: str) -> int:
        """regcollation, in."""
        ...


class ElementResolver(Protocol):
    """Labels and properties of graph elements, for whoever writes elements out or asks for them by name.

    An element value (values/graphs.py) holds its graph, its table and its row, but no names: a native graph's row
    names its shape, a row of a graph over tables is what the graph's definition says of its table.  Who implements
    this looks them up in the statement's catalog and the shape registry.
    """

    def element_id(self, graph_oid: int, table_oid: int, row_id: int) -> int | str:
        """What users see as the element's id: a native element's row id; text where one graph has several tables of
        nodes or of edges, and row ids alone would not tell them apart."""
        ...

    def labels(self, graph_oid: int, table_oid: int, row: tuple[object, ...]) -> Sequence[str]:
        """The element's labels, sorted."""
        ...

    def properties(
        self, graph_oid: int, table_oid: int, row: tuple[object, ...]
    ) -> Sequence[tuple[str, int, object]]:
        """The element's properties as (name, type OID, value), in the order of its shape; none is NULL."""
        ...

    def check_readable(self, table_oid: int, row: tuple[object, ...]) -> None:
        """Raise ElementDeleted for an element that its own statement has deleted: it is shown as it was, but nothing
        that reads it gets an answer."""
        ...

    def is_directed(self, graph_oid: int, table_oid: int, row: tuple[object, ...]) -> bool:
        """Whether an edge leads from its source to its target, or just between the two."""
        ...


class Blocks(Protocol):
    """The base, as those see it who keep rows and index entries in it: blocks of bytes by key, in key order.

    Keys are at most 511 bytes.  What is given has been verified: it is what was once put under that very key.
    The base changes only at the end of a checkpoint, all at once.
    """

    def get(self, key: bytes) -> bytes:
        """The block.  Raises DatabaseDamaged when it is missing or its checksum does not fit."""
        ...

    def at_or_before(self, key: bytes) -> tuple[bytes, bytes] | None:
        """The last block whose key is not above `key`, with its key.  Raises DatabaseDamaged."""
        ...

    def after(self, key: bytes) -> tuple[bytes, bytes] | None:
        """The first block whose key is above `key`, with its key.  Raises DatabaseDamaged."""
        ...


class File(Protocol):
    """An open file of a `Disk`.  Every method raises OSError as the operating system would."""

    def read(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes at `offset`; fewer only at the file's end."""
        ...

    def write(self, offset: int, data: bytes) -> None:
        """Write all of `data` at `offset`; it may be lost, in whole or in part, until `sync` has returned."""
        ...

    def sync(self) -> None:
        """Have the data survive a power cut (fdatasync).  After an error nothing is known of what was written."""
        ...

    def size(self) -> int:
        """The length in bytes."""
        ...

    def truncate(self, size: int) -> None:
        """Cut off, or lengthen by zeros."""
        ...

    def close(self) -> None:
        """Give the file back; twice is harmless."""
        ...


class Disk(Protocol):
    """The files of one database directory: the operating system's, or a simulation that can crash.

    Names are relative to the directory, with `/` between parts.  Every method raises OSError.
    """

    def open(self, name: str, create: bool = False) -> File:
        """Open for reading and writing; `create` makes the file if it is missing."""
        ...

    def list(self, directory: str) -> Sequence[str]:
        """The names in a directory, sorted, without their directory; none when it does not exist."""
        ...

    def make_directory(self, name: str) -> None:
        """Make a directory unless it exists."""
        ...

    def rename(self, old: str, new: str) -> None:
        """Rename, replacing what is there: durable after `sync_directory`."""
        ...

    def remove(self, name: str) -> None:
        """Remove a file."""
        ...

    def sync_directory(self, directory: str) -> None:
        """Have made, renamed and removed names survive a power cut."""
        ...
