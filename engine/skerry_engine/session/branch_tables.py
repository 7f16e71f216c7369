"""Tables in a flow branch, as users name them: rows by column name, keys by value, of the types that columns have.

    name, key, row            BranchedTable              flow/branch_table.py
    "accounts", 7      ──>  key atoms (7,)      ──>      equality key, row id
    {"id": 7, ...}     ──>  a row of full width ──>      an entry
                             │ defaults, generated columns, NOT NULL, CHECK, domains

What a user gives is assigned as INSERT and UPDATE assign it: text is read as the column's type, numbers are cast.  A
row that has a key already keeps the columns that are not given.  The key of a table is its primary key; a table without
one is addressed by row id.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from skerry_engine import errors
from skerry_engine.algebra import expressions as ex
from skerry_engine.catalog.objects import Column, MaterializedView, Table
from skerry_engine.flow.branch_table import BranchTable
from skerry_engine.plan.compile import compile_rows
from skerry_engine.session.stores import default_value
from skerry_engine.sql.binder.coercion import Coercer
from skerry_engine.sql.binder.context import Parameters
from skerry_engine.storage.heap import Row
from skerry_engine.storage.index import Index
from skerry_engine.values import oids
from skerry_engine.values.io import text_decoder
from skerry_engine.values.python import from_python
from skerry_engine.values.types import SqlType

if TYPE_CHECKING:
    from skerry_engine.catalog.catalog import Database
    from skerry_engine.session.state import SessionState

_PLAIN: dict[int, type] = {oids.BOOL: bool, oids.FLOAT8: float, oids.BYTEA: bytes}
_INTEGERS = {oids.INT2: 1 << 15, oids.INT4: 1 << 31, oids.INT8: 1 << 63}

Atom = object
Given = Mapping[str, object] | Sequence[object]


class BranchedTable:
    """A table in a branch; made by `SessionBranch.table`.

    `columns` are those that users see; `key_columns` those of the primary key, none of a table addressed by row id.
    """

    def __init__(
        self, session: SessionState, database: Database, table: Table, branched: BranchTable
    ) -> None:
        self.session = session
        self.database = database
        self.table = table
        self.branched = branched
        self.columns: tuple[Column, ...] = table.live_columns
        key = table.primary_key
        self.key_columns: tuple[Column, ...] = (
            () if key is None else tuple(table.column(attnum) for attnum in key.columns)
        )
        self.is_view = isinstance(table, MaterializedView)
        self._by_name = {column.name: column for column in self.columns}
        self._assigners: dict[int, _Assigner] = {}
        self._defaults: dict[int, Callable[[Any, Row], Row]] = {}

    # --- keys -----------------------------------------------------------------------------------------------

    @property
    def is_keyed(self) -> bool:
        """Whether it has a primary key, by which its rows are addressed."""
        return bool(self.key_columns)

    def key_atoms(self, key: object, is_whole: bool = True) -> Row:
        """A key's values as stored; the first few of them unless it has to be the `is_whole` one.

        Raises what assigning them raises; InvalidParameterValue for another number of values.
        """
        if isinstance(key, Mapping):
            key = tuple(key[column.name] for column in self.key_columns if column.name in key)
        values = tuple(key) if isinstance(key, list | tuple) else (key,)
        count = len(self.key_columns)
        if len(values) > count or (is_whole and len(values) < count):
            names = ", ".join(column.name for column in self.key_columns)
            raise errors.InvalidParameterValue(
                f'a key of "{self.table.name}" has {count} values ({names}), not {len(values)}'
            )
        columns = self.key_columns
        return tuple([self.assign(columns[n], value) for n, value in enumerate(values)])

    def row_id(self, key: object) -> int:
        """A key that is a row id.  Raises InvalidParameterValue."""
        if not isinstance(key, int) or isinstance(key, bool):
            raise errors.InvalidParameterValue(
                f'"{self.table.name}" has no primary key: its rows are addressed by row id, an integer'
            )
        return key

    def key_of(self, row: Row) -> Row:
        """The key in a row."""
        return tuple([row[column.position] for column in self.key_columns])

    def _index(self) -> Index:
        index = self.branched.index
        assert index is not None, "only tables with a key come here"
        return index

    # --- reading --------------------------------------------------------------------------------------------

    def get(self, key: object) -> Row | None:
        """The row with a key, or None."""
        if not self.is_keyed:
            return self.branched.get_row(self.row_id(key))
        return self.branched.get(self._index().codec.equality_key(self.key_atoms(key)))

    def get_by_atoms(self, key: object) -> Row | None:
        """The row with a key as `set` gives it."""
        if not self.is_keyed:
            return self.branched.get_row(self.row_id(key))
        assert isinstance(key, tuple), "the key atoms of a table with a key"
        return self.branched.get(self._index().codec.equality_key(key))

    def batch(
        self, low: object, high: object, after: object, n: int, descending: bool
    ) -> tuple[list[tuple[object, Row]], object]:
        """Up to about `n` (key atoms or row id, row) from `low` to below `high` (None: no limit), in the order of keys,
        and where to go on, None at the end."""
        if not self.is_keyed:
            return self._batch_by_id(low, high, after, n, descending)
        codec = self._index().codec
        first = None if low is None else codec.order_key(self.key_atoms(low, False))
        beyond = None if high is None else codec.order_key(self.key_atoms(high, False))
        return self._index_batch(first, beyond, after, n, descending)

    def prefix_batch(self, prefix: object, after: object, n: int) -> tuple[list[tuple[object, Row]], object]:
        """As `batch`, of the keys that begin with `prefix`: a tuple stands for whole columns, a str or bytes for the
        beginning of the first one."""
        if not self.is_keyed:
            raise errors.InvalidParameterValue(
                f'"{self.table.name}" has no key that could begin with anything'
            )
        codec = self._index().codec
        begin = codec.order_key(self.key_atoms(prefix, False))
        if isinstance(prefix, str | bytes) and codec.columns[0].type_oid in _BY_BEGINNING:
            begin = begin[: -_BY_BEGINNING[codec.columns[0].type_oid]]
        return self._index_batch(begin, codec.prefix_end(begin), after, n, False)

    def _index_batch(
        self, low: bytes | None, high: bytes | None, after: object, n: int, descending: bool
    ) -> tuple[list[tuple[object, Row]], object]:
        assert after is None or isinstance(after, bytes), "what the batch before gave"
        rows, place = self.branched.batch(low, high, after, n, descending)
        return [(self.key_of(row), row) for row in rows], place

    def _batch_by_id(
        self, low: object, high: object, after: object, n: int, descending: bool
    ) -> tuple[list[tuple[object, Row]], object]:
        if descending:
            raise errors.NotSupportedError("rows without a key cannot be read backwards")
        start = 0 if low is None else self.row_id(low)
        stop = None if high is None else self.row_id(high)
        if isinstance(after, int):
            start = after + 1
        ids, rows, last = self.branched.batch_by_id(start - 1, n)
        found: list[tuple[object, Row]] = [
            (row_id, row) for row_id, row in zip(ids, rows, strict=True) if stop is None or row_id < stop
        ]
        is_over = last < 0 or (stop is not None and last >= stop)
        return found, None if is_over else last

    # --- writing --------------------------------------------------------------------------------------------

    def set(self, given: Given, row_id: object = None) -> object:
        """Write a row; its key atoms, or its row id.

        `given`: values by column name, or of all columns in order.  `row_id`: of a table without a key, the row to be
        replaced; None for a new one.  Raises what INSERT and UPDATE raise for one row, without looking at others.
        """
        cells = self._cells(given)
        if not self.is_keyed:
            return self._set_by_id(cells, row_id)
        if row_id is not None:
            raise errors.InvalidParameterValue(f'the key of a row of "{self.table.name}" is in the row')
        key = self._key_in(cells)
        branched = self.branched
        held = -1 if key is None else branched.find(self._index().codec.equality_key(key))
        before = None if held < 0 else branched.reader.get(held)
        row = self._made(cells, before)
        if before is None:
            branched.set(row)
        else:
            branched.put(held, row)
        return self.key_of(row)

    def replace(self, before: Row, given: Given) -> object:
        """Remove a row, and write another one, which has from it what is not given; the new key atoms."""
        row = self._made(self._cells(given), before)
        codec = self._index().codec
        old_key, new_key = codec.equality_key(self.key_of(before)), self._index().unique_key(row)
        if old_key != new_key:
            self.branched.remove(old_key)
        self.branched.set(row)
        return self.key_of(row)

    def _set_by_id(self, cells: dict[int, object], row_id: object) -> int:
        branched = self.branched
        if row_id is None:
            return branched.insert(self._made(cells, None))
        number = self.row_id(row_id)
        before = branched.reader.get(number)
        if before is None:
            raise errors.InvalidParameterValue(f'"{self.table.name}" has no row {number}')
        branched.put(number, self._made(cells, before))
        return number

    def remove(self, key: object) -> bool:
        """Remove the row with a key; whether there was one."""
        if self.is_keyed:
            return self.branched.remove(self._index().codec.equality_key(self.key_atoms(key)))
        number = self.row_id(key)
        if self.branched.reader.get(number) is None:
            return False
        self.branched.drop(number)
        return True

    def _cells(self, given: Given) -> dict[int, object]:
        """The values given, by position in the row.  Raises UndefinedColumn, GeneratedAlways, ..."""
        if not isinstance(given, Mapping):
            if isinstance(given, str | bytes) or len(given) != len(self.columns):
                raise errors.InvalidParameterValue(
                    f'a row of "{self.table.name}" has {len(self.columns)} values, or is a mapping of column names'
                )
            given = {column.name: value for column, value in zip(self.columns, given, strict=True)}
        cells: dict[int, object] = {}
        for name, value in given.items():
            column = self._by_name.get(name)
            if column is None:
                raise errors.UndefinedColumn(
                    f'column "{name}" of relation "{self.table.name}" does not exist'
                )
            if column.generated:
                continue  # a row that was read has it, and is to be writable
            cells[column.position] = self.assign(column, value)
        return cells

    def _key_in(self, cells: dict[int, object]) -> Row | None:
        """The key among the values given; None where part of it is left to defaults."""
        found: list[object] = []
        for column in self.key_columns:
            if column.position not in cells:
                return None
            found.append(cells[column.position])
        return None if None in found else tuple(found)

    def _made(self, cells: dict[int, object], before: Row | None) -> Row:
        """A row of full width, checked."""
        row: list[object] = [None] * self.table.width if before is None else list(before)
        for column in self.columns:
            if column.position in cells:
                row[column.position] = cells[column.position]
            elif before is None:
                row[column.position] = self._default(column)
        made = tuple(row)
        target = self.branched.target
        if target.complete_row is not None:
            made = target.complete_row(made)
        if target.unique_keys:
            for key in target.unique_keys:  # what can't be computed (an index over 1 / a) is to fail here
                key.index.unique_key(made)
        target.check_row(made)
        return made

    def _default(self, column: Column) -> object:
        maker = self._defaults.get(column.attnum)
        if maker is None:
            maker = compile_rows((default_value(self.database, self.table, column.attnum),))
            self._defaults[column.attnum] = maker
        return maker(self.session.functions, ())[0]

    def assign(self, column: Column, value: object) -> Atom:
        """A Python value as a column stores it.  Raises DataError's classes, DatatypeMismatch, CheckViolation."""
        assigner = self._assigners.get(column.attnum)
        if assigner is None:
            assigner = self._assigners[column.attnum] = _Assigner(self.session, column)
        return assigner.atom(value)


