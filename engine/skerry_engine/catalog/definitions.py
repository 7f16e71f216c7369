"""Catalog objects as SQL text: defaults, constraints, indexes and views, as pg_get_*def prints them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from skerry_engine import errors
from skerry_engine.algebra.expressions import Call, Coalesce, Expr, Extreme, NullIf
from skerry_engine.algebra.queries import Query
from skerry_engine.catalog.catalog import Database
from skerry_engine.catalog.deparse import Deparser, Names, sort_key_text
from skerry_engine.catalog.deparse_query import QueryPrinter, TableName
from skerry_engine.catalog.graphs import ElementTable, PropertyIndex
from skerry_engine.catalog.objects import (
    DEFAULT_COLLATION,
    Column,
    Constraint,
    IndexDef,
    IndexKey,
    MaterializedView,
    Relation,
    SequenceDef,
    StoredExpression,
    SystemTable,
    Table,
    View,
)
from skerry_engine.catalog.opclasses import class_named, default_class
from skerry_engine.catalog.quoting import quote_identifier, quote_literal, quote_qualified
from skerry_engine.catalog.search_path import SearchPath
from skerry_engine.catalog.user_types import user_type_name, user_types
from skerry_engine.values import oids
from skerry_engine.values.io import IoContext, text_encoder
from skerry_engine.values.types import SqlType, format_type
from skerry_engine.values.user_types import CompositeFields

ACTIONS = {"r": "RESTRICT", "c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT"}
COLLATION_NAMES = {DEFAULT_COLLATION: "default", 950: "C", 951: "POSIX"}
SYNTAX_ONLY = frozenset(
    ("CURRENT_TIMESTAMP", "CURRENT_DATE", "CURRENT_TIME", "LOCALTIMESTAMP", "LOCALTIME", "CURRENT_USER")
    + ("SESSION_USER", "USER", "CURRENT_ROLE", "CURRENT_CATALOG", "CURRENT_SCHEMA")
)


@dataclass(frozen=True, slots=True)
class DefinitionPrinter:
    """Prints the objects of one database as a session with this search path sees them."""

    database: Database
    path: SearchPath

    # --- names ----------------------------------------------------------------------------------------------

    def relation_name(self, relation: Relation) -> str:
        """The shortest name that finds the relation."""
        return quote_qualified(self.database.qualified_name(relation, self.path))

    def qualified_name(self, relation: Relation) -> str:
        return quote_qualified((self.database.schemas[relation.schema_oid].name, relation.name))

    def constant(self, sql_type: SqlType, value: object) -> str:
        """A constant's text form: regclass by name, all else as the type prints it."""
        if sql_type.oid == oids.REGCLASS and isinstance(value, int):
            relation = self.database.relation(value)
            return str(value) if relation is None else self.relation_name(relation)
        return text_encoder(sql_type, IoContext(types=user_types(self.database, self.path)))(value)

    def type_name(self, sql_type: SqlType) -> str:
        """The type's name, with its modifier."""
        user_type = user_type_name(self.database, sql_type.named_oid, self.path)
        return format_type(sql_type.oid, sql_type.typmod) if user_type is None else user_type

    def _names(self, table: Table) -> Names:
        by_position = {column.position: quote_identifier(column.name) for column in table.columns}
        return self._named(lambda _range_id, position: by_position[position])

    def _named(self, column: Callable[[int, int], str]) -> Names:
        return Names(column, self.type_name, self.constant, attributes=self.attributes)

    def attributes(self, oid: int) -> CompositeFields:
        """What a composite type has."""
        return user_types(self.database, self.path).composite(oid)

    # --- expressions ----------------------------------------------------------------------------------------

    def expression(self, table: Table, stored: StoredExpression, pretty: bool = False) -> str:
        """A stored expression of a table with the present names of what it reads.

        What has no text form yet prints as it was written.
        """
        source = stored.source.strip()
        if source.upper() in SYNTAX_ONLY:
            return source.upper()
        try:
            return _trimmed(Deparser(self._names(table), pretty).expression(stored.expr))
        except errors.NotSupportedError:
            return source

    # --- constraints ----------------------------------------------------------------------------------------

    def constraint(self, constraint: Constraint, pretty: bool = False) -> str:
        """A constraint as pg_get_constraintdef prints it: `FOREIGN KEY (a) REFERENCES b(id)`."""
        if not constraint.table_oid:
            return self._domain_check(constraint, pretty)
        table = self.database.table(constraint.table_oid)
        if constraint.kind == "c":
            text = self._check(table, constraint, pretty)
        elif constraint.kind == "f":
            text = self._foreign_key(table, constraint)
        else:
            text = self._key(table, constraint)
        if constraint.deferrable:
            text += " DEFERRABLE"
        if constraint.initially_deferred:
            text += " INITIALLY DEFERRED"
        return text if constraint.validated else f"{text} NOT VALID"

    def domain_expression(self, stored: StoredExpression, pretty: bool = False) -> str:
        """A default or a check of a domain."""
        names = self._named(lambda _range_id, _position: "VALUE")
        try:
            return _trimmed(Deparser(names, pretty).expression(stored.expr))
        except errors.NotSupportedError:
            return stored.source.strip()

    def _domain_check(self, constraint: Constraint, pretty: bool) -> str:
        assert constraint.check is not None
        text = f"CHECK ({self.domain_expression(constraint.check, pretty)})"
        return text if constraint.validated else f"{text} NOT VALID"

    def _check(self, table: Table, constraint: Constraint, pretty: bool) -> str:
        assert constraint.check is not None
        no_inherit = " NO INHERIT" if constraint.no_inherit else ""
        return f"CHECK ({self.expression(table, constraint.check, pretty)}){no_inherit}"

    def _key(self, table: Table, constraint: Constraint) -> str:
        index = table.index(constraint.index_oid)
        words = "PRIMARY KEY" if constraint.kind == "p" else "UNIQUE"
        if index is not None and index.nulls_not_distinct:
            words += " NULLS NOT DISTINCT"
        text = f"{words} ({column_list(table, constraint.columns)})"
        if index is not None and index.included:
            text += f" INCLUDE ({column_list(table, index.included)})"
        return text

    def _foreign_key(self, table: Table, constraint: Constraint) -> str:
        parent = self.database.table(constraint.referenced_table_oid)
        text = (
            f"FOREIGN KEY ({column_list(table, constraint.columns)}) REFERENCES "
            f"{self.relation_name(parent)}({column_list(parent, constraint.referenced_columns)})"
        )
        if constraint.match == "f":
            text += " MATCH FULL"
        if constraint.on_update in ACTIONS:
            text += f" ON UPDATE {ACTIONS[constraint.on_update]}"
        if constraint.on_delete in ACTIONS:
            text += f" ON DELETE {ACTIONS[constraint.on_delete]}"
        if constraint.on_delete_set_columns:
            text += f" ({column_list(table, constraint.on_delete_set_columns)})"
        return text

    # --- indexes --------------------------------------------------------------------------------------------

    def index(self, index: IndexDef, pretty: bool = False) -> str:
        """An index as CREATE INDEX would make it; the plain variant qualifies the table's name."""
        table = self.database.table(index.table_oid)
        if isinstance(index, PropertyIndex):
            return property_index_text(index, table)
        table_name = self.relation_name(table) if pretty else self.qualified_name(table)
        unique = "UNIQUE " if index.unique else ""
        keys = ", ".join(self._index_key(table, index, key, pretty) for key in index.keys)
        name = quote_identifier(index.name)
        text = f"CREATE {unique}INDEX {name} ON {table_name} USING {index.method} ({keys})"
        if index.included:
            text += f" INCLUDE ({column_list(table, index.included)})"
        if index.nulls_not_distinct:
            text += " NULLS NOT DISTINCT"
        if index.options:
            text += f" WITH ({', '.join(_option(option) for option in index.options)})"
        if index.predicate is not None:
            text += f" WHERE {self.expression(table, index.predicate, pretty)}"
        return text

    def _index_key(self, table: Table, index: IndexDef, key: IndexKey, pretty: bool) -> str:
        text = self.key_expression(table, key, pretty)
        collation = key.collation_oid
        if collation and collation != _natural_collation(table, key):
            text += f" COLLATE {quote_identifier(COLLATION_NAMES.get(collation, str(collation)))}"
        text += _opclass_suffix(index, key)
        return sort_key_text(text, key.descending, key.nulls_first)

    def key_expression(self, table: Table, key: IndexKey, pretty: bool) -> str:
        """One key of an index without its options."""
        if key.attnum:
            return quote_identifier(table.column(key.attnum).name)
        assert key.expression is not None
        text = self.expression(table, key.expression, pretty)
        return text if looks_like_function(key.expression.expr) else f"({text})"

    def index_column(self, index: IndexDef, number: int, pretty: bool = False) -> str:
        """The index's column `number` (1-based) alone, '' when there is none."""
        table = self.database.table(index.table_oid)
        if isinstance(index, PropertyIndex):
            return index.properties[number - 1] if 0 < number <= len(index.properties) else ""
        if 0 < number <= len(index.keys):
            return self.key_expression(table, index.keys[number - 1], pretty)
        included = number - len(index.keys) - 1
        if 0 <= included < len(index.included):
            return quote_identifier(table.column(index.included[included]).name)
        return ""

    # --- views ----------------------------------------------------------------------------------------------

    def view(self, view: View | MaterializedView, pretty: bool = False) -> str:
        """A view's query, closed by a semicolon: from the bound query,
        as written where that can't be printed."""
        if isinstance(view.query, Query):
            try:
                names = [column.name for column in view.live_columns]
                return f"{_trimmed(self._query_printer(pretty).query(view.query, 0, names))};"
            except errors.NotSupportedError:
                pass
        return f" {view.source.strip().rstrip(';').rstrip()};"

    def _query_printer(self, pretty: bool) -> QueryPrinter:
        names = self._named(lambda _range_id, _position: "")
        return QueryPrinter(names, self._table_name, pretty)

    def _table_name(self, oid: int) -> TableName:
        relation = self.database.relations[oid]
        if isinstance(relation, SequenceDef):
            named = dict(enumerate(("last_value", "log_cnt", "is_called")))
        else:
            columns = relation.columns if isinstance(relation, (Table, View, SystemTable)) else ()
            named = {c.position: c.name for c in columns}
        return TableName(self.relation_name(relation), relation.name, named)


