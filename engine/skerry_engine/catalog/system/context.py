"""What the system relations and functions may ask: the statement's catalog, and providers for what lives
elsewhere.

A session makes one of these per statement; `FunctionContext.catalog` is it, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from skerry_engine.catalog.catalog import Catalog, Database
from skerry_engine.catalog.search_path import SearchPath

if TYPE_CHECKING:
    from skerry_engine.catalog.graphs import ElementConstraint, Graph, GraphType, PropertyIndex


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """One session, for pg_stat_activity.  Times are timestamptz microseconds or None."""

    pid: int
    database_oid: int
    user_oid: int
    application_name: str = ""
    client_address: str | None = None
    client_port: int | None = None
    backend_start_us: int | None = None
    transaction_start_us: int | None = None
    query_start_us: int | None = None
    state_change_us: int | None = None
    wait_event_type: str | None = None
    wait_event: str | None = None
    state: str = "idle"
    transaction_id: int | None = None
    oldest_snapshot: int | None = None
    query: str = ""
    tls: TlsInfo | None = None


@dataclass(frozen=True, slots=True)
class LockInfo:
    """One lock held or waited for, for pg_locks; `mode` as PostgreSQL names it ('AccessShareLock').

    `virtual_transaction` is who holds or wants it, `virtual_id` the virtual transaction that is locked.
    """

    lock_type: str
    mode: str
    granted: bool
    pid: int | None
    virtual_transaction: str
    database_oid: int | None = None
    relation_oid: int | None = None
    page: int | None = None
    tuple: int | None = None
    virtual_id: str | None = None
    transaction_id: int | None = None
    class_oid: int | None = None
    object_id: int | None = None
    object_sub_id: int | None = None
    wait_start_us: int | None = None


@dataclass(frozen=True, slots=True)
class SettingInfo:
    """One setting, for pg_settings.  Values are texts as SHOW would print them without units."""

    name: str
    setting: str
    unit: str | None = None
    category: str = ""
    short_description: str = ""
    context: str = "user"
    type: str = "string"
    source: str = "default"
    minimum: str | None = None
    maximum: str | None = None
    enum_values: tuple[str, ...] | None = None
    boot_value: str | None = None
    reset_value: str | None = None


@dataclass(frozen=True, slots=True)
class TlsInfo:
    """A session's encryption, for pg_stat_ssl; the last three are the client's certificate's, None without one."""

    version: str
    cipher: str
    bits: int
    client_name: str | None
    client_serial: int | None
    issuer_name: str | None


@dataclass(frozen=True, slots=True)
class PreparedStatementInfo:
    """One of the session's prepared statements, for pg_prepared_statements."""

    name: str
    statement: str
    prepare_time_us: int
    parameter_types: tuple[int, ...]
    from_sql: bool
    generic_plans: int = 0
    custom_plans: int = 0


@dataclass(frozen=True, slots=True)
class PreparedTransactionInfo:
    """One transaction under PREPARE TRANSACTION, for pg_prepared_xacts."""

    transaction_id: int
    gid: str
    prepared_at_us: int
    role_oid: int
    database_oid: int


@dataclass(frozen=True, slots=True)
class HistoryInfo:
    """What of the past can be read, for skerry.history.  Times are None while no history is kept."""

    oldest_epoch: int
    oldest_time_us: int | None
    newest_epoch: int
    newest_time_us: int | None
    retention_us: int
    limit_bytes: int
    size_bytes: int
    versions: int


@dataclass(frozen=True, slots=True)
class DeferredViewInfo:
    """A deferred materialized view, for skerry.deferred_views.  `epoch` and what follows from it are None while the view
    is to be computed anew."""

    schema_oid: int
    name: str
    method: str
    epoch: int | None
    newest_epoch: int
    lag_commits: int | None
    lag_us: int
    pending_changes: int | None
    state_rows: int
    last_error: str | None


@dataclass(frozen=True, slots=True)
class TransactionInfo:
    """One transaction that is active or prepared, for skerry.transactions.  Epochs are commits' numbers."""

    id: int
    pid: int | None
    database_oid: int
    state: str
    isolation_level: str
    is_read_only: bool
    is_deferrable: bool
    started_us: int
    age_us: int
    snapshot: int | None
    oldest_snapshot: int | None
    waits_for: str | None
    waiting_for: tuple[int, ...]
    locks: int
    pending_rows: int
    conflicts_in: int | None
    conflicts_out: int | None
    conflict_out_epoch: int | None
    retained_versions: int
    gid: str | None


@dataclass(frozen=True, slots=True)
class CursorInfo:
    """One of the session's cursors, for pg_cursors."""

    name: str
    statement: str
    is_holdable: bool
    is_binary: bool
    is_scrollable: bool
    creation_time_us: int


class SystemContext(Protocol):
    """What a statement offers to the system relations and functions."""

    @property
    def catalog(self) -> Catalog: ...
    @property
    def database(self) -> Database: ...
    @property
    def search_path(self) -> SearchPath: ...
    @property
    def current_user_oid(self) -> int: ...

    def sessions(self) -> Sequence[SessionInfo]: ...
    def locks(self) -> Sequence[LockInfo]: ...
    def settings(self) -> Sequence[SettingInfo]: ...
    def prepared_statements(self) -> Sequence[PreparedStatementInfo]: ...
    def transactions(self) -> Sequence[TransactionInfo]: ...
    def history(self) -> HistoryInfo: ...
    def deferred_views(self) -> Sequence[DeferredViewInfo]: ...
    def prepared_transactions(self) -> Sequence[PreparedTransactionInfo]: ...
    def cursors(self) -> Sequence[CursorInfo]: ...

    def graph_text(self, of: Graph | GraphType, part: ElementConstraint | PropertyIndex | None = None) -> str:
        """The GQL that makes a graph or a graph type, or a part of that graph."""
        ...

    def comes_with_type(self, graph: Graph, constraint: ElementConstraint) -> bool:
        """Whether a graph has got the constraint from its type."""
        ...

    def row_count(self, table_oid: int) -> int:
        """Live committed rows of a base table, -1 when unknown."""
        ...

    def relation_size_bytes(self, relation_oid: int) -> int:
        """An estimate of the memory that a table or index takes."""
        ...

    def sequence_state(self, sequence_oid: int) -> tuple[int, bool]:
        """A sequence's (last_value, is_called)."""
        ...
