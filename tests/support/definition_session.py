"""A small session for tests of definitions: the real catalog, kernel, parser and binder, without the rest."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, cast

from skerry_engine import errors
from skerry_engine.catalog.bootstrap import POSTGRES, new_catalog
from skerry_engine.catalog.catalog import Catalog, Database
from skerry_engine.catalog.names import CatalogNames
from skerry_engine.catalog.objects import BOOTSTRAP_ROLE, SequenceDef, Table
from skerry_engine.catalog.search_path import SearchPath
from skerry_engine.session.definitions import execute_definition
from skerry_engine.session.sequences import Sequences
from skerry_engine.session.steps import Complete, ResultColumn, Rows, Step, Wait
from skerry_engine.session.stores import Stores
from skerry_engine.sql.front import parse_statement
from skerry_engine.sql.statements import Query
from skerry_engine.txn.locks import LockWait, Owner
from skerry_engine.txn.manager import TransactionManager
from skerry_engine.txn.transaction import Transaction
from skerry_engine.values import oids
from skerry_engine.values.io import IoContext
from skerry_engine.values.types import SqlType

Row = tuple[Any, ...]


class Engine:
    """What the sessions of one test share."""

    def __init__(self) -> None:
        self.stores = Stores()
        self.sequences = Sequences()
        catalog = new_catalog()
        self.stores.begin(catalog)
        self.manager = TransactionManager(catalog)
        self.other_sessions = 0


class Functions:
    """The parts of FunctionContext that stored expressions need."""

    def __init__(self, session: Session) -> None:
        self.session = session

    @property
    def io(self) -> IoContext:
        return self.session.io

    def nextval(self, oid: int) -> int:
        definition = self.session.database.relations[oid]
        assert isinstance(definition, SequenceDef)
        return self.session.engine.sequences.nextval(definition)


class Session:
    """Implements DefinitionContext; `run` executes one statement as a session would."""

    def __init__(self, engine: Engine, process_id: int = 1) -> None:
        self.engine = engine
        self.manager = engine.manager
        self.stores = engine.stores
        self.sequences = engine.sequences
        self.owner = Owner(process_id)
        self.open: Transaction | None = None
        self.in_transaction_block = False
        self.database_oid = POSTGRES
        self.user_oid = BOOTSTRAP_ROLE
        self.temporary_schema_name = f"pg_temp_{process_id}"
        self.path = ["$user", "public"]
        self.graph_setting = "public.home"
        self.notices: list[str] = []
        self.details: list[str | None] = []
        self.functions = cast(Any, Functions(self))
        self.query_rows: list[Row] = []
        self.query_outputs: tuple[ResultColumn, ...] = (ResultColumn("n", SqlType(oids.INT4)),)

    # --- DefinitionContext ----------------------------------------------------------------------------------

    @property
    def transaction(self) -> Transaction:
        assert self.open is not None
        return self.open

    @property
    def catalog(self) -> Catalog:
        if self.open is None:
            return cast(Catalog, self.manager.newest_catalog())
        return cast(Catalog, self.open.catalog)

    @property
    def database(self) -> Database:
        return self.catalog.database(self.database_oid)

    @property
    def search_path(self) -> SearchPath:
        temporary = self.database.schema_named(self.temporary_schema_name)
        return self.database.search_path(self.path, "skerry", 0 if temporary is None else temporary.oid)

    @property
    def io(self) -> IoContext:
        return IoContext(names=CatalogNames(self.catalog, self.database, self.search_path))

    def notice(
        self,
        message: str,
        severity: str = "NOTICE",
        sqlstate: str = "00000",
        detail: str | None = None,
        hint: str | None = None,
    ) -> None:
        if severity == "DEBUG":
            return  # nobody has asked for it
        self.notices.append(f"{severity}: {message}")
        self.details.append(detail)

    def other_sessions(self, database_oid: int) -> int:
        return self.engine.other_sessions

    def query_columns(self, query: Query) -> tuple[ResultColumn, ...]:
        return self.query_outputs

    def run_query(self, query: Query) -> Generator[Step, object, None]:
        yield Rows(list(self.query_rows))

    # --- running --------------------------------------------------------------------------------------------

    def begin(self, isolation: str = "read committed") -> None:
        self.open = self.manager.begin(isolation, owner=self.owner)
        self.in_transaction_block = True

    def commit(self) -> None:
        transaction, self.open = self.transaction, None
        self.in_transaction_block = False
        for _ in transaction.commit():
            pass

    def rollback(self) -> None:
        transaction, self.open = self.transaction, None
        self.in_transaction_block = False
        transaction.rollback()

    def steps(self, text: str) -> Generator[Step, object, str]:
        """Run one definition; gives its tag."""
        statement = parse_statement(text)
        assert statement is not None
        own = self.open is None
        if own:
            self.open = self.manager.begin(owner=self.owner)
        transaction = self.transaction
        self.stores.functions = self.functions
        mark = transaction.start_statement()
        try:
            complete: Complete = yield from execute_definition(statement, cast(Any, self))
            transaction.finish_statement()
            if own:
                yield from transaction.commit()
        except BaseException:
            if transaction.state == "active":
                transaction.abandon_statement(mark)
                if own:
                    transaction.rollback()
            raise
        finally:
            if own:
                self.open = None
        return complete.tag

    def run(self, text: str) -> str:
        """Run one definition that must not wait; gives its tag."""
        generator = self.steps(text)
        while True:
            try:
                step = next(generator)
            except StopIteration as done:
                return cast(str, done.value)
            assert not isinstance(step, Wait), f"waits: {text}"

    def fails(self, text: str) -> errors.DatabaseError:
        """The error of a definition that fails."""
        try:
            self.run(text)
        except errors.DatabaseError as error:
            return error
        raise AssertionError(f"no error: {text}")

    # --- tables ---------------------------------------------------------------------------------------------

    def table(self, name: str) -> Table:
        found = self.database.get_relation(name, None, self.search_path)
        assert isinstance(found, Table)
        return found

    def insert(self, table_name: str, *rows: Row) -> None:
        """Insert full-width rows as a statement of their own."""
        own = self.open is None
        if own:
            self.open = self.manager.begin(owner=self.owner)
        transaction = self.transaction
        mark = transaction.start_statement()
        try:
            writer = transaction.writer(self.stores.target(self.database, self.table(table_name)))
            for row in rows:
                writer.insert(row)
            transaction.finish_statement()
            if own:
                self.commit()
        except (errors.DatabaseError, LockWait):
            transaction.abandon_statement(mark)
            if own:
                self.rollback()
            raise

    def delete(self, table_name: str, row: Row) -> None:
        """Delete one row, given in full."""
        self.open = self.manager.begin(owner=self.owner)
        mark = self.open.start_statement()
        target = self.stores.target(self.database, self.table(table_name))
        ids, rows, _ = self.open.reader(target.storage).scan_ids_batch(-1, 100_000)
        try:
            self.open.writer(target).delete(ids[rows.index(row)], row)
            self.open.finish_statement()
        except errors.DatabaseError:
            self.open.abandon_statement(mark)
            self.rollback()
            raise
        self.commit()

    def rows(self, table_name: str) -> list[Row]:
        """All rows that the session sees, live columns in order."""
        table = self.table(table_name)
        own = self.open is None
        if own:
            self.open = self.manager.begin(owner=self.owner)
        self.transaction.start_statement()
        reader = self.transaction.reader(self.stores.get(table.storage_id))
        found, _ = reader.scan_batch(-1, 1_000_000)
        self.transaction.finish_statement()
        if own:
            self.rollback()
        return [tuple(row[column.position] for column in table.live_columns) for row in found]
