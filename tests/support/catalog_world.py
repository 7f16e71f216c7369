"""A small database for catalog tests: two tables with keys, checks, indexes and a foreign key, a view,
sequences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from skerry_engine.algebra.expressions import Call, Cast, Column, Const, Expr
from skerry_engine.catalog import changes, cluster_changes
from skerry_engine.catalog.bootstrap import POSTGRES, new_catalog
from skerry_engine.catalog.catalog import Catalog, Database
from skerry_engine.catalog.objects import (
    CLASS_DATABASE,
    CLASS_RELATION,
    PUBLIC,
    Address,
    Constraint,
    IndexDef,
    IndexKey,
    SequenceDef,
    StoredExpression,
    Table,
    View,
)
from skerry_engine.catalog.objects import Column as ColumnDef
from skerry_engine.catalog.system.context import DeferredViewInfo, HistoryInfo
from skerry_engine.functions.operators import find_operator
from skerry_engine.functions.registry import Function, functions_named
from skerry_engine.values import oids
from skerry_engine.values.types import SqlType

BOOL, INT, BIGINT, TEXT = SqlType(16), SqlType(23), SqlType(20), SqlType(25)
VARCHAR = SqlType(1043, 104)
NUMERIC = SqlType(1700, ((10 << 16) | 2) + 4)
REGCLASS = SqlType(2205)


def column(position: int, sql_type: SqlType = INT, name: str = "") -> Column:
    return Column(sql_type, 0, position, name)


def integer(value: int) -> Const:
    return Const(INT, value)


def text(value: str) -> Const:
    return Const(TEXT, value)


def operation(left: Expr, name: str, right: Expr) -> Call:
    operator = find_operator(name, left.type.oid, right.type.oid)
    assert operator is not None, (name, left.type, right.type)
    return Call(SqlType(operator.result), operator.function, (left, right), name)


def call(name: str, *args: Expr) -> Call:
    wanted = tuple(arg.type.oid for arg in args)
    found = [f for f in functions_named(name) if f.arg_types == wanted]
    assert found, (name, wanted)
    function = found[0]
    assert isinstance(function, Function)
    return Call(SqlType(function.return_type), function, args)


def implicit(arg: Expr, sql_type: SqlType) -> Cast:
    return Cast(sql_type, arg, None, False)


def explicit(arg: Expr, sql_type: SqlType) -> Cast:
    return Cast(sql_type, arg, None, True)


class World:
    """author(id identity, name varchar(100), email), book(id serial, author_id, title, price, flag),
    view book_v."""

    def __init__(self) -> None:
        self.catalog: Catalog = new_catalog()
        self.author = self._author()
        self.book = self._book()
        self.view = self._view()
        self._change(cluster_changes.set_comment, Address(CLASS_RELATION, self.book), "a book")
        self._change(cluster_changes.set_comment, Address(CLASS_RELATION, self.book, 3), "its title")
        self.catalog = cluster_changes.set_comment(
            self.catalog, POSTGRES, Address(CLASS_DATABASE, POSTGRES), "the default one"
        )

    @property
    def database(self) -> Database:
        return self.catalog.database(POSTGRES)

    def oid(self) -> int:
        return self.catalog.oids.allocate()

    def _change(self, change: Any, *arguments: Any) -> None:
        self.catalog = change(self.catalog, POSTGRES, *arguments)

    def table(self, name: str, columns: Sequence[ColumnDef]) -> int:
        oid = self.oid()
        made = Table(
            oid=oid, name=name, schema_oid=PUBLIC, columns=tuple(columns), storage_id=oid,
            row_type_oid=self.oid(), row_array_oid=self.oid(),
        )  # fmt: skip
        self._change(changes.create_table, made)
        return oid

    def key(self, table: int, name: str, kind: str, attnums: tuple[int, ...], types: list[SqlType]) -> int:
        constraint, index = self.oid(), self.oid()
        keys = tuple(IndexKey(type=t, attnum=a) for a, t in zip(attnums, types, strict=True))
        made = IndexDef(
            oid=index, name=name, schema_oid=PUBLIC, table_oid=table, keys=keys, unique=True, primary=kind == "p",
            constraint_oid=constraint,
        )  # fmt: skip
        described = Constraint(constraint, name, kind, table, attnums, index_oid=index)
        self._change(changes.add_constraint, described, made)
        return index

    def index(self, table: int, name: str, *keys: IndexKey, **options: Any) -> int:
        oid = self.oid()
        made = IndexDef(oid=oid, name=name, schema_oid=PUBLIC, table_oid=table, keys=keys, **options)
        self._change(changes.create_index, made)
        return oid

    def check(self, table: int, name: str, expr: Expr, attnums: tuple[int, ...]) -> int:
        oid = self.oid()
        self._change(
            changes.add_constraint,
            Constraint(oid, name, "c", table, attnums, check=StoredExpression("", expr)),
        )
        return oid

    def sequence(self, name: str, owner: Address | None, **options: Any) -> int:
        oid = self.oid()
        made = SequenceDef(oid=oid, name=name, schema_oid=PUBLIC, owner_column=owner, **options)
        self._change(changes.create_sequence, made)
        return oid

    def _author(self) -> int:
        author = self.table(
            "author",
            [
                ColumnDef("id", 1, 0, BIGINT, not_null=True, identity="a"),
                ColumnDef("name", 2, 1, VARCHAR, not_null=True),
                ColumnDef("email", 3, 2, TEXT),
            ],
        )
        self.sequence("author_id_seq", Address(CLASS_RELATION, author, 1), is_identity=True)
        self.author_key = self.key(author, "author_pkey", "p", (1,), [BIGINT])
        self.key(author, "author_email_key", "u", (3,), [TEXT])
        return author

    def _book(self) -> int:
        serial = self.sequence("book_id_seq", None, type_oid=oids.INT4, maximum=2**31 - 1)
        next_id = StoredExpression(
            "nextval('book_id_seq')", implicit(call("nextval", Const(REGCLASS, serial)), INT)
        )
        book = self.table(
            "book",
            [
                ColumnDef("id", 1, 0, INT, not_null=True, default=next_id, default_oid=self.oid()),
                ColumnDef("author_id", 2, 1, BIGINT, not_null=True),
                ColumnDef("title", 3, 2, TEXT, not_null=True),
                ColumnDef("price", 4, 3, NUMERIC),
                ColumnDef("flag", 5, 4, BOOL),
            ],
        )
        self._change(changes.set_sequence_owner, serial, Address(CLASS_RELATION, book, 1))
        self.key(book, "book_pkey", "p", (1,), [INT])
        price = operation(column(3, SqlType(1700)), ">=", implicit(integer(0), SqlType(1700)))
        self.price_check = self.check(book, "book_price_check", price, (4,))
        lower = StoredExpression("lower(title)", call("lower", column(2, TEXT)))
        self.lower_index = self.index(book, "book_lower", IndexKey(type=TEXT, expression=lower))
        flag = StoredExpression("flag", column(4, BOOL))
        self.part_index = self.index(
            book,
            "book_part",
            IndexKey(type=NUMERIC, attnum=4, descending=True, nulls_first=True),
            predicate=flag,
        )
        self.foreign_key = self.oid()
        self._change(
            changes.add_constraint,
            Constraint(
                self.foreign_key, "book_author_id_fkey", "f", book, (2,), index_oid=self.author_key,
                referenced_table_oid=self.author, referenced_columns=(1,), on_delete="c",
            ),
        )  # fmt: skip
        return book

    def _view(self) -> int:
        oid = self.oid()
        made = View(
            oid=oid, name="book_v", schema_oid=PUBLIC, source="SELECT book.id FROM book",
            columns=(ColumnDef("id", 1, 0, INT),), references=(Address(CLASS_RELATION, self.book, 1),),
            rule_oid=self.oid(), row_type_oid=self.oid(), row_array_oid=self.oid(),
        )  # fmt: skip
        self._change(changes.create_view, made)
        return oid


class FakeSystem:
    """A SystemContext over a world; the FunctionContext of tests too, as far as catalog functions ask."""

    def __init__(self, world: World, path: Sequence[str] = ("public",)) -> None:
        self.catalog_of_cluster = world.catalog
        self.database = world.database
        self.search_path = world.database.search_path(path, "skerry")
        self.current_user_oid = 10

    @property
    def catalog(self) -> Catalog:
        return self.catalog_of_cluster

    def sessions(self) -> list[Any]:
        return []

    locks = settings = prepared_statements = prepared_transactions = transactions = cursors = sessions

    def deferred_views(self) -> Sequence[DeferredViewInfo]:
        return [DeferredViewInfo(2200, "v", "incremental", 7, 9, 2, 1_500_000, 3, 12, None)]

    def history(self) -> HistoryInfo:
        return HistoryInfo(3, 10**15, 7, 10**15 + 5, 3_600_000_000, 1 << 28, 12_345, 67)

    def row_count(self, table_oid: int) -> int:
        return 100

    def relation_size_bytes(self, relation_oid: int) -> int:
        return 8192

    def graph_text(self, of: Any, part: Any = None) -> str:
        return f"CREATE GRAPH {of.name}"

    def comes_with_type(self, graph: Any, constraint: Any) -> bool:
        return False

    def sequence_state(self, sequence_oid: int) -> tuple[int, bool]:
        return 1, False


class FakeContext:
    """The part of FunctionContext that catalog functions use."""

    def __init__(self, system: FakeSystem) -> None:
        self.catalog = system
