"""What nodes do to a model's table: create, read, update, delete, list, upsert, and the same in bulk.

An operation is data plus `work(values, dialect)`, a generator that gives statements and is sent their results; what it
returns is the node's output.  So the same operation serves the blocking and the asyncio runner, and knows nothing of
transactions: a runner sees to it that one that takes several statements is atomic.

    Operation.parameters      what an author may say, and how it is read
    Operation.check(raw)      build time: names, operators, what is missing
    Operation.work(values)    run time: the values are complete
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, TypeAlias, cast

from skerry.flow.workflows import filters
from skerry.flow.workflows.fields import assignments
from skerry.flow.workflows.filters import quoted, table_of
from skerry.flow.workflows.model import Model
from skerry.flow.workflows.references import UNKNOWN
from skerry.flow.workflows.storing import decode_row, encoded
from skerry.result import Result
from skerry_engine.errors import CardinalityViolation, WorkflowError

MOST_PARAMETERS = 30_000
"""Of one statement: less than any of the databases takes."""

MOST_ROWS = 250
"""Of one statement: what more of them save in round trips, they cost in parsing."""


class Statement(NamedTuple):
    """A statement with %s, and its parameters."""

    text: str
    values: list[object]


Values: TypeAlias = Mapping[str, Any]
Work: TypeAlias = Generator[Statement, Result, dict[str, object]]


class Operation:
    """What a node of one kind does; see the module."""

    parameters: ClassVar[tuple[str, ...]] = ()
    flat: ClassVar[str | None] = None
    """The parameter that columns belong to which stand beside the parameters."""

    computed: ClassVar[tuple[str, ...]] = ()
    """Parameters whose values may be computed from the row."""

    gives_row: ClassVar[bool] = False
    outputs: ClassVar[tuple[str, ...]] = ()

    def __init__(self, model: Model) -> None:
        self.model = model

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of what it gives."""
        return self.outputs + (self.model.names if self.gives_row else ())

    def check(self, raw: Values) -> None:
        """Raise WorkflowError for parameters that can't be; `UNKNOWN` stands for what only a run will know."""
        for name in self.parameters:
            if name in raw and raw[name] is not UNKNOWN:
                with _named(name):
                    self._check_parameter(name, raw[name], raw)

    def _check_parameter(self, name: str, value: object, raw: Values) -> None:
        if name == "filter":
            filters.check(value, self.model)
        elif name in ("values", "fields", "update"):
            for column in _mapping(name, value):
                self.model.check(column, name)
        elif name == "conflict_on":
            for column in _names(name, value):
                self.model.check(column, name)

    def is_single(self, values: Values) -> bool:
        """Whether it is one statement, which is atomic by itself."""
        return True

    def work(self, values: Values, dialect: str) -> Work:
        """Do it."""
        raise NotImplementedError

    # --- what several do --------------------------------

    def _row(self, row: Sequence[object], dialect: str) -> dict[str, object]:
        return decode_row(row, self.model, dialect)

    @property
    def _returning(self) -> str:
        return f"RETURNING {_listed(self.model.names)}"

    def _encoded(self, row: Mapping[str, object], columns: Sequence[str], dialect: str) -> list[object]:
        by_name = self.model.by_name
        return [encoded(row[name], dialect, by_name[name].type) for name in columns]

    def _complete(self, given: object) -> dict[str, object]:
        """A new row's values with the model's own defaults.  Raises WorkflowError."""
        values = _mapping("a row", given)
        row: dict[str, object] = {}
        for column in self.model.columns:
            if column.name in values:
                row[column.name] = values[column.name]
            elif column.default is not None:
                row[column.name] = column.default()
            elif column.is_required:
                raise WorkflowError(f"{self.model.name}.{column.name} has no value, and needs one")
        for name in values.keys() - row.keys():
            self.model.check(name)
        return row

    def _check_new_row(self, given: object) -> None:
        """As `_complete`, before the values are known."""
        row = _mapping("a row", given)
        for name in row:
            self.model.check(name)
        for column in self.model.columns:
            if column.is_required and column.name not in row:
                raise WorkflowError(f"{self.model.name}.{column.name} has no value, and needs one")

    def _insert(self, columns: Sequence[str], rows: int) -> str:
        """INSERT of so many rows, without its end."""
        if not columns:
            return f"INSERT INTO {table_of(self.model)} DEFAULT VALUES"
        row = "(" + ", ".join(["%s"] * len(columns)) + ")"
        return f"INSERT INTO {table_of(self.model)} ({_listed(columns)}) VALUES {', '.join([row] * rows)}"

    def _where(self, values: Values, dialect: str) -> filters.Condition:
        return filters.render(values.get("filter", {}), self.model, dialect)

    def _check_one_row(self, raw: Values) -> None:
        """A filter that names the whole key, by values."""
        found = raw.get("filter")
        if found is UNKNOWN:
            return
        if not isinstance(found, Mapping):
            raise WorkflowError("filter: which row? Give its key, or a filter")
        key = self.model.key
        is_one = all(
            name in found and not isinstance(found[name], Mapping | type(None) | list | tuple) for name in key
        )
        if not key or not is_one:
            raise WorkflowError(
                f"filter: one row of {self.model.name} is meant, so the filter must have its key"
                f" ({', '.join(key) or 'the model has none'})",
                hint=f"For more rows there are {self.model.name}BulkUpdateNode and {self.model.name}BulkDeleteNode.",
            )


