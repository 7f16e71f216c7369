"""What executing a definition needs of the session that runs it."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Protocol

from skerry_engine.abc import FunctionContext
from skerry_engine.catalog.catalog import Catalog, Database
from skerry_engine.catalog.search_path import SearchPath
from skerry_engine.session.sequences import Sequences
from skerry_engine.session.steps import ResultColumn, Step
from skerry_engine.session.stores import Stores
from skerry_engine.sql.statements import Query
from skerry_engine.storage.shapes import ShapeRegistry
from skerry_engine.txn.manager import TransactionManager
from skerry_engine.txn.transaction import Transaction
from skerry_engine.values.io import IoContext

if TYPE_CHECKING:
    from skerry_engine.session.deferred.following import Flows
    from skerry_engine.session.deferred.marks import Mark


class Checkpoints(Protocol):
    """What makes checkpoints (durability/checkpoint.py)."""

    def run(self) -> Generator[Step, None, None]:
        """Make one.  Raises OSError, DatabaseError."""
        ...


class DeferredViews(Protocol):
    """What knows of deferred materialized views (session/deferred/registry.py)."""

    @property
    def flows(self) -> Flows:
        """The operators of their queries."""
        ...

    def expect_one(self) -> int:
        """A view is about to be made: changes are recorded from now on; the epoch after which they are."""
        ...

    def settled_until(self, oid: int, mark: Mark) -> int:
        """The epoch up to which nothing is known to have changed in a view's tables since its mark."""
        ...


class DefinitionContext(Protocol):
    """A session, to the executors of definitions.

    `catalog`, `database` and `search_path` must be of the moment they are asked for: a definition changes the
    transaction's catalog and, after a wait, READ COMMITTED takes a new snapshot.
    """

    @property
    def transaction(self) -> Transaction:
        """The transaction that the definition is part of; a statement of it has been started."""
        ...

    @property
    def manager(self) -> TransactionManager: ...

    @property
    def catalog(self) -> Catalog:
        """`transaction.catalog`, as it is now."""
        ...

    @property
    def database(self) -> Database:
        """The session's database in `catalog`, as it is now."""
        ...

    @property
    def search_path(self) -> SearchPath:
        """The search path over `database`, as it is now."""
        ...

    @property
    def database_oid(self) -> int: ...

    @property
    def session_user_oid(self) -> int:
        """The role that the session was opened as, or that SET SESSION AUTHORIZATION made it."""
        ...

    @property
    def user_oid(self) -> int:
        """The role that owns what is created."""
        ...

    @property
    def temporary_schema_name(self) -> str:
        """The name of the session's pg_temp schema, whether it exists or not."""
        ...

    @property
    def graph_setting(self) -> str:
        """The graph that the session works in, as the setting names it (see `graphs.names`)."""
        ...

    @property
    def stores(self) -> Stores: ...

    def shapes(self, table_oid: int) -> ShapeRegistry:
        """The shapes of an element table's rows."""
        ...

    @property
    def sequences(self) -> Sequences: ...

    @property
    def checkpoints(self) -> Checkpoints | None:
        """What makes checkpoints; None in memory."""
        ...

    @property
    def deferred_views(self) -> DeferredViews: ...

    @property
    def functions(self) -> FunctionContext: ...

    @property
    def io(self) -> IoContext:
        """How values read and print; its `names` resolve regclass and kin in the present catalog."""
        ...

    @property
    def in_transaction_block(self) -> bool:
        """Whether BEGIN came before, or other statements of the same simple-query text follow
        or came before."""
        ...

    def notice(
        self,
        message: str,
        severity: str = "NOTICE",
        sqlstate: str = "00000",
        detail: str | None = None,
        hint: str | None = None,
    ) -> None:
        """Send a message to the client beside the result."""
        ...

    def other_sessions(self, database_oid: int) -> int:
        """How many other sessions use a database."""
        ...

    def query_columns(self, query: Query) -> tuple[ResultColumn, ...]:
        """The columns of a query's result, without running it."""
        ...

    def check_query(self, query: Query) -> None:
        """Raise InsufficientPrivilege unless a query may be run."""
        ...

    def run_query(self, query: Query) -> Generator[Step, object, None]:
        """Run a query within the present statement; its rows come as `Rows` steps."""
        ...
