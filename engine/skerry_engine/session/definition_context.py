"""A session as the executors of definitions see it (`definitions.context.DefinitionContext`)."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

from skerry_engine.abc import FunctionContext
from skerry_engine.catalog.catalog import Catalog, Database
from skerry_engine.catalog.search_path import SearchPath
from skerry_engine.plan.context import ExecutionContext
from skerry_engine.session.beside import in_place_of
from skerry_engine.session.definitions.context import Checkpoints, DeferredViews
from skerry_engine.session.execution import lock_table
from skerry_engine.session.graphs.names import GRAPH_SETTING
from skerry_engine.session.plans import row_data, run_time_parameters
from skerry_engine.session.sequences import Sequences
from skerry_engine.session.steps import PAUSE, ResultColumn, Rows, Step
from skerry_engine.session.stores import Stores
from skerry_engine.sql.statements import Query
from skerry_engine.storage.shapes import ShapeRegistry
from skerry_engine.txn.manager import TransactionManager
from skerry_engine.txn.transaction import Transaction
from skerry_engine.values.io import IoContext

if TYPE_CHECKING:
    from skerry_engine.session.session import Session


class SessionDefinitionContext:
    """Asks the session anew each time: a definition changes what the session sees.

    `beside` is the transaction that a query within the definition reads in, if it is not the session's.
    """

    def __init__(self, session: Session, beside: Transaction | None = None) -> None:
        self._session = session
        self._beside = beside

    @property
    def transaction(self) -> Transaction:
        return self._session.need_transaction()

    @property
    def manager(self) -> TransactionManager:
        return self._session.engine.manager

    @property
    def catalog(self) -> Catalog:
        return self._session.catalog()

    @property
    def database(self) -> Database:
        return self._session.statement_catalog().database

    @property
    def search_path(self) -> SearchPath:
        return self._session.statement_catalog().search_path

    @property
    def database_oid(self) -> int:
        return self._session.database_oid

    @property
    def session_user_oid(self) -> int:
        return self._session.session_user_oid

    @property
    def user_oid(self) -> int:
        return self._session.statement_catalog().current_user_oid

    @property
    def temporary_schema_name(self) -> str:
        return self._session.temporary_schema_name

    @property
    def graph_setting(self) -> str:
        return self._session.settings.text(GRAPH_SETTING)

    @property
    def stores(self) -> Stores:
        return self._session.engine.stores

    def shapes(self, table_oid: int) -> ShapeRegistry:
        """The shapes of an element table's rows."""
        return self._session.statement_catalog().shapes(table_oid)

    @property
    def sequences(self) -> Sequences:
        return self._session.engine.sequences

    @property
    def checkpoints(self) -> Checkpoints | None:
        durable = self._session.engine.durable
        return None if durable is None else durable.checkpointer

    @property
    def deferred_views(self) -> DeferredViews:
        return self._session.engine.deferred_views

    @property
    def functions(self) -> FunctionContext:
        return self._session.functions

    @property
    def io(self) -> IoContext:
        return self._session.io

    @property
    def in_transaction_block(self) -> bool:
        return self._session.in_block or self._session.in_batch

    def notice(
        self,
        message: str,
        severity: str = "NOTICE",
        sqlstate: str = "00000",
        detail: str | None = None,
        hint: str | None = None,
    ) -> None:
        self._session.notice(message, severity, sqlstate, detail, hint)

    def other_sessions(self, database_oid: int) -> int:
        """How many other sessions use a database."""
        return sum(1 for s in self._session.engine.sessions_in(database_oid) if s is not self._session)

    def query_columns(self, query: Query) -> tuple[ResultColumn, ...]:
        """The columns of a query's result."""
        own = self._session.transaction
        self._session.transaction = self._beside or own
        try:
            return self._session.plan_query(query, ()).columns or ()
        finally:
            self._session.transaction = own

    def check_query(self, query: Query) -> None:
        """Raise InsufficientPrivilege unless a query may be run."""
        self._session.check_rights(self._session.plan_query(query, ()))

    def run_query(self, query: Query) -> Generator[Step, object, None]:
        """Run a query within the present statement."""
        steps = self._run_query(query)
        return steps if self._beside is None else in_place_of(self._session, self._beside, steps)

    def _run_query(self, query: Query) -> Generator[Step, object, None]:
        session = self._session
        plan = session.plan_query(query, ())
        session.check_rights(plan)
        transaction = session.need_transaction()
        for oid, mode in plan.locks if self._beside is None else ():
            yield from lock_table(transaction, oid, mode)
        context = ExecutionContext(
            transaction,
            session.statement_catalog(),
            plan.compiled.slots,
            session.functions,
            run_time_parameters(plan, query.normalised, (), session.io),
            row_data(plan, query.normalised),
            session.work_mem_bytes,
        )
        for batch in plan.compiled.run(context):
            if isinstance(batch, Step):
                yield batch
            else:
                yield Rows(batch)
                yield PAUSE
