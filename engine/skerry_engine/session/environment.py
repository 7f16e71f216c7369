"""What a statement's execution can see of its surroundings.

Three views of one session, by who asks:

    SessionFunctions     FunctionContext: functions such as now(), nextval(), current_setting()
    StatementCatalog     SystemContext: the catalog as rows and names; Tables: storages; PlanInputs: what planning needs

A StatementCatalog belongs to one catalog snapshot and search path and is kept as long as both last.
"""

from __future__ import annotations

import datetime
import random
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, cast

from skerry_engine import errors
from skerry_engine.algebra.labels import LabelFormula
from skerry_engine.catalog.catalog import Catalog, Database
from skerry_engine.catalog.graph_checks import graph_checks
from skerry_engine.catalog.graphs import (
    ElementConstraint,
    ElementTable,
    Graph,
    GraphType,
    PropertyIndex,
    graph_of,
)
from skerry_engine.catalog.mapped_elements import mapped_elements
from skerry_engine.catalog.names import CatalogNames
from skerry_engine.catalog.objects import SequenceDef, SystemTable, Table
from skerry_engine.catalog.privileges import SELECT, UPDATE, USAGE, Judge, denied
from skerry_engine.catalog.search_path import SearchPath
from skerry_engine.catalog.system.context import (
    CursorInfo,
    DeferredViewInfo,
    HistoryInfo,
    LockInfo,
    PreparedStatementInfo,
    PreparedTransactionInfo,
    SessionInfo,
    SettingInfo,
    TransactionInfo,
)
from skerry_engine.catalog.user_types import user_types
from skerry_engine.plan.elements import property_of_shaped_rows, shape_test
from skerry_engine.plan.graph_writing import DeclaredType, PropertyCheck
from skerry_engine.plan.planner import ElementInfo, IndexInfo
from skerry_engine.session.changes import (
    SessionSubscription,
    change_rows,
    not_recorded,
    raw_change_rows,
)
from skerry_engine.session.domains import check_domain
from skerry_engine.session.graphs import definition_text
from skerry_engine.session.graphs.names import GRAPH_SETTING, AnyGraph, working_graph
from skerry_engine.session.monitoring import lock_infos, session_info
from skerry_engine.session.open_transactions import transaction_infos
from skerry_engine.session.pending_rows import pending_change_rows
from skerry_engine.session.settings import read_retention
from skerry_engine.session.sleeping import CallRecord, FunctionWait, Timer
from skerry_engine.storage.shapes import ShapeRegistry, ShapesFitting
from skerry_engine.storage.table import TableStorage
from skerry_engine.txn.locking import NO_SNAPSHOT
from skerry_engine.txn.manager import GC_SLICE_ROWS
from skerry_engine.txn.target import WriteTarget
from skerry_engine.values.clock import wall_clock
from skerry_engine.values.io import IoContext
from skerry_engine.values.user_types import UserTypes

if TYPE_CHECKING:
    from skerry_engine.session.state import SessionState

Row = tuple[object, ...]


