"""Models: what nodes know of a table.  Made of a dataclass, of SQLAlchemy's classes and tables, or by `reflect` of a
table that exists.

    @dataclass                                     users(id, name, email); `id` is the key, and given by the database
    class User:                                    where it is left out; `name` must be given, `email` need not be
        __tablename__ = "users"
        name: str
        email: str | None = None
        id: int | None = None

Types are Python's, and there for databases that have fewer of them (SQLite): values are turned into what they store,
and back.
"""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from skerry_engine.errors import WorkflowError

_SCALARS = (str, bytes, int, float, bool)


@dataclass(frozen=True, slots=True)
class ModelColumn:
    """A column.  `type`: that of its values in Python, None where it is not known; `has_default`: the database gives
    a value where none is given; `default` makes one here."""

    name: str
    type: type | None = None
    is_nullable: bool = True
    has_default: bool = False
    default: Callable[[], object] | None = None

    @property
    def is_required(self) -> bool:
        """Whether a new row must have a value for it."""
        return not (self.is_nullable or self.has_default or self.default is not None)


@dataclass(frozen=True, eq=False)
class Model:
    """A table and its columns; `key` are the names of the primary key's."""

    name: str
    table: str
    columns: tuple[ModelColumn, ...]
    key: tuple[str, ...] = ()
    schema: str | None = None
    by_name: Mapping[str, ModelColumn] = field(init=False, repr=False)
    names: tuple[str, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not self.name.isidentifier():
            raise WorkflowError(f"{self.name!r} can't be a model's name: node kinds are made of it")
        if not self.columns:
            raise WorkflowError(f"model {self.name} has no columns")
        by_name = {each.name: each for each in self.columns}
        missing = [each for each in self.key if each not in by_name]
        if missing or len(by_name) < len(self.columns):
            raise WorkflowError(
                f"model {self.name}: columns that are missing or there twice: {missing or by_name}"
            )
        object.__setattr__(self, "by_name", types.MappingProxyType(by_name))
        object.__setattr__(self, "names", tuple(by_name))

    def check(self, column: object, where: str = "") -> None:
        """Raise WorkflowError where it has no such column."""
        if column not in self.by_name:
            at = f"{where}: " if where else ""
            raise WorkflowError(
                f"{at}{self.name} has no column {column!r}", hint=f"It has {', '.join(self.by_name)}."
            )

    @staticmethod
    def of(source: object, name: str | None = None) -> Model:
        """The model of a dataclass, or of a declarative class or Table of SQLAlchemy.

        Raises WorkflowError for anything else.
        """
        if isinstance(source, Model):
            return source if name is None else dataclasses.replace(source, name=name)
        table: Any = getattr(source, "__table__", source)
        if hasattr(table, "columns") and hasattr(table, "primary_key"):
            return _of_table(table, name or getattr(source, "__name__", None) or _class_name(table.name))
        if isinstance(source, type) and dataclasses.is_dataclass(source):
            return _of_dataclass(source, name or source.__name__)
        raise WorkflowError(
            f"a model can't be made of {source!r}: give a dataclass, a class or Table of SQLAlchemy, or reflect(...)"
        )


# --- dataclasses ------------------------------------------------------------------------------------------------


def _of_dataclass(source: type, name: str) -> Model:
    hints = typing.get_type_hints(source)
    fields = dataclasses.fields(source)
    key = tuple(each.name for each in fields if each.metadata.get("primary_key"))
    if not key and any(each.name == "id" for each in fields):
        key = ("id",)
    table = getattr(source, "__tablename__", None) or re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    columns = tuple(_of_field(each, hints[each.name], each.name in key) for each in fields)
    return Model(name, table, columns, key, getattr(source, "__schema__", None))


def _of_field(each: dataclasses.Field[Any], hint: object, is_key: bool) -> ModelColumn:
    kind, is_nullable = _type_of(hint)
    default: Callable[[], object] | None = None
    if each.default_factory is not dataclasses.MISSING:
        default = each.default_factory
    elif each.default is not dataclasses.MISSING and each.default is not None:
        default = _always(each.default)
    has_default = each.default is None or (is_key and kind is int)
    return ModelColumn(each.name, kind, is_nullable and not is_key, has_default, default)


def _type_of(hint: object) -> tuple[type | None, bool]:
    """A type and whether None is one of its values."""
    arguments = typing.get_args(hint)
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        kinds = [each for each in arguments if each is not type(None)]
        kind = _type_of(kinds[0])[0] if len(kinds) == 1 else None
        return kind, len(kinds) < len(arguments)
    origin = typing.get_origin(hint)
    found = origin if isinstance(origin, type) else hint
    return (found if isinstance(found, type) else None), hint is Any


def _always(value: object) -> Callable[[], object]:
    return lambda: value


# --- SQLAlchemy -------------------------------------------------------------------------------------------------


def _of_table(table: Any, name: str) -> Model:
    key = tuple(each.name for each in table.primary_key.columns)
    columns = tuple(_of_column(each, key) for each in table.columns)
    return Model(name, table.name, columns, key, table.schema)


def _of_column(column: Any, key: tuple[str, ...]) -> ModelColumn:
    try:
        kind = column.type.python_type
    except NotImplementedError:
        kind = None
    if column.type.__visit_name__ in ("JSON", "JSONB"):
        kind = dict
    default: Callable[[], object] | None = None
    given = column.default
    if given is not None and given.is_scalar:
        default = _always(given.arg)
    elif given is not None and given.is_callable:
        default = _called(given.arg)
    is_generated = column.name in key and len(key) == 1 and kind is int
    has_default = any((column.server_default, column.identity, column.computed, is_generated))
    if given is not None and given.is_sequence:
        has_default = True
    return ModelColumn(column.name, kind, bool(column.nullable), has_default, default)


def _called(function: Callable[[object], object]) -> Callable[[], object]:
    """SQLAlchemy's defaults take the context of an execution, of which there is none."""
    return lambda: function(None)


def _class_name(table: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in re.split(r"\W|_", table))