class _Shape(NamedTuple):
    """The statement for rows that give certain columns: it, and where each value comes from."""

    text: str
    columns: list[tuple[str, type | None, Callable[[], object] | None]]


class Create(Operation):
    """Insert a row; the row as it was stored."""

    parameters = ("values",)
    flat = "values"
    gives_row = True

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self._shapes: dict[tuple[str, ...], _Shape] = {}

    def check(self, raw: Values) -> None:
        super().check(raw)
        given = raw.get("values", {})
        if given is not UNKNOWN:
            with _named("values"):
                self._check_new_row(given)

    def work(self, values: Values, dialect: str) -> Work:
        given = values.get("values", {})
        shape = self._shapes.get(tuple(given)) if type(given) is dict else None
        if shape is None:
            row = self._complete(given)
            shape = self._shapes[tuple(given)] = self._shape(tuple(row), given)
        row_values = [
            encoded(given[name] if default is None else default(), dialect, kind)
            for name, kind, default in shape.columns
        ]
        result = yield Statement(shape.text, row_values)
        return self._row(result.one(), dialect)

    def _shape(self, columns: tuple[str, ...], given: Mapping[str, object]) -> _Shape:
        by_name = self.model.by_name
        return _Shape(
            f"{self._insert(columns, 1)} {self._returning}",
            [
                (name, by_name[name].type, None if name in given else by_name[name].default)
                for name in columns
            ],
        )


class Read(Operation):
    """One row; `found` says whether there is one.  Raises CardinalityViolation where there are several."""

    parameters = ("filter",)
    flat = "filter"
    gives_row = True
    outputs = ("found",)

    def check(self, raw: Values) -> None:
        super().check(raw)
        if not raw.get("filter"):
            raise WorkflowError("filter: which row? Give its key, or a filter")

    def work(self, values: Values, dialect: str) -> Work:
        where = self._where(values, dialect)
        names = _listed(self.model.names)
        text = f"SELECT {names} FROM {table_of(self.model)} WHERE {where.text} LIMIT 2"
        rows = (yield Statement(text, where.values)).fetchall()
        if len(rows) > 1:
            raise CardinalityViolation(f"more than one row of {self.model.name} is what the filter finds")
        return {"found": True, **self._row(rows[0], dialect)} if rows else {"found": False}


class List(Operation):
    """The rows that a filter finds, in order; `order_by` names columns, `-name` is descending, NULL is the greatest."""

    parameters = ("filter", "order_by", "limit", "offset")
    outputs = ("records", "count")

    def _check_parameter(self, name: str, value: object, raw: Values) -> None:
        super()._check_parameter(name, value, raw)
        if name == "order_by":
            self._order(value)
        elif name in ("limit", "offset"):
            _whole_number(name, value)

    def _order(self, given: object) -> str:
        names = list(_names("order_by", given)) if given else []
        wanted = [each.removeprefix("-") for each in names]
        for each in wanted:
            self.model.check(each, "order_by")
        names += [each for each in self.model.key if each not in wanted]
        parts = [
            f"{quoted(each[1:])} DESC NULLS FIRST" if each[0] == "-" else f"{quoted(each)} ASC NULLS LAST"
            for each in names
        ]
        return f" ORDER BY {', '.join(parts)}" if parts else ""

    def work(self, values: Values, dialect: str) -> Work:
        where = self._where(values, dialect)
        text = f"SELECT {_listed(self.model.names)} FROM {table_of(self.model)} WHERE {where.text}"
        text += self._order(values.get("order_by"))
        limit, offset = values.get("limit"), values.get("offset")
        if limit is not None:
            text += f" LIMIT {_whole_number('limit', limit)}"
        if offset is not None:
            if limit is None and dialect == "sqlite":
                text += " LIMIT -1"
            text += f" OFFSET {_whole_number('offset', offset)}"
        rows = (yield Statement(text, where.values)).fetchall()
        return {"records": [self._row(row, dialect) for row in rows], "count": len(rows)}


