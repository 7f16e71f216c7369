"""What binding one statement shares: the catalog, numbers for ranges and CTEs, and the parameters' types.

Parameters come from two sources and share one array at run time: the client's $n, and literals lifted out of
the text.  A literal has no type until its surroundings give it one, so a slot is made per (literal, type)
asked for:

    slots    0: literal 3 as date     1: $1 as int4     2: list 0 as array of text
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from skerry_engine import errors
from skerry_engine.algebra import expressions as ex
from skerry_engine.algebra import queries as q
from skerry_engine.catalog.catalog import Database
from skerry_engine.catalog.objects import Relation, StoredExpression
from skerry_engine.catalog.search_path import SearchPath
from skerry_engine.catalog.user_types import (
    behind_domain,
    domain_default,
    domain_of,
    find_type_oid,
    type_of_oid,
)
from skerry_engine.sql.graph_table import GraphTableText
from skerry_engine.sql.normalise import Normalised
from skerry_engine.sql.types_syntax import TypeName, resolve_type_name
from skerry_engine.values import oids
from skerry_engine.values.types import SqlType, array_type, type_info
from skerry_engine.values.user_types import is_domain_or_array


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a run-time parameter's value comes from.

    source: 'literal' (lifted literal `number`, read as `type`), 'list' (lifted list `number`, an array of
    `type`'s element), 'client' ($number+1).
    """

    source: str
    number: int
    type: SqlType


class Parameters:
    """The parameters of one statement while it is bound."""

    def __init__(
        self, normalised: Normalised | None, declared: Sequence[int], names: Sequence[str] = ()
    ) -> None:
        self.normalised = normalised
        self.client_types: list[int] = [0 if oid == oids.UNKNOWN else oid for oid in declared]
        self.names: list[str] = list(names)
        self.slots: list[Slot] = []
        self.domains: dict[int, int] = {}
        """Of the client's parameters that stand where a domain's values are wanted: number (from 0) -> the domain."""
        self._numbers: dict[Slot, int] = {}
        self._client_slots: dict[int, int] = {}

    def _slot(self, slot: Slot) -> int:
        number = self._numbers.get(slot)
        if number is None:
            number = self._numbers[slot] = len(self.slots)
            self.slots.append(slot)
        return number

    def literal(self, number: int, target: SqlType | None = None) -> ex.Expr:
        """The lifted literal `number`, as `target`, or as what it is by itself (strings: unknown)."""
        assert self.normalised is not None
        kind = self.normalised.literals[number].kind
        own = SqlType({"int4": oids.INT4, "int8": oids.INT8, "numeric": oids.NUMERIC}.get(kind, oids.UNKNOWN))
        wanted = own if target is None else target
        return ex.Param(wanted, self._slot(Slot("literal", number, wanted)))

    def array(self, number: int, element: int) -> ex.Expr:
        """The lifted list `number` as an array of `element`."""
        array = array_type(type_info(element))
        if array is None:
            raise errors.UndefinedObject(f"could not find array type for data type {type_info(element).name}")
        wanted = SqlType(array.oid)
        return ex.Param(wanted, self._slot(Slot("list", number, wanted)))

    def list_kind(self, number: int) -> str:
        assert self.normalised is not None
        return self.normalised.lists[number].kind

    def client(self, number: int) -> ex.Expr:
        """$number (1-based); of unknown type until something gives it one."""
        while len(self.client_types) < number:
            self.client_types.append(0)
        oid = self.client_types[number - 1] or oids.UNKNOWN
        slot = self._client_slots.get(number)
        if slot is None:
            slot = self._client_slots[number] = len(self.slots)
            self.slots.append(Slot("client", number - 1, SqlType(oid)))
        return ex.Param(SqlType(oid), slot)

    def named(self, name: str) -> ex.Expr:
        """$name of the native interface."""
        if name not in self.names:
            self.names.append(name)
        return self.client(self.names.index(name) + 1)

    def given(self, name: str) -> ex.Expr:
        """$name, or $1 by its number."""
        return self.client(int(name)) if name.isdigit() else self.named(name)

    def retype(self, param: ex.Param, target: SqlType) -> ex.Expr | None:
        """An unknown parameter as `target`; None if it is no plain unknown."""
        slot = self.slots[param.index]
        if slot.source == "literal":
            return self.literal(slot.number, SqlType(target.oid))
        if slot.source == "client" and slot.type.oid == oids.UNKNOWN:
            self.client_types[slot.number] = target.oid
            self.slots[param.index] = Slot("client", slot.number, SqlType(target.oid))
            return ex.Param(SqlType(target.oid), param.index)
        if slot.source == "client":
            return ex.Param(slot.type, param.index)
        return None

    def open_number(self, expr: ex.Expr) -> int | None:
        """The number, from 0, of a client's parameter that has no type yet; None for all else."""
        if not isinstance(expr, ex.Param):
            return None
        slot = self.slots[expr.index]
        return slot.number if slot.source == "client" and slot.type.oid == oids.UNKNOWN else None

    def shown_types(self) -> tuple[int, ...]:
        """The types of the client's parameters as clients are told: a domain by its own OID."""
        return tuple([self.domains.get(number, oid) for number, oid in enumerate(self.client_types)])

    def is_number_literal(self, param: ex.Param) -> bool:
        """Whether the parameter is a lifted number, which can be read as any numeric type directly."""
        slot = self.slots[param.index]
        return slot.source == "literal" and slot.type.oid in (oids.INT4, oids.INT8, oids.NUMERIC)