def _option(option: str) -> str:
    """A storage option, `name=value` as it is kept, as it is written."""
    name, _, value = option.partition("=")
    return f"{quote_identifier(name)}={quote_literal(value)}"


_PLAIN_NAME = re.compile(r"[^\W\d]\w*")


def gql_name(name: str) -> str:
    """A name as GQL reads it: in backquotes, unless letters, digits and underscores are all it has."""
    return name if _PLAIN_NAME.fullmatch(name) else f"`{name.replace('`', '``')}`"


def property_index_text(index: PropertyIndex, table: Table) -> str:
    """An index over properties as GQL makes it: `CREATE INDEX i FOR (n:Person) ON (n.name)`."""
    element = f"e:{gql_name(index.label)}" if index.label else "e"
    is_edges = isinstance(table, ElementTable) and table.is_edges
    pattern = f"()-[{element}]->()" if is_edges else f"({element})"
    properties = ", ".join(f"e.{gql_name(name)}" for name in index.properties)
    unique = "UNIQUE " if index.unique else ""
    return f"CREATE {unique}INDEX {gql_name(index.name)} FOR {pattern} ON ({properties})"


_BEFORE_LINE_BREAK = re.compile(r"""('(?:[^']|'')*'|"(?:[^"]|"")*")| +(?=\n)""")


def _trimmed(text: str) -> str:
    """Without spaces at the ends of lines, save within quotes."""
    return _BEFORE_LINE_BREAK.sub(r"\1", text) if " \n" in text else text


def column_list(table: Table, attnums: tuple[int, ...]) -> str:
    return ", ".join(quote_identifier(name) for name in table.column_names(attnums))


def looks_like_function(expr: Expr) -> bool:
    """Whether an index key prints as a call, which needs no parentheses of its own."""
    if isinstance(expr, Call):
        return expr.operator is None
    return isinstance(expr, (Coalesce, Extreme, NullIf))


def _natural_collation(table: Table, key: IndexKey) -> int:
    if not key.attnum:
        return DEFAULT_COLLATION
    column: Column = table.column(key.attnum)
    return column.collation_oid or DEFAULT_COLLATION


def _opclass_suffix(index: IndexDef, key: IndexKey) -> str:
    if not key.opclass:
        return ""
    written, default = class_named(key.opclass, index.method), default_class(key.type.oid, index.method)
    return "" if written is None or written is default else f" {key.opclass}"