class Update(Operation):
    """Change the row with a key; the row as it is then, and `found`."""

    parameters = ("filter", "fields")
    flat = "filter"
    computed = ("fields",)
    gives_row = True
    outputs = ("found",)

    def check(self, raw: Values) -> None:
        super().check(raw)
        _needs(raw, "fields")
        self._check_one_row(raw)

    def work(self, values: Values, dialect: str) -> Work:
        self._check_one_row(values)
        text, given = assignments(_mapping("fields", values["fields"]), self.model, dialect)
        where = self._where(values, dialect)
        text = f"UPDATE {table_of(self.model)} SET {text} WHERE {where.text} {self._returning}"
        rows = (yield Statement(text, given + where.values)).fetchall()
        return {"found": True, **self._row(rows[0], dialect)} if rows else {"found": False}


class Delete(Operation):
    """Delete the row with a key; the row as it was, and `found`."""

    parameters = ("filter",)
    flat = "filter"
    gives_row = True
    outputs = ("found",)

    def check(self, raw: Values) -> None:
        super().check(raw)
        self._check_one_row(raw)

    def work(self, values: Values, dialect: str) -> Work:
        self._check_one_row(values)
        where = self._where(values, dialect)
        text = f"DELETE FROM {table_of(self.model)} WHERE {where.text} {self._returning}"
        rows = (yield Statement(text, where.values)).fetchall()
        return {"found": True, **self._row(rows[0], dialect)} if rows else {"found": False}


class Upsert(Operation):
    """Insert a row, or change the one that is there with the same `conflict_on` columns (the key, if not said).

    `update` says what is changed then: a mapping in which `excluded.column` is the value that was given; if not said,
    all that was given.
    """

    parameters = ("values", "conflict_on", "update")
    flat = "values"
    computed = ("update",)
    gives_row = True

    def check(self, raw: Values) -> None:
        super().check(raw)
        if raw.get("values") is not UNKNOWN:
            with _named("values"):
                self._check_new_row(raw.get("values", {}))
        if raw.get("conflict_on") is not UNKNOWN:
            conflict_columns(self.model, raw)

    def work(self, values: Values, dialect: str) -> Work:
        row = self._complete(values.get("values", {}))
        columns = tuple(row)
        target = conflict_columns(self.model, values)
        update = values.get("update")
        change, more = conflict_change(self.model, columns, target, update, dialect)
        text = f"{self._insert(columns, 1)} ON CONFLICT ({_listed(target)}) {change} {self._returning}"
        result = yield Statement(text, self._encoded(row, columns, dialect) + more)
        return self._row(result.one(), dialect)