@dataclass(slots=True)
class BoundCte:
    """A WITH query in scope: its columns, and the range columns it offers."""

    name: str
    cte_id: int
    columns: list[tuple[str, SqlType]]


@dataclass(frozen=True, slots=True)
class AccessNote:
    """That the statement does something with a relation, as the range `range_id`, in the name of `as_oid` (0: the
    current role, else a view's owner).  `privileges` are bits (see `catalog.privileges`), `columns` the positions that
    are written.  Besides, the range's columns are read: `is_read`, or as far as the statement names any.
    """

    range_id: int
    relation_oid: int
    as_oid: int
    privileges: int
    columns: tuple[int, ...] = ()
    is_read: bool = True


OuterColumns = Callable[[tuple[str, ...], int], "ex.Expr | None"]
"""(A dotted name, its position) -> the column that it means outside of GRAPH_TABLE; None where nothing has the name.
Raises UndefinedColumn where a table has it, but no such column."""


class GraphTables(Protocol):
    """What binds graphs in FROM: it belongs to GQL, which stands on this package, so it is handed in."""

    def __call__(
        self, context: BindContext, written: GraphTableText, range_id: int, outer: OuterColumns
    ) -> tuple[q.Relation, tuple[q.OutputColumn, ...]]:
        """What GRAPH_TABLE stands for as the range `range_id`, and its columns.  Raises what is wrong with it."""
        ...

    def label_view(self, context: BindContext, graph: str, label: str) -> q.Query | None:
        """The query whose rows `graph.label` stands for in FROM; None where there is no such graph or label."""
        ...