class StatementCatalog:
    """The catalog as one statement sees it."""

    def __init__(self, session: SessionState, catalog: Catalog, settings_version: int) -> None:
        self.session = session
        self.catalog: Catalog = catalog
        self.settings_version = settings_version
        self.graph_name: str = session.settings.text(GRAPH_SETTING)
        self.database: Database = catalog.database(session.database_oid)
        self.current_user_oid: int = session.current_user_oid
        self.judge = Judge(catalog, self.database, self.current_user_oid)
        self.search_path: SearchPath = self.database.search_path(
            session.settings.search_path(),
            catalog.role_name(self.current_user_oid),
            self.database.schema_oids.get(session.temporary_schema_name, 0),
            None if self.judge.is_superuser else self._may_use,
        )
        self.types: UserTypes = user_types(self.database, self.search_path)
        self._targets: dict[int, WriteTarget] = {}
        self._indexes: dict[int, list[IndexInfo]] = {}
        self._storages: dict[int, TableStorage] = {}

    # --- Tables ----------------------------------------

    def storage(self, table_oid: int) -> TableStorage:
        """The storage generation of the table."""
        storage = self._storages.get(table_oid)
        if storage is None:
            storage = self.session.engine.stores.get(self.database.table(table_oid).storage_id)
            self._storages[table_oid] = storage
        return storage

    def target(self, table_oid: int) -> WriteTarget:
        """What writing the table needs to know."""
        target = self._targets.get(table_oid)
        if target is None:
            target = self.session.engine.stores.target(self.database, self.database.table(table_oid))
            self._targets[table_oid] = target
        return target

    def virtual(self, table_oid: int) -> list[Row]:
        """All rows of a system table, or of a sequence."""
        relation = self.database.relation(table_oid)
        if isinstance(relation, SequenceDef):
            value, is_called = self.sequence_state(table_oid)
            return [(value, 0, is_called)]
        assert isinstance(relation, SystemTable), relation
        return relation.rows(self)

    def table_name(self, table_oid: int) -> str:
        return self.database.table(table_oid).name

    def describe_row(self, table_oid: int, row: Row) -> str:
        """The row's live columns as error details show them, each cut to 64 characters."""
        return self.session.engine.stores.describe_row(self.database.table(table_oid), row)

    # --- elements that are values ----------------------------------------

    def property_of_rows(self, table_oid: int, name: str, type_oid: int) -> Callable[[Row], object]:
        """A function from a row of an element table to its property."""
        mapped = mapped_elements(self.database).get(table_oid)
        if mapped is not None:
            return mapped.property_of(name, type_oid)
        return property_of_shaped_rows(self.shapes(table_oid), name, type_oid)

    def labels_of_rows(self, table_oid: int, labels: LabelFormula) -> Callable[[Row], bool]:
        """A function from a row of an element table to whether its labels fit."""
        mapped = mapped_elements(self.database).get(table_oid)
        if mapped is not None:
            is_fitting = mapped.has_labels(labels)
            return lambda row: is_fitting
        fits = ShapesFitting(self.shapes(table_oid), shape_test(labels))
        return lambda row: fits[cast("int", row[0])]

    # --- PlanInputs ----------------------------------------

    def row_count(self, table_oid: int) -> int:
        """Live committed rows of a table, -1 for what is no table."""
        if not isinstance(self.database.relation(table_oid), Table):
            return -1
        return self.storage(table_oid).row_count

    def indexes(self, table_oid: int) -> list[IndexInfo]:
        """The complete indexes of a table, as the planner wants them."""
        found = self._indexes.get(table_oid)
        if found is None:
            found = self._indexes[table_oid] = self._index_infos(self.database.table(table_oid))
        return found

    def _index_infos(self, table: Table) -> list[IndexInfo]:
        infos: list[IndexInfo] = []
        for index in table.indexes:
            if index.predicate is not None or not index.valid:
                continue
            positions = tuple(table.column(k.attnum).position if k.attnum else None for k in index.keys)
            descending = tuple(k.descending for k in index.keys)
            nulls_first = tuple(k.nulls_first for k in index.keys)
            is_unique = index.unique and not index.deferrable  # a deferrable one has duplicates for a while
            of = (index.label, index.properties) if isinstance(index, PropertyIndex) else ("", ())
            infos.append(IndexInfo(index.oid, index.name, positions, descending, nulls_first, is_unique, *of))
        return infos

    def element_info(self, table_oid: int) -> ElementInfo | None:
        """What the planner wants to know of an element table."""
        table = self.database.relation(table_oid)
        if not isinstance(table, ElementTable):
            return None
        graph = graph_of(self.database, table)
        by_column = [index.oid for index in table.indexes if not isinstance(index, PropertyIndex)]
        return ElementInfo(graph.name, table.is_edges, graph.nodes_oid, *by_column)

    def label_count(self, table_oid: int, labels: LabelFormula) -> int:
        """About how many rows have labels that fit."""
        storage = self.storage(table_oid)
        table = self.database.table(table_oid)
        by_shape = storage.indexes[next(i.oid for i in table.indexes if not isinstance(i, PropertyIndex))]
        shapes = self.shapes(table_oid).fitting(shape_test(labels))
        return sum(by_shape.count(shape, storage.row_count) for shape in shapes)

    def shapes(self, table_oid: int) -> ShapeRegistry:
        """The shapes of an element table's rows."""
        registry = self.storage(table_oid).shapes
        assert registry is not None, "other tables' rows have no shapes"
        return registry

    def property_check(self, table_oid: int) -> PropertyCheck:
        """What the graph's type says of properties that rows of an element table are about to get."""
        table = self.database.table(table_oid)
        assert isinstance(table, ElementTable), "other tables' rows have no shapes"
        return graph_checks(self.database, table).properties(table.is_edges)

    def declared_type(self, table_oid: int) -> DeclaredType | None:
        """What the graph's type declares for properties of an element table's rows; None in an open graph."""
        table = self.database.table(table_oid)
        assert isinstance(table, ElementTable), "other tables' rows have no shapes"
        return graph_checks(self.database, table).declared_type(table.is_edges)

    # --- graphs ----------------------------------------

    @property
    def working_graph(self) -> AnyGraph | None:
        """The graph that the session works in; None where it is gone."""
        return working_graph(self.database, self.graph_name)

    def index_key_is_atom(self, table_oid: int, index_oid: int) -> bool:
        """Whether the index's equality key is its column's value itself."""
        return self.storage(table_oid).indexes[index_oid].codec.atom

    # --- SystemContext ----------------------------------------

    def _may_use(self, schema_oid: int) -> bool:
        return bool(self.judge.on_schema(self.database.schemas[schema_oid]) & USAGE)

    def sessions(self) -> Sequence[SessionInfo]:
        return [session_info(session) for session in self.session.engine.sessions.values()]

    def locks(self) -> Sequence[LockInfo]:
        return lock_infos(self.session.engine)

    def settings(self) -> Sequence[SettingInfo]:
        return self.session.settings.infos()

    def prepared_statements(self) -> Sequence[PreparedStatementInfo]:
        return self.session.prepared_infos()

    def transactions(self) -> Sequence[TransactionInfo]:
        return transaction_infos(self.session.engine)

    def history(self) -> HistoryInfo:
        manager = self.session.engine.manager
        kept = manager.history
        oldest = manager.oldest_retained_epoch()
        newest = manager.published
        return HistoryInfo(
            oldest,
            kept.line.time_of(oldest) if kept.is_on else None,
            newest,
            kept.line.time_of(newest) if kept.is_on else None,
            kept.retention_us,
            kept.limit_bytes,
            kept.size_bytes,
            manager.collector.rows_waiting,
        )

    def deferred_views(self) -> Sequence[DeferredViewInfo]:
        session = self.session
        return session.engine.deferred_views.infos(session.database_oid, session.functions.current_epoch())

    def prepared_transactions(self) -> Sequence[PreparedTransactionInfo]:
        return [
            PreparedTransactionInfo(p.transaction.id, p.gid, p.prepared_at_us, p.role_oid, p.database_oid)
            for p in self.session.engine.manager.prepared.all()
        ]

    def cursors(self) -> Sequence[CursorInfo]:
        return self.session.cursor_infos()

    def graph_text(self, of: Graph | GraphType, part: ElementConstraint | PropertyIndex | None = None) -> str:
        """The GQL that makes a graph or a graph type, or a part of that graph."""
        if isinstance(of, GraphType):
            return definition_text.graph_type_text(self.database, of)
        if part is None:
            return definition_text.graph_text(self.database, of)
        if isinstance(part, PropertyIndex):
            return definition_text.index_text(self.database, of, part)
        return definition_text.constraint_text(self.database, of, part)

    def comes_with_type(self, graph: Graph, constraint: ElementConstraint) -> bool:
        """Whether a graph has got the constraint from its type."""
        return definition_text.comes_with_type(graph, constraint)

    def relation_size_bytes(self, relation_oid: int) -> int:
        """An estimate: rows times what a row of that width takes in memory."""
        relation = self.database.relation(relation_oid)
        if isinstance(relation, Graph):
            return sum(map(self.relation_size_bytes, (relation.nodes_oid, relation.edges_oid)))
        if not isinstance(relation, Table):
            return 0
        return self.row_count(relation_oid) * (56 + 40 * relation.width)

    def sequence_state(self, sequence_oid: int) -> tuple[int, bool]:
        return self.session.engine.sequences.state(sequence_oid)