class BulkCreate(Operation):
    """Insert many rows, at most `batch_size` of them with each statement, all or none.

    `on_conflict`: "error", "skip" (rows that are there stay as they are) or "update" (they get the new values).  Gives
    `created`, `skipped` and `updated`, which make `count` together, and with `return_records` the `records` that were
    created.
    """

    parameters = ("data", "batch_size", "on_conflict", "conflict_on", "return_records")
    outputs = ("count", "created", "skipped", "updated", "records")

    def _check_parameter(self, name: str, value: object, raw: Values) -> None:
        super()._check_parameter(name, value, raw)
        if name == "batch_size" and _whole_number(name, value) < 1:
            raise WorkflowError("batch_size: at least one row")
        if name == "on_conflict" and value not in ("error", "skip", "update"):
            raise WorkflowError(f"on_conflict: 'error', 'skip' or 'update', not {value!r}")
        if name == "data":
            for row in _rows(value):
                if row is not UNKNOWN:
                    self._check_new_row(row)

    def check(self, raw: Values) -> None:
        super().check(raw)
        _needs(raw, "data")
        if raw.get("on_conflict") == "update" and raw.get("conflict_on") is not UNKNOWN:
            conflict_columns(self.model, raw)

    def is_single(self, values: Values) -> bool:
        """Small ones are."""
        return values.get("on_conflict") != "update" and len(_rows(values["data"])) < 2

    def work(self, values: Values, dialect: str) -> Work:
        for name in self.parameters:
            if name in values:
                self._check_parameter(name, values[name], values)
        rows = [self._complete(each) for each in _rows(values["data"])]
        counts = {"created": 0, "skipped": 0, "updated": 0}
        records: list[dict[str, object]] = []
        for columns, batch in batches(rows, values.get("batch_size") or MOST_ROWS):
            created, found = yield from self._batch(columns, batch, values, dialect)
            left = len(batch) - created
            counts["created"] += created
            counts["updated" if values.get("on_conflict") == "update" else "skipped"] += left
            records += found
        return {"count": len(rows), **counts, "records": records}

    def _batch(
        self, columns: tuple[str, ...], rows: list[dict[str, object]], values: Values, dialect: str
    ) -> Generator[Statement, Result, tuple[int, list[dict[str, object]]]]:
        """Insert a batch: how many rows were created, and those, if they are asked for."""
        how = values.get("on_conflict", "error")
        target = conflict_columns(self.model, values) if how == "update" or values.get("conflict_on") else ()
        end = "" if how == "error" else f" ON CONFLICT {_target(target)}DO NOTHING"
        wants = bool(values.get("return_records"))
        if wants or how == "update":
            end += f" {self._returning}"
        result = yield Statement(self._insert(columns, len(rows)) + end, self._all(columns, rows, dialect))
        created = [self._row(each, dialect) for each in result.fetchall()] if wants or how == "update" else []
        count = len(created) if wants or how == "update" else result.rowcount
        if how == "update" and count < len(rows):
            rest = _not_created(rows, created, target)
            change, _ = conflict_change(self.model, columns, target, None, dialect)
            text = f"{self._insert(columns, len(rest))} ON CONFLICT ({_listed(target)}) {change}"
            yield Statement(text, self._all(columns, rest, dialect))
        return count, created if wants else []

    def _all(self, columns: Sequence[str], rows: list[dict[str, object]], dialect: str) -> list[object]:
        return [value for row in rows for value in self._encoded(row, columns, dialect)]


class BulkUpdate(Operation):
    """Change all rows that a filter finds; or, given `data`, those with the keys of its rows.  Gives `count`."""

    parameters = ("filter", "fields", "data")
    computed = ("fields",)
    outputs = ("count",)

    def _check_parameter(self, name: str, value: object, raw: Values) -> None:
        super()._check_parameter(name, value, raw)
        if name == "data":
            for row in _rows(value):
                if row is not UNKNOWN:
                    self._split(row)

    def check(self, raw: Values) -> None:
        super().check(raw)
        if "data" in raw:
            if "filter" in raw or "fields" in raw:
                raise WorkflowError("data: either data, or a filter and fields")
            return
        _needs(raw, "filter")
        _needs(raw, "fields")

    def _split(self, row: object) -> tuple[dict[str, object], dict[str, object]]:
        """A row's key, and its other columns."""
        given = _mapping("a row", row)
        for name in given:
            self.model.check(name, "data")
        missing = [name for name in self.model.key if name not in given]
        if missing or not self.model.key:
            raise WorkflowError(f"data: a row needs its key ({', '.join(missing) or 'the model has none'})")
        key = {name: given[name] for name in self.model.key}
        rest = {name: value for name, value in given.items() if name not in key}
        if not rest:
            raise WorkflowError("data: a row with its key alone changes nothing")
        return key, rest

    def is_single(self, values: Values) -> bool:
        """With a filter it is."""
        return "data" not in values

    def work(self, values: Values, dialect: str) -> Work:
        if "data" not in values:
            changes = iter([(values["filter"], _mapping("fields", values["fields"]))])
        else:
            changes = iter([self._split(row) for row in _rows(values["data"])])
        count = 0
        for found, fields in changes:
            text, given = assignments(fields, self.model, dialect)
            where = filters.render(found, self.model, dialect)
            text = f"UPDATE {table_of(self.model)} SET {text} WHERE {where.text}"
            count += (yield Statement(text, given + where.values)).rowcount
        return {"count": count}