class BindContext:
    """Shared by all binders of one statement.  `graph_tables` is there wherever a statement may hold GRAPH_TABLE."""

    def __init__(
        self,
        database: Database,
        path: SearchPath,
        parameters: Parameters,
        normalised: Normalised | None,
        view_query: Callable[[str], exp.Expression],
        graph_tables: GraphTables | None = None,
    ) -> None:
        self.database = database
        self.path = path
        self.parameters = parameters
        self.normalised = normalised
        self.parse_view = view_query
        self.graph_tables = graph_tables
        self.lookups: list[tuple[str | None, str, int, int]] = []
        self.column_notes: list[tuple[int, int, int | None]] = []
        self.call_positions: dict[ex.Expr, int | None] = {}
        self.simple_cases: dict[ex.Expr, ex.Case] = {}
        self.row_lists_used: list[int] = []
        self.reader_oid = 0
        self.accesses: list[AccessNote] = []
        self.schemas_used: set[int] = set()
        self.types_named: set[tuple[tuple[str, ...], int, int]] = set()
        self.objects_used: set[tuple[int, int]] = set()
        self._ranges = 0
        self._ctes = 0

    def note_column(self, range_id: int, position: int, place: int | None) -> None:
        """Remember that the text at `place` reads a column; those inside aggregates are taken out again."""
        self.column_notes.append((range_id, position, place))

    def column_place(self, range_id: int, position: int) -> int | None:
        """Where the column is first read outside aggregates."""
        return next((p for r, c, p in self.column_notes if r == range_id and c == position), None)

    def new_range(self) -> int:
        """A range id that occurs nowhere else in the statement."""
        self._ranges += 1
        return self._ranges

    def new_cte(self) -> int:
        self._ctes += 1
        return self._ctes

    def relation(self, name: str, schema: str | None, position: int | None) -> Relation:
        """The relation of that name, noted as a dependency of the plan.  Raises UndefinedTable."""
        found = self.database.get_relation(name, schema, self.path, position)
        self.lookups.append((schema, name, found.oid, found.version))
        if schema is not None and self.reader_oid == 0:
            self.schemas_used.add(found.schema_oid)
        return found

    def note_read(self, range_id: int, relation_oid: int) -> None:
        """Remember that the statement reads a relation as this range."""
        self.accesses.append(AccessNote(range_id, relation_oid, self.reader_oid, 0))

    def note_write(
        self, range_id: int, relation_oid: int, privileges: int, columns: Iterable[int] = ()
    ) -> None:
        """Remember that the statement writes a relation; the range is what its old or new rows are read as."""
        self.accesses.append(
            AccessNote(range_id, relation_oid, self.reader_oid, privileges, tuple(columns), False)
        )

    def check_schema(self, name: str, position: int | None) -> None:
        """Raise InvalidSchemaName if there is no such schema."""
        if self.database.schema_named(name) is None and name != "pg_temp":
            raise errors.InvalidSchemaName(f'schema "{name}" does not exist', position=position)

    def type_oid(self, names: tuple[str, ...]) -> int | None:
        """The OID of a type by the parts of its name."""
        oid = find_type_oid(self.database, names, self.path)
        user_type = None if oid is None else type_of_oid(self.database, oid)
        if user_type is not None:
            self.types_named.add((names, user_type.oid, user_type.version))
        return oid

    def resolve_type(self, name: TypeName) -> SqlType:
        """The type that a written name means.  Raises UndefinedObject, InvalidParameterValue, SyntaxError."""
        return behind_domain(self.database, resolve_type_name(name, self.type_oid, array_oid))

    def domain_default(self, sql_type: SqlType) -> StoredExpression | None:
        """What a column of the type holds without a default of its own; noted as what the plan rests on."""
        if sql_type.domain:
            domain = domain_of(self.database, sql_type.domain)
            self.objects_used.add((domain.oid, domain.version))
        return domain_default(self.database, sql_type)


def array_oid(oid: int) -> int:
    """The type's array type, 0 for none."""
    if is_domain_or_array(oid):
        return 0 if oid & 1 else oid + 1
    found = array_type(type_info(oid))
    return 0 if found is None else found.oid


@dataclass(slots=True)
class CteScope:
    """WITH queries by name, inner ones first."""

    parent: CteScope | None = None
    ctes: dict[str, BoundCte] = field(default_factory=dict)
    coming: set[str] = field(default_factory=set)
    """Names of queries of the same WITH that are not in scope yet."""

    def is_coming(self, name: str) -> bool:
        """Whether a WITH that is being bound names a later query so."""
        return name in self.coming or (self.parent is not None and self.parent.is_coming(name))

    def find(self, name: str) -> BoundCte | None:
        scope: CteScope | None = self
        while scope is not None:
            if name in scope.ctes:
                return scope.ctes[name]
            scope = scope.parent
        return None


from sqlglot import exp  # noqa: E402
