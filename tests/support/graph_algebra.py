"""Graph statements written as algebra and run in sessions: what is below every language.

graph = AlgebraGraph()                              the graph `home` of a database in memory
graph.run(graph.insert(...))                        one statement, committed, in the session `main`
graph.start("B", query)                             stepped; see `Running`
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from skerry_engine.algebra import expressions as ex
from skerry_engine.algebra import queries as q
from skerry_engine.algebra.labels import Label
from skerry_engine.algebra.traversal import written_tables
from skerry_engine.catalog.graphs import HOME, Graph
from skerry_engine.errors import DatabaseError
from skerry_engine.functions.resolve import resolve_operator
from skerry_engine.gql import tree
from skerry_engine.gql.binder.context import GqlContext, GqlParameters
from skerry_engine.gql.binder.statements import StatementBinder
from skerry_engine.gql.parser import parse
from skerry_engine.plan.compile import compile_query
from skerry_engine.session.plans import Plan, _table_locks
from skerry_engine.session.session import Session
from skerry_engine.session.steps import Complete, ResultColumn, Rows, Wait
from skerry_engine.sql import statements as st
from skerry_engine.sql.binder.context import Slot
from skerry_engine.values import oids
from skerry_engine.values.io import IoContext
from skerry_engine.values.types import SqlType
from support.sessions import SqlDatabase

INT8, TEXT, BOOL, RECORD = SqlType(oids.INT8), SqlType(oids.TEXT), SqlType(oids.BOOL), SqlType(oids.RECORD)
NODE, EDGE = SqlType(oids.NODE), SqlType(oids.EDGE)
Row = tuple[Any, ...]

_CONSTANTS = {bool: oids.BOOL, int: oids.INT8, str: oids.TEXT, float: oids.FLOAT8, type(None): oids.TEXT}


class AlgebraGraph:
    """The graph `home`, and statements over it."""

    def __init__(self, database: SqlDatabase | None = None) -> None:
        self.database = SqlDatabase() if database is None else database
        session = self.database.session().session
        catalog = session.engine.manager.newest_catalog()
        database_of = catalog.database(session.database_oid)  # type: ignore[attr-defined]
        found = next(each for each in database_of.of_type(Graph) if each.name == HOME)
        self.oid: int = found.oid
        self.nodes_oid: int = found.nodes_oid
        self.edges_oid: int = found.edges_oid
        self._ranges = 100

    # --- parts of statements ----------------------------------------

    def fresh(self) -> int:
        self._ranges += 1
        return self._ranges

    def nodes(self, range_id: int) -> q.Scan:
        return q.Scan(range_id, self.nodes_oid, 1, "home.nodes")

    def edges(self, range_id: int) -> q.Scan:
        return q.Scan(range_id, self.edges_oid, 3, "home.edges")

    def node(self, range_id: int) -> ex.ElementValue:
        return ex.ElementValue(
            NODE, self.oid, constant(self.nodes_oid), ex.RowId(INT8, range_id), ex.WholeRow(RECORD, range_id)
        )

    def edge(self, range_id: int) -> ex.ElementValue:
        table = constant(self.nodes_oid)
        return ex.ElementValue(
            EDGE,
            self.oid,
            constant(self.edges_oid),
            ex.RowId(INT8, range_id),
            ex.WholeRow(RECORD, range_id),
            (
                table,
                ex.Column(INT8, range_id, 1, "source", False),
                table,
                ex.Column(INT8, range_id, 2, "target", False),
            ),
        )

    def property(
        self, range_id: int, name: str, type_oid: int = oids.INT8, of_edge: bool = False
    ) -> ex.Property:
        table = self.edges_oid if of_edge else self.nodes_oid
        return ex.Property(SqlType(type_oid), range_id, table, name)

    def labelled(self, range_id: int, label: str, of_edge: bool = False) -> ex.HasLabels:
        return ex.HasLabels(BOOL, range_id, self.edges_oid if of_edge else self.nodes_oid, Label(label))

    def target(self, table_oid: int, range_id: int) -> q.Target:
        width = 1 if table_oid == self.nodes_oid else 3
        return q.Target(table_oid, "home", "public", range_id, width, ())

    def new_node(
        self, range_id: int, labels: Sequence[str] = (), **properties: ex.Expr | Any
    ) -> q.NewElement:
        return q.NewElement(
            self.target(self.nodes_oid, range_id), NODE, tuple(labels), _properties(properties)
        )

    def new_edge(
        self, range_id: int, source: ex.Expr, target: ex.Expr, labels: Sequence[str] = (), **properties: Any
    ) -> q.NewElement:
        return q.NewElement(
            self.target(self.edges_oid, range_id),
            EDGE,
            tuple(labels),
            _properties(properties),
            ends=(source, target),
            ends_in=self.nodes_oid,
        )

    def change(self, element: ex.Expr, table_oid: int | None = None, **options: Any) -> q.ElementChange:
        properties = options.pop("properties", {})
        table = self.nodes_oid if table_oid is None else table_oid
        return q.ElementChange(element, table, _properties(properties), **options)

    # --- statements ----------------------------------------

    def insert(
        self, elements: Sequence[q.NewElement], source: q.Relation | None = None, *outputs: ex.Expr
    ) -> q.GraphInsert:
        return q.GraphInsert(_columns(outputs), self.oid, source or q.OneRow(), tuple(elements), outputs)

    def set(self, source: q.Relation, changes: Sequence[q.ElementChange], *outputs: ex.Expr) -> q.GraphChange:
        tables = (self.nodes_oid, self.edges_oid)
        return q.GraphChange(_columns(outputs), self.oid, tables, source, tuple(changes), outputs)

    def delete(
        self, source: q.Relation, elements: Sequence[ex.Expr], detach: bool = False, *outputs: ex.Expr
    ) -> q.GraphDelete:
        tables = (self.nodes_oid, self.edges_oid)
        return q.GraphDelete(_columns(outputs), self.oid, tables, source, tuple(elements), detach, outputs)

    def program(self, *stages: q.Query) -> q.Program:
        return q.Program(stages[-1].columns, stages)

    # --- running ----------------------------------------

    def plan(self, query: q.Query, verb: str = "", session_name: str = "main") -> Plan:
        session = self.database.session(session_name).session
        session.need_transaction()
        here = session.statement_catalog()
        columns = tuple(ResultColumn(c.name, c.type) for c in query.columns) or None
        is_change = bool(written_tables(query))
        parameters = sorted({n.index: n.type for n in _params(query)}.items())
        return Plan(
            compile_query(query, here),
            verb or ("insert" if is_change and columns is None else "select"),
            tuple(type_.oid for _, type_ in parameters),
            (),
            tuple(Slot("client", index, type_) for index, type_ in parameters),  # type: ignore[call-arg]
            (),
            columns,
            _table_locks(query),
            (),
            is_change,
            "",
            is_change,
            here.catalog.version,
            query,
        )

    def start(self, session_name: str, query: q.Query, *parameters: object) -> Running:
        """Begin a statement in a session; nothing runs yet."""
        return Running(self, self.database.session(session_name).session, query, parameters)

    def run(self, query: q.Query, *parameters: object, session_name: str = "main") -> list[Row]:
        """Rows of a statement that nothing keeps waiting."""
        running = self.start(session_name, query, *parameters)
        assert running.go_on(), "waits for ever"
        if running.error is not None:
            raise running.error
        self.count = running.count
        return running.rows

    def bound(self, text: str, parameters: Sequence[object] = (), session_name: str = "main") -> q.Query:
        """The algebra of a GQL text with $1, $2, ..."""
        session = self.database.session(session_name).session
        session.need_transaction()
        here = session.statement_catalog()
        found = here.database.relations[self.oid]
        assert isinstance(found, Graph)
        given = GqlParameters(None, [_CONSTANTS[type(value)] for value in parameters])
        context = GqlContext(here.database, here.search_path, given, IoContext(), here, found)
        procedure = parse(text).parts[0]
        assert isinstance(procedure, tree.Procedure)
        return StatementBinder(context).procedure(procedure).query

    def gql(self, text: str, *parameters: object, session_name: str = "main") -> list[Row]:
        """Rows of a GQL text."""
        query = self.bound(text, parameters, session_name)
        return self.run(query, *parameters, session_name=session_name)

    def sql(self, text: str, session_name: str = "main") -> list[Row]:
        return self.database.session(session_name).rows(text)


class Running:
    """A statement in a session, driven as far as it goes."""

    def __init__(
        self, graph: AlgebraGraph, session: Session, query: q.Query, parameters: Sequence[object]
    ) -> None:
        self.rows: list[Row] = []
        self.count = -1
        self.tag = ""
        self.error: DatabaseError | None = None
        self.is_over = False
        self._wait: Wait | None = None
        statement = session.engine.statements.statement("select 1")
        assert isinstance(statement, st.Query)

        def steps() -> Any:
            plan = graph.plan(query, session_name=_name_of(graph, session))
            yield from session.query_steps(statement, plan, [], parameters, True)

        self._steps = session._watched(session._committed(steps()), "a statement of the algebra")

    def go_on(self) -> bool:
        """Run to the end, or to a wait that is not over: False."""
        while not self.is_over:
            if self._wait is not None:
                if not self._wait.waiting.is_over():
                    return False
                self._wait = None
            try:
                step = next(self._steps)
            except StopIteration:
                self.is_over = True
            except DatabaseError as error:
                self.error = error
                self.is_over = True
            else:
                self._take(step)
        return True

    def _take(self, step: object) -> None:
        if isinstance(step, Wait):
            self._wait = step
        elif isinstance(step, Rows):
            self.rows.extend(step.rows)
        elif isinstance(step, Complete):
            self.tag, self.count = step.tag, step.row_count


def _name_of(graph: AlgebraGraph, session: Session) -> str:
    return next(name for name, each in graph.database.sessions.items() if each.session is session)


def _params(query: q.Query) -> list[ex.Param]:
    from skerry_engine.algebra.traversal import walk_all

    return [node for node in walk_all(query) if isinstance(node, ex.Param)]


def _columns(outputs: Sequence[ex.Expr]) -> tuple[q.OutputColumn, ...]:
    return tuple(q.OutputColumn(f"o{n}", each.type) for n, each in enumerate(outputs))


def _properties(given: dict[str, Any]) -> tuple[tuple[str, ex.Expr], ...]:
    return tuple(
        (name, each if isinstance(each, ex.Expr) else constant(each)) for name, each in given.items()
    )


# --- expressions ----------------------------------------


def constant(value: object) -> ex.Const:
    return ex.Const(SqlType(_CONSTANTS[type(value)]), value)


def param(index: int, type_oid: int = oids.INT8) -> ex.Param:
    return ex.Param(SqlType(type_oid), index)


def column(range_id: int, position: int, type_oid: int = oids.INT8, nullable: bool = True) -> ex.Column:
    return ex.Column(SqlType(type_oid), range_id, position, f"c{position}", nullable)


def call(operator: str, left: ex.Expr, right: ex.Expr) -> ex.Call:
    found, _, result = resolve_operator(operator, left.type.oid, right.type.oid)
    return ex.Call(SqlType(result), found.function, (left, right), operator)


def same(left: ex.Expr, right: ex.Expr) -> ex.Call:
    return call("=", left, right)


def where(source: q.Relation, *conditions: ex.Expr) -> q.Relation:
    return q.Filter(source, conditions[0] if len(conditions) == 1 else ex.And(BOOL, conditions))


def joined(*items: q.Relation) -> q.Relation:
    made = items[0]
    for item in items[1:]:
        made = q.Join("inner", made, item, None)
    return made


def select(source: q.Relation, *outputs: ex.Expr) -> q.Select:
    return q.Select(_columns(outputs), source, outputs)


def values(range_id: int, *rows: Row) -> q.Values:
    types = tuple(SqlType(_CONSTANTS[type(cell)]) for cell in rows[0])
    return q.Values(range_id, types, tuple(tuple(constant(cell) for cell in row) for row in rows))
