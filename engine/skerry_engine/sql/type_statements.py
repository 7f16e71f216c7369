"""CREATE and ALTER TYPE and DOMAIN as data."""

from __future__ import annotations

from dataclasses import dataclass

from skerry_engine.sql.statement_parts import ObjectName, SourceExpression, Statement
from skerry_engine.sql.types_syntax import TypeName


@dataclass(frozen=True, slots=True)
class CreateEnum(Statement):
    """CREATE TYPE name AS ENUM (labels)."""

    name: ObjectName
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CreateComposite(Statement):
    """CREATE TYPE name AS (attributes): names and types."""

    name: ObjectName
    attributes: tuple[tuple[str, TypeName], ...]


@dataclass(frozen=True, slots=True)
class AttributeAction:
    """What ALTER TYPE does to one attribute: 'add', 'drop', 'alter' (to another type)."""

    action: str
    name: str
    type: TypeName | None = None
    collation: ObjectName | None = None
    if_exists: bool = False
    cascade: bool = False


@dataclass(frozen=True, slots=True)
class AlterComposite(Statement):
    """ALTER TYPE name ADD, DROP, ALTER ATTRIBUTE."""

    name: ObjectName
    actions: tuple[AttributeAction, ...]


@dataclass(frozen=True, slots=True)
class RenameAttribute(Statement):
    """ALTER TYPE name RENAME ATTRIBUTE old TO new."""

    name: ObjectName
    old: str
    new: str


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


@dataclass(frozen=True, slots=True)
class DomainConstraint:
    """A constraint of a domain: 'null', 'not null', 'check'.  `position` is where it begins."""

    kind: str
    name: str | None = None
    check: SourceExpression | None = None
    not_valid: bool = False
    position: int | None = None


@dataclass(frozen=True, slots=True)
class CreateDomain(Statement):
    """CREATE DOMAIN name AS type."""

    name: ObjectName
    type: TypeName
    collation: ObjectName | None = None
    default: SourceExpression | None = None
    constraints: tuple[DomainConstraint, ...] = ()


@dataclass(frozen=True, slots=True)
class AlterDomain(Statement):
    """ALTER DOMAIN name.  `action`: 'set default' (of `default`), 'drop default', 'set not null', 'drop not null',
    'add constraint' (`constraint`), and, of the constraint `old_name`, 'drop constraint', 'rename constraint' (to
    `new_name`), 'validate constraint'."""

    name: ObjectName
    action: str
    default: SourceExpression | None = None
    constraint: DomainConstraint | None = None
    old_name: str = ""
    new_name: str = ""
    if_exists: bool = False
    cascade: bool = False
