"""A flow branch of the transaction that a session has open, as users know it.

    session ── transaction ── SessionBranch ──┬─ tables by name, at the branch's epoch       branch_tables.py
                                              ├─ state of flows' nodes                       flow_state.py
                                              ├─ changes of views, with what is to be told    at merge
                                              └─ merge: steps of the session, as a statement's

Names are looked up in the catalog of the branch's epoch, by the session's search path; rights are those that the
session's role has now.  At merge each table must still be what the branch takes it for, in the newest catalog and in
the parent's own.

A merge that fails leaves the transaction as it was, unlike a statement that fails: nothing has been written, and the
parent may go on without the branch.

Everything but `merge_steps` is done in one unit, from whatever thread has the engine's mutex.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from skerry_engine import errors
from skerry_engine.catalog.catalog import Catalog
from skerry_engine.catalog.objects import MaterializedView, Relation, Table
from skerry_engine.catalog.privileges import DELETE, INSERT, SELECT, UPDATE, Judge, denied
from skerry_engine.flow.branch import FlowTransaction
from skerry_engine.flow.branch_table import BranchTable
from skerry_engine.flow.merging import changed_definition, merge
from skerry_engine.flow.metrics import BranchMetrics
from skerry_engine.flow.state import BranchState
from skerry_engine.session.branch_tables import BranchedTable, Given
from skerry_engine.session.environment import StatementCatalog
from skerry_engine.session.flow_state import branch_state
from skerry_engine.session.steps import Step, Wait
from skerry_engine.sql.binder.from_clause import require_populated
from skerry_engine.storage.heap import Row
from skerry_engine.txn.target import WriteTarget
from skerry_engine.values.user_types import show_types

if TYPE_CHECKING:
    from skerry_engine.session.session import Session

INSERTED = "insert"
UPDATED = "update"
REMOVED = "delete"


@dataclass(frozen=True, slots=True)
class ViewOperation:
    """A change of a view that a branch has made: `kind` is 'insert', 'update' or 'delete'; `key` and `row` are the new
    ones, `old_key` and `old_row` those before (keys: atoms, or a row id)."""

    table: BranchedTable
    kind: str
    old_key: object
    old_row: Row | None
    key: object
    row: Row | None


class SessionBranch:
    """See the module.  Raises what `FlowTransaction` raises, NoActiveTransaction, InFailedTransaction."""

    def __init__(self, session: Session, version: int | None, name: str = "") -> None:
        self.session = session
        session.check_open()
        session.check_not_failed(None)
        if not session.in_block:
            raise errors.NoActiveTransaction("a flow branch needs a transaction that is open")
        self.branch = FlowTransaction(session.need_transaction(), version, name)
        self.view_operations: list[ViewOperation] = []
        self._count_of_views = 0
        self._tables: dict[tuple[str | None, str], BranchedTable] = {}
        self._here: StatementCatalog | None = None
        self._state: BranchState | None = None
        self._is_merging = False
        self._allowed: dict[int, int] = {}
        self._judged: tuple[int, int] = (0, 0)

    # --- tables ---------------------------------------------------------------------------------------------

    def table(self, name: str, schema: str | None = None) -> BranchedTable:
        """A table, or a materialized view.  Raises UndefinedTable, WrongObjectType, InsufficientPrivilege."""
        self._begin()
        found = self._tables.get((schema, name))
        if found is None:
            found = self._tables[schema, name] = self._opened(name, schema)
        return found

    def _opened(self, name: str, schema: str | None) -> BranchedTable:
        here = self._catalog()
        relation = here.database.get_relation(name, schema, here.search_path)
        if not isinstance(relation, Table):
            raise errors.WrongObjectType(f'"{name}" is not a table')
        if isinstance(relation, MaterializedView):
            require_populated(relation)
        target = self.session.engine.stores.target(here.database, relation)
        key = relation.primary_key
        index = None if key is None else target.storage.indexes[key.index_oid]
        table = self.branch.table(target, index, relation.version)
        return BranchedTable(self.session, here.database, relation, table)

    def _catalog(self) -> StatementCatalog:
        here = self._here
        session = self.session
        if here is None:
            catalog = session.engine.manager.catalog_at(self.branch.version)
            here = self._here = StatementCatalog(session, cast("Catalog", catalog), session.settings.version)
        return here

    def _begin(self) -> None:
        """The surroundings of an operation: it is one of the session's, whatever thread it comes from."""
        self._check_usable()
        self.session.engine.stores.functions = self.session.functions
        show_types(self._catalog().types)

    def _check_usable(self) -> None:
        self.branch.check_open()
        if self._is_merging:
            raise errors.ConcurrentUse(f'branch "{self.branch.name}" is being merged by another thread')

    def _check_rights(self, relation: Relation, privileges: int) -> None:
        """Raise InsufficientPrivilege unless the session's role may do this now."""
        session = self.session
        catalog = session.engine.published_catalog()
        judged = (catalog.version, session.current_user_oid)
        if judged != self._judged:
            self._judged = judged
            self._allowed.clear()
        allowed = self._allowed.get(relation.oid)
        if allowed is None:
            allowed = self._allowed[relation.oid] = self._rights(catalog, relation)
        if privileges & ~allowed:
            kind = "materialized view" if isinstance(relation, MaterializedView) else "table"
            raise denied(kind, relation.name)

    def _rights(self, catalog: Catalog, relation: Relation) -> int:
        database = catalog.database(self.session.database_oid)
        judge = Judge(catalog, database, self.session.current_user_oid)
        if judge.is_superuser:
            return SELECT | INSERT | UPDATE | DELETE
        return judge.on_relation(database.relation(relation.oid) or relation)

    # --- reading --------------------------------------------------------------------------------------------

    def get(self, table: BranchedTable, key: object) -> Row | None:
        """The row with a key, or None."""
        self._begin()
        self._check_rights(table.table, SELECT)
        return table.get(key)

    def batch(
        self, table: BranchedTable, low: object, high: object, after: object, n: int, descending: bool
    ) -> tuple[list[tuple[object, Row]], object]:
        """See `BranchedTable.batch`."""
        self._begin()
        self._check_rights(table.table, SELECT)
        return table.batch(low, high, after, n, descending)

    def prefix_batch(
        self, table: BranchedTable, prefix: object, after: object, n: int
    ) -> tuple[list[tuple[object, Row]], object]:
        """See `BranchedTable.prefix_batch`."""
        self._begin()
        self._check_rights(table.table, SELECT)
        return table.prefix_batch(prefix, after, n)

    # --- writing --------------------------------------------------------------------------------------------

    def set(self, table: BranchedTable, given: Given, row_id: object = None) -> object:
        """Write a row; its key atoms or row id.  Raises as `BranchedTable.set`, WrongObjectType for a view."""
        self._begin()
        self._refuse_view(table)
        self._check_rights(table.table, SELECT | INSERT | UPDATE)
        return table.set(given, row_id)

    def remove(self, table: BranchedTable, key: object) -> bool:
        """Remove the row with a key; whether there was one."""
        self._begin()
        self._refuse_view(table)
        self._check_rights(table.table, SELECT | DELETE)
        return table.remove(key)

    def _refuse_view(self, table: BranchedTable) -> None:
        if table.is_view:
            raise errors.WrongObjectType(
                f'cannot change materialized view "{table.table.name}"',
                hint="Its rows are changed by insert_view(), update_view() and remove_view().",
            )

    # --- views ----------------------------------------------------------------------------------------------

    def insert_view(self, view: BranchedTable, given: Given) -> object:
        """Insert a row into a view; its key atoms or row id."""
        self._begin_view(view, INSERT)
        key = view.set(given)
        return self._noted(view, INSERTED, None, None, key)

    def update_view(self, view: BranchedTable, old_key: object, given: Given) -> object:
        """Replace the row with the old key by another, perhaps under another key, which comes back.

        What is not given the new row has from the old one.  Raises InvalidParameterValue where there is none."""
        self._begin_view(view, UPDATE)
        old = view.get(old_key)
        if old is None:
            raise errors.InvalidParameterValue(f'"{view.table.name}" has no row with the key {old_key!r}')
        if not view.is_keyed:
            return self._noted(view, UPDATED, old_key, old, view.set(given, old_key))
        key = view.replace(old, given)
        return self._noted(view, UPDATED, view.key_of(old), old, key)

    def remove_view(self, view: BranchedTable, key: object) -> bool:
        """Remove a view's row; whether there was one."""
        self._begin_view(view, DELETE)
        old = view.get(key)
        view.remove(key)
        shown = view.key_atoms(key) if view.is_keyed else key
        self._count_of_views += 1
        self.view_operations.append(ViewOperation(view, REMOVED, shown, old, None, None))
        return old is not None

    def _begin_view(self, view: BranchedTable, privileges: int) -> None:
        self._begin()
        self._check_rights(view.table, SELECT | privileges)

    def _noted(self, view: BranchedTable, kind: str, old_key: object, old: Row | None, key: object) -> object:
        row = view.get_by_atoms(key)
        self._count_of_views += 1
        self.view_operations.append(ViewOperation(view, kind, old_key, old, key, row))
        return key

    # --- state ----------------------------------------------------------------------------------------------

    def state(self) -> BranchState:
        """The state of flows' nodes.  Raises ReadOnlyViolation (T003) where it can't be made."""
        self._check_usable()
        if self._state is None:
            self._state = branch_state(self.session.engine, self.session.database_oid, self.branch)
        return self._state

    # --- merging --------------------------------------------------------------------------------------------

    def update_version(self, version: int) -> None:
        """Read at another epoch from now on.  Raises as the class, SerializationFailure where a table in use is another
        there."""
        before = self.branch.version
        self.branch.update_version(version)
        self._here = None
        try:
            here = self._catalog()
            for table in self._tables.values():
                now = here.database.relation(table.table.oid)
                if now is None or now.version != table.table.version:
                    raise changed_definition(table.branched)
        except BaseException:
            self.branch.update_version(before)
            self._here = None
            raise

    def merge_steps(self) -> Generator[Step, object, None]:
        """Merge into the session's transaction; the session runs it as it runs a statement.

        Raises ConcurrentUse while it runs another one."""
        if self.session.is_running:
            raise errors.ConcurrentUse(
                "the transaction runs a statement: it is merged into between two of them"
            )
        return self.session.run_undoing(self._merge(), "MERGE BRANCH")

    def _merge(self) -> Generator[Step, object, None]:
        session = self.session
        self._begin()
        session.check_not_failed(None)
        transaction = session.need_transaction()
        if transaction.manager.is_congested:
            yield Wait(transaction.manager.room_for_changes())
        session.functions.start_statement()
        self._is_merging = True
        try:
            yield from merge(self.branch, transaction, self._current)
        finally:
            self._is_merging = False
        done, self.view_operations = self.view_operations, []

        def undo() -> None:
            self.view_operations[:0] = done

        transaction.on_rollback(undo)

    def _current(self, table: BranchTable) -> WriteTarget:
        """The parent's own target for a table.  Raises SerializationFailure where its definition has changed."""
        if not table.version:
            return table.target
        session = self.session
        own = session.catalog().database(session.database_oid)
        newest = cast("Catalog", session.engine.manager.newest_catalog()).database(session.database_oid)
        oid = table.target.table_oid
        found = own.relation(oid)
        now = newest.relation(oid)
        if not isinstance(found, Table) or now is None:
            raise changed_definition(table)
        if found.version != table.version or now.version != table.version:
            raise changed_definition(table)
        return session.engine.stores.target(own, found)

    # --- the end --------------------------------------------------------------------------------------------

    def metrics(self) -> BranchMetrics:
        """What it has done so far."""
        found = self.branch.metrics()
        found.view_operations = self._count_of_views
        if self._state is not None:
            table = self._state.table
            found.state_operations = table.reads + table.writes + table.removes
        return found

    def close(self) -> None:
        """Forget what was not merged.  Closing twice is harmless."""
        self.branch.close()
        self._tables.clear()
        self.view_operations.clear()
