"""What statements are made of: names, expressions and queries inside them, options."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlglot import expressions as exp

from skerry_engine.sql.types_syntax import TypeName

if TYPE_CHECKING:
    from skerry_engine.sql.normalise import Normalised


class Statement:
    """Base of all statements."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class ObjectName:
    """A possibly qualified name; `position` is its 1-based offset in the text."""

    parts: tuple[str, ...]
    position: int | None = None

    @property
    def name(self) -> str:
        return self.parts[-1]

    @property
    def schema(self) -> str | None:
        return self.parts[-2] if len(self.parts) > 1 else None

    def __str__(self) -> str:
        return ".".join(self.parts)


@dataclass(frozen=True, slots=True)
class SourceExpression:
    """An expression inside a utility statement: its text as written, and its tree (literals not lifted)."""

    text: str
    tree: exp.Expression


@dataclass(frozen=True, slots=True)
class SourceQuery:
    """A query inside a definition (a view): its text as written, and its tree (literals not lifted)."""

    text: str
    tree: exp.Expression


@dataclass(frozen=True, slots=True)
class Query(Statement):
    """A SELECT, VALUES, TABLE, WITH, INSERT, UPDATE, DELETE or MERGE, ready for the plan cache.

    `verb` is its first keyword behind any WITH and parentheses: 'select', 'values', 'table', 'insert', ...
    """

    normalised: Normalised
    verb: str


@dataclass(frozen=True, slots=True)
class AsOf:
    """AS OF EPOCH n, AS OF TIMESTAMP t: `kind` is 'epoch' or 'timestamp', `tree` the value's expression."""

    kind: str
    tree: exp.Expression
    position: int


@dataclass(frozen=True, slots=True)
class Historic(Statement):
    """A statement with AS OF: a Query, or an EXPLAIN, COPY TO, DECLARE, PREPARE or CREATE TABLE AS of one."""

    statement: Statement
    as_of: AsOf


@dataclass(frozen=True, slots=True)
class NotSupported(Statement):
    """A statement that Skerry knows and refuses (0A000); `what` names it: 'CREATE TRIGGER'."""

    what: str
    position: int | None = None


@dataclass(frozen=True, slots=True)
class Option:
    """`name value` in an option list; `value` None when it stands alone.  A list value is a tuple."""

    name: str
    value: str | tuple[str, ...] | None
    position: int | None = None


@dataclass(frozen=True, slots=True)
class SequenceOptions:
    """A sequence's options; None for what was not said.

    `no_minimum`, `no_maximum`: NO MINVALUE, NO MAXVALUE.  `restart`: 'RESTART' alone is is_restart without
    a value.
    `owned_by`: (table parts ..., column), () for OWNED BY NONE.
    """

    data_type: TypeName | None = None
    increment: int | None = None
    minimum: int | None = None
    maximum: int | None = None
    no_minimum: bool = False
    no_maximum: bool = False
    start: int | None = None
    is_restart: bool = False
    restart: int | None = None
    cache: int | None = None
    cycle: bool | None = None
    owned_by: tuple[str, ...] | None = None
    sequence_name: ObjectName | None = None