_BY_BEGINNING = {oids.TEXT: 1, oids.VARCHAR: 1, oids.NAME: 1, oids.BYTEA: 2}
"""Types of keys whose beginnings are found by the beginning of their bytes, and how many bytes end those."""


class _Assigner:
    """Assigns Python values to one column."""

    def __init__(self, session: SessionState, column: Column) -> None:
        self.session = session
        self.column = column
        self._bound = 0 if column.type.domain else _INTEGERS.get(column.type.oid, 0)
        self._plain = None if column.type.domain else _PLAIN.get(column.type.oid)
        self._casts: dict[int, Callable[[Any, Row], Row]] = {}

    def atom(self, value: object) -> Atom:
        """See `BranchedTable.assign`."""
        kind = type(value)
        if kind is int and self._bound and -self._bound <= value < self._bound:  # type: ignore[operator]
            return value
        if kind is self._plain:
            return value
        atom = None if value is None else self._assigned(value)
        domain = self.column.type.domain
        if domain:
            self.session.functions.check_domain(domain, atom)
        return atom

    def _assigned(self, value: object) -> Atom:
        if isinstance(value, str):
            return text_decoder(self.column.type, self.session.io)(value)
        sql_type, atom = from_python(value)
        cast = self._casts.get(sql_type.oid)
        if cast is None:
            cast = self._casts[sql_type.oid] = self._cast(sql_type)
        return cast(self.session.functions, (atom,))[0]

    def _cast(self, given: SqlType) -> Callable[[Any, Row], Row]:
        coercer = Coercer(Parameters(None, ()), self.session.io)
        wanted = SqlType(self.column.type.oid, self.column.type.typmod)
        value = ex.Column(given, 0, 0, self.column.name, True)
        return compile_rows((coercer.assign(value, wanted, self.column.name, None),))