class SessionFunctions:
    """FunctionContext over a session and its current statement."""

    def __init__(self, session: SessionState) -> None:
        self.session = session
        self.random = random.Random()
        self.transaction_timestamp: int = wall_clock()
        self.statement_timestamp: int = self.transaction_timestamp
        self.calls = CallRecord()
        self._timer: Timer | None = None
        self._ending: Timer | None = None
        self._collected = 0
        self.subscription = SessionSubscription(session)

    def collect_garbage(self) -> int:
        """skerry.gc(), in slices.  Raises FunctionWait between them."""
        return cast("int", self.calls.call(self._collect))

    def _collect(self) -> int:
        manager = self.session.engine.manager
        collected = manager.gc(GC_SLICE_ROWS)
        self._collected += collected
        if collected >= GC_SLICE_ROWS:
            raise FunctionWait(Timer(time.monotonic()))  # over at once: others have their turn
        total, self._collected = self._collected, 0
        return total

    def current_epoch(self) -> int:
        """skerry.current_epoch()."""
        transaction = self.session.transaction
        if transaction is not None and transaction.snapshot != NO_SNAPSHOT:
            return transaction.snapshot
        return self.session.engine.manager.published

    def epoch_at(self, time_us: int) -> int:
        """skerry.epoch_at()."""
        manager = self.session.engine.manager
        return min(manager.epoch_at(time_us), manager.published)

    def epoch_time(self, epoch: int) -> int | None:
        """skerry.epoch_time()."""
        manager = self.session.engine.manager
        manager.check_readable(epoch)
        return manager.history.line.time_of(epoch) if manager.history.is_on else None

    def set_retention(self, retention: str | None, limit: str | None) -> None:
        """skerry.set_retention()."""
        self.session.engine.set_retention(*read_retention(retention, limit))

    def changes(self, since: int, limit: int | None) -> Iterator[tuple[object, ...]]:
        """skerry.changes()."""
        self.subscription.has_read(since)
        return change_rows(self.session, since, limit)

    def raw_changes(
        self, since: int, position: int | None, limit: int, names: Sequence[str] | None
    ) -> Iterator[tuple[object, ...]]:
        """skerry.raw_changes()."""
        self.subscription.has_read(since if position is None else since - 1)
        return raw_change_rows(self.session, since, position, limit, names)

    def subscribe(self, since: int | None) -> int:
        """skerry.subscribe()."""
        return self.subscription.begin(since)

    def unsubscribe(self) -> None:
        """skerry.unsubscribe()."""
        self.subscription.end()

    def wait_for_changes(self, since: int, timeout_s: float) -> int:
        """skerry.wait_for_changes().  Raises FunctionWait until something is published, or the time is over."""
        return cast("int", self.calls.call(lambda: self._wait_for_changes(since, timeout_s)))

    def _wait_for_changes(self, since: int, timeout_s: float) -> int:
        manager = self.session.engine.manager
        if not manager.feed.is_recording:
            raise not_recorded(since)
        if self._timer is None and timeout_s > 0:
            self._timer = Timer(time.monotonic() + timeout_s)
        newest = manager.newest_change()
        if newest <= since and self._timer is not None and not self._timer.is_over():
            manager.feed.wake(self._timer)
            raise FunctionWait(self._timer)
        self._timer = None
        return newest

    def pending_changes(self) -> Iterator[tuple[object, ...]]:
        """skerry.pending_changes()."""
        return pending_change_rows(self.session)

    def sleep(self, seconds: float) -> None:
        """pg_sleep.  Raises FunctionWait until the time is over."""
        self.calls.call(lambda: self._sleep(seconds))

    def _sleep(self, seconds: float) -> None:
        if self._timer is None and seconds > 0:
            self._timer = Timer(time.monotonic() + seconds)
        if self._timer is not None and not self._timer.is_over():
            raise FunctionWait(self._timer)
        self._timer = None

    def start_statement(self) -> None:
        """A new statement: nothing has been waited for."""
        self.calls.start_statement()
        self._timer = None
        self._ending = None
        self._collected = 0

    def clock_timestamp(self) -> int:
        return wall_clock()

    @property
    def time_zone(self) -> datetime.tzinfo:
        return self.session.io.zone

    @property
    def io(self) -> IoContext:
        return self.session.io

    @property
    def session_user(self) -> str:
        return self.session.catalog().role_name(self.session.session_user_oid)

    @property
    def current_user(self) -> str:
        return self.session.catalog().role_name(self.session.current_user_oid)

    @property
    def current_database(self) -> str:
        return self.session.statement_catalog().database.name

    def current_schemas(self, include_implicit: bool) -> Sequence[str]:
        """The existing schemas of search_path, in order."""
        here = self.session.statement_catalog()
        oids = here.search_path.schemas if include_implicit else here.search_path.named
        return [here.database.schemas[oid].name for oid in oids]

    def get_setting(self, name: str, missing_ok: bool) -> str | None:
        settings = self.session.settings
        return settings.get_or_none(name) if missing_ok else settings.get(name)

    def set_setting(self, name: str, value: str | None, is_local: bool) -> str:
        return self.session.set_config(name, value, is_local)

    def _writable_sequence(self, sequence_oid: int, what: str, privileges: int) -> SequenceDef:
        transaction = self.session.transaction
        if transaction is not None and transaction.read_only and not self.session.is_temporary(sequence_oid):
            raise errors.ReadOnlyViolation(f"cannot execute {what}() in a read-only transaction")
        definition = self._sequence(sequence_oid)
        if not (definition.is_identity and what == "nextval"):  # a column's default asks for nobody's rights
            self._check_sequence(definition, privileges)
        return definition

    def _check_sequence(self, definition: SequenceDef, privileges: int) -> None:
        """Raise InsufficientPrivilege unless the current role has one of the privileges."""
        judge = self.session.statement_catalog().judge
        if not judge.is_superuser and not judge.on_relation(definition) & privileges:
            raise denied("sequence", definition.name)

    def _sequence(self, sequence_oid: int) -> SequenceDef:
        found = self.session.statement_catalog().database.relation(sequence_oid)
        if found is None:
            raise errors.UndefinedTable(f"could not open relation with OID {sequence_oid}")
        if not isinstance(found, SequenceDef):
            raise errors.WrongObjectType(f'"{found.name}" is not a sequence')
        return found

    def nextval(self, sequence_oid: int) -> int:
        definition = self._writable_sequence(sequence_oid, "nextval", USAGE | UPDATE)
        value = self.session.engine.sequences.nextval(definition)
        self._wait_for_notes()
        self.session.sequence_values[sequence_oid] = value
        self.session.last_sequence = sequence_oid
        return value

    def _wait_for_notes(self) -> None:
        """While the log's note of values that are given out is not durable, the transaction's commit waits for it,
        whoever caused it: no client is to see a value that could come again after a crash."""
        log = self.session.engine.manager.log
        if log.notes != log.durable_notes:
            self.session.need_transaction().has_noted = True

    def currval(self, sequence_oid: int) -> int:
        definition = self._sequence(sequence_oid)
        self._check_sequence(definition, SELECT | USAGE)
        if sequence_oid not in self.session.sequence_values:
            raise errors.ObjectNotInPrerequisiteState(
                f'currval of sequence "{definition.name}" is not yet defined in this session'
            )
        return self.session.sequence_values[sequence_oid]

    def lastval(self) -> int:
        if self.session.last_sequence == 0:
            raise errors.ObjectNotInPrerequisiteState("lastval is not yet defined in this session")
        return self.currval(self.session.last_sequence)

    def setval(self, sequence_oid: int, value: int, is_called: bool) -> int:
        definition = self._writable_sequence(sequence_oid, "setval", UPDATE)
        self.session.engine.sequences.setval(definition, value, is_called)
        self._wait_for_notes()
        if is_called:
            self.session.sequence_values[sequence_oid] = value
            self.session.last_sequence = sequence_oid
        return value

    @property
    def backend_pid(self) -> int:
        return self.session.backend_pid

    @property
    def transaction_id(self) -> int:
        transaction = self.session.transaction
        if transaction is None:
            return 0
        self.session.told_transaction_id = transaction.id
        return transaction.id

    def advisory_lock(self, key: tuple[int, ...], *, shared: bool, session: bool, wait: bool) -> bool:
        """Take an advisory lock.  Raises LockWait when it has to wait."""
        if not wait:
            return self.session.advisory_lock(key, shared, session, wait)
        return bool(self.calls.call(lambda: self.session.advisory_lock(key, shared, session, wait)))

    def advisory_unlock(self, key: tuple[int, ...] | None, *, shared: bool) -> bool:
        return self.session.advisory_unlock(key, shared)

    def cancel_backend(self, pid: int) -> bool:
        """pg_cancel_backend()."""
        return bool(self.calls.call(lambda: self._cancel(pid)))

    def _cancel(self, pid: int) -> bool:
        if pid == self.session.backend_pid:
            raise errors.QueryCanceled("canceling statement due to user request")
        found = self._other_session(pid)
        if found is not None:
            found.cancel()
        return found is not None

    def terminate_backend(self, pid: int, timeout_ms: int) -> bool:
        """pg_terminate_backend().  Raises FunctionWait while it waits for the session's end."""
        if timeout_ms < 0:
            raise errors.NumericValueOutOfRange('"timeout" must not be negative')
        return bool(self.calls.call(lambda: self._terminate(pid, timeout_ms)))

    def _terminate(self, pid: int, timeout_ms: int) -> bool:
        ending = self._ending
        if ending is None:
            return self._begin_terminating(pid, timeout_ms)
        if not ending.is_over():
            raise FunctionWait(ending)
        self._ending = None
        if pid in self.session.engine.sessions:
            self.session.notice(
                f"backend with PID {pid} did not terminate within {timeout_ms} milliseconds",
                "WARNING",
                "01000",
            )
            return False
        return True

    def _begin_terminating(self, pid: int, timeout_ms: int) -> bool:
        if pid == self.session.backend_pid:
            raise errors.AdminShutdown("terminating connection due to administrator command")
        found = self._other_session(pid)
        if found is None:
            return False
        found.terminate()
        if timeout_ms == 0 or found.closed:
            return True
        self._ending = Timer(time.monotonic() + timeout_ms / 1000)
        found.on_close(self._ending.end)
        raise FunctionWait(self._ending)

    def _other_session(self, pid: int) -> SessionState | None:
        found = self.session.engine.sessions.get(pid)
        if found is None:
            self.session.notice(f"PID {pid} is not a PostgreSQL backend process", "WARNING", "01000")
        return found

    def blocking_pids(self, pid: int) -> Sequence[int]:
        return self.session.engine.blocking_pids(pid)

    def safe_snapshot_blocking_pids(self, pid: int) -> Sequence[int]:
        return self.session.engine.safe_snapshot_blocking_pids(pid)

    def check_domain(self, oid: int, value: object) -> None:
        here = self.session.statement_catalog()
        check_domain(here.database, here.search_path, oid, self, value)

    def notify(self, channel: str, payload: str) -> None:
        transaction = self.session.transaction
        if transaction is not None and transaction.is_historic:  # a statement's own never commits
            raise errors.ReadOnlyViolation("cannot execute pg_notify() in a transaction AS OF an epoch")
        self.session.notifications.notify(channel, payload)

    def listening_channels(self) -> Sequence[str]:
        return list(self.session.notifications.channels)

    def notification_queue_usage(self) -> float:
        return self.session.engine.notifications.usage()

    @property
    def catalog(self) -> object:
        return self.session.statement_catalog()


