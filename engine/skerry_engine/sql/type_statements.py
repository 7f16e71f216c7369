"""CREATE TYPE and ALTER TYPE as data."""

from __future__ import annotations

from dataclasses import dataclass

from skerry_engine.sql.statement_parts import ObjectName, Statement


@dataclass(frozen=True, slots=True)
class CreateEnum(Statement):
    """CREATE TYPE name AS ENUM (labels)."""

    name: ObjectName
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AddEnumLabel(Statement):
    """ALTER TYPE name ADD VALUE label, at the end or beside `neighbour`."""

    name: ObjectName
    label: str
    if_not_exists: bool = False
    neighbour: str | None = None
    is_after: bool = False


@dataclass(frozen=True, slots=True)
class RenameEnumLabel(Statement):
    """ALTER TYPE name RENAME VALUE old TO new."""

    name: ObjectName
    old: str
    new: str