class BulkDelete(Operation):
    """Delete all rows that a filter finds, which must be there: {} finds all.  Gives `count`."""

    parameters = ("filter",)
    outputs = ("count",)

    def check(self, raw: Values) -> None:
        super().check(raw)
        _needs(raw, "filter")

    def work(self, values: Values, dialect: str) -> Work:
        where = self._where(values, dialect)
        text = f"DELETE FROM {table_of(self.model)} WHERE {where.text}"
        return {"count": (yield Statement(text, where.values)).rowcount}


OPERATIONS: dict[str, Callable[[Model], Operation]] = {
    "BulkCreate": BulkCreate,
    "BulkUpdate": BulkUpdate,
    "BulkDelete": BulkDelete,
    "Create": Create,
    "Read": Read,
    "Update": Update,
    "Delete": Delete,
    "List": List,
    "Upsert": Upsert,
}
"""By what stands between a model's name and `Node`."""


# --- conflicts --------------------------------------------------------------------------------------------------


def conflict_columns(model: Model, values: Values) -> tuple[str, ...]:
    """The columns that say that a row is there already.  Raises WorkflowError where nobody says which."""
    found = values.get("conflict_on")
    names = tuple(_names("conflict_on", found)) if found else model.key
    if not names:
        raise WorkflowError(f"conflict_on: {model.name} has no key, so say which columns make a conflict")
    for name in names:
        model.check(name, "conflict_on")
    return names


def conflict_change(
    model: Model, columns: Sequence[str], target: Sequence[str], update: object, dialect: str
) -> tuple[str, list[object]]:
    """DO UPDATE: what was given replaces what is there, unless `update` says something else."""
    if update is not None:
        text, values = assignments(_mapping("update", update), model, dialect)
        return f"DO UPDATE SET {text}", values
    names = [name for name in columns if name not in target] or list(target[:1])
    return "DO UPDATE SET " + ", ".join(f"{quoted(name)} = excluded.{quoted(name)}" for name in names), []


def _target(columns: Sequence[str]) -> str:
    return f"({_listed(columns)}) " if columns else ""


def _not_created(
    rows: list[dict[str, object]], created: list[dict[str, object]], target: Sequence[str]
) -> list[dict[str, object]]:
    """The rows that were there already, or came twice: of several with one key the last."""
    fresh = {tuple(repr(row[name]) for name in target) for row in created}
    rest: dict[tuple[str, ...], dict[str, object]] = {}
    for row in rows:
        key = tuple(repr(row.get(name)) for name in target)
        if key in fresh:
            fresh.discard(key)
        else:
            rest.pop(key, None)
            rest[key] = row
    return list(rest.values())


def batches(
    rows: list[dict[str, object]], size: int
) -> Iterator[tuple[tuple[str, ...], list[dict[str, object]]]]:
    """Rows that follow each other and have the same columns, at most so many at once."""
    for columns, group in itertools.groupby(rows, key=tuple):
        alike = list(group)
        most = max(1, min(size, MOST_ROWS, MOST_PARAMETERS // max(1, len(columns)))) if columns else 1
        for start in range(0, len(alike), most):
            yield columns, alike[start : start + most]


# --- parameters -------------------------------------------------------------------------------------------------


def _listed(names: Sequence[str]) -> str:
    return ", ".join(quoted(name) for name in names)


def _mapping(what: str, value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise WorkflowError(f"{what}: a mapping of columns to values, not {value!r}")
    if not value and what in ("fields", "update"):
        raise WorkflowError(f"{what}: there is nothing in it")
    return cast("Mapping[str, object]", value)


def _rows(value: object) -> Sequence[object]:
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Sequence):
        raise WorkflowError(f"data: a list of rows, not {value!r}")
    return value


def _names(what: str, value: object) -> Sequence[str]:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list | tuple) or not all(isinstance(each, str) and each for each in names):
        raise WorkflowError(f"{what}: names of columns, not {value!r}")
    return names


def _whole_number(what: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise WorkflowError(f"{what}: a number of rows, not {value!r}")
    return value


@contextlib.contextmanager
def _named(name: str) -> Iterator[None]:
    """Have errors begin with the parameter that they are about."""
    try:
        yield
    except WorkflowError as problem:
        if str(problem).startswith(f"{name}:"):
            raise
        raise WorkflowError(f"{name}: {problem}", hint=problem.hint) from problem


def _needs(raw: Values, name: str) -> None:
    if name not in raw:
        raise WorkflowError(f"{name}: it must be given")