class SessionNames:
    """NameResolver over whatever the session's current statement sees:
    an IoContext outlives catalog changes."""

    def __init__(self, session: SessionState) -> None:
        self._session = session

    @property
    def _names(self) -> CatalogNames:
        here = self._session.statement_catalog()
        return CatalogNames(here.catalog, here.database, here.search_path)

    def relation_name(self, oid: int) -> str | None:
        return self._names.relation_name(oid)

    def relation_oid(self, text: str) -> int:
        return self._names.relation_oid(text)

    def type_name(self, oid: int) -> str | None:
        return self._names.type_name(oid)

    def type_oid(self, text: str) -> int:
        return self._names.type_oid(text)

    def function_name(self, oid: int) -> str | None:
        return self._names.function_name(oid)

    def function_oid(self, text: str) -> int:
        return self._names.function_oid(text)

    def function_signature(self, oid: int) -> str | None:
        return self._names.function_signature(oid)

    def function_signature_oid(self, text: str) -> int:
        return self._names.function_signature_oid(text)

    def operator_name(self, oid: int) -> str | None:
        return self._names.operator_name(oid)

    def operator_oid(self, text: str) -> int:
        return self._names.operator_oid(text)

    def operator_signature(self, oid: int) -> str | None:
        return self._names.operator_signature(oid)

    def operator_signature_oid(self, text: str) -> int:
        return self._names.operator_signature_oid(text)

    def namespace_name(self, oid: int) -> str | None:
        return self._names.namespace_name(oid)

    def namespace_oid(self, text: str) -> int:
        return self._names.namespace_oid(text)

    def role_name(self, oid: int) -> str | None:
        return self._names.role_name(oid)

    def role_oid(self, text: str) -> int:
        return self._names.role_oid(text)

    def collation_name(self, oid: int) -> str | None:
        return self._names.collation_name(oid)

    def collation_oid(self, text: str) -> int:
        return self._names.collation_oid(text)
