"""What names mean at one place of a query: the ranges of FROM, and those of the enclosing queries.

SELECT ... FROM a, b WHERE EXISTS (SELECT ... FROM c WHERE c.x = a.x)
                                   scope [c]  -> parent scope [a, b]
"""

from __future__ import annotations

from dataclasses import dataclass, field

from skerry_engine import errors
from skerry_engine.algebra import expressions as ex
from skerry_engine.values.types import SqlType


@dataclass(slots=True)
class ScopeColumn:
    """A column that a range offers.  `attnum` is its number in the base table, 0 for computed ones."""

    name: str
    type: SqlType
    position: int
    nullable: bool = True
    attnum: int = 0
    hidden: bool = False


@dataclass(slots=True)
class Range:
    """An item of FROM under its alias.  `is_extended`:
    an outer join may put NULLs in the place of its row."""

    alias: str
    range_id: int
    columns: list[ScopeColumn]
    table_oid: int = 0
    schema: str | None = None
    cte_id: int = 0
    has_row_ids: bool = False
    is_scalar_function: bool = False
    is_extended: bool = False
    is_join: bool = False
    is_sequence: bool = False
    is_materialized: bool = False

    def column(self, name: str) -> ScopeColumn | None:
        """The column of that name.  Raises AmbiguousColumn when there are several."""
        found = [c for c in self.columns if c.name == name and not c.hidden]
        if len(found) > 1:
            raise errors.AmbiguousColumn(f'column reference "{name}" is ambiguous')
        return found[0] if found else None

    def reference(self, column: ScopeColumn) -> ex.Column:
        """An expression that reads the column."""
        return ex.Column(column.type, self.range_id, column.position, column.name, column.nullable)


@dataclass(slots=True)
class MergedColumn:
    """A column of JOIN ... USING or NATURAL JOIN: one name for a column of each side."""

    name: str
    expr: ex.Expr
    sides: tuple[tuple[int, int], ...]


@dataclass(slots=True)
class Scope:
    """The ranges visible at one query level, innermost level first through `parent`.

    `entries` are all ranges of the level, also those that this part of the query may not refer to: error
    messages tell about them.  `outputs` is what `*` means: columns in the order that joins give them.
    `aggregates` says whether what is being bound at this level may hold aggregates of it;
    `clause` names it in errors.
    """

    parent: Scope | None = None
    ranges: list[Range] = field(default_factory=list)
    merged: list[MergedColumn] = field(default_factory=list)
    entries: list[Range] = field(default_factory=list)
    outputs: list[tuple[str, ex.Expr]] = field(default_factory=list)
    clause: str = "SELECT"
    aggregates: bool = False

    def __post_init__(self) -> None:
        self.entries.extend(item for item in self.ranges if item not in self.entries)

    def add(self, item: Range) -> None:
        """Put a range in.  Raises DuplicateAlias."""
        if item.alias and any(r.alias == item.alias and r.schema == item.schema for r in self.ranges):
            raise errors.DuplicateAlias(f'table name "{item.alias}" specified more than once')
        self.ranges.append(item)
        self.entries.append(item)
        self.outputs.extend((c.name, item.reference(c)) for c in item.columns if not c.hidden)

    def part(self, ranges: list[Range], merged: list[MergedColumn] | None = None) -> Scope:
        """The same level where only `ranges` may be referred to."""
        return Scope(self.parent, list(ranges), self.merged if merged is None else merged, self.entries)

    def range_named(self, alias: str, schema: str | None = None) -> Range | None:
        """The range under that alias, here or in an enclosing query."""
        scope: Scope | None = self
        while scope is not None:
            for item in scope.ranges:
                if item.alias == alias and (schema is None or item.schema == schema):
                    return item
            scope = scope.parent
        return None

    def unqualified(self, name: str, position: int | None) -> ex.Expr | None:
        """The column of that name at the innermost level that has one.  Raises AmbiguousColumn."""
        scope: Scope | None = self
        while scope is not None:
            found = scope._unqualified_here(name, position)
            if found is not None:
                return found
            scope = scope.parent
        return None

    def _unqualified_here(self, name: str, position: int | None) -> ex.Expr | None:
        candidates: list[ex.Expr] = []
        taken: set[tuple[int, int]] = set()
        for merged in self.merged:
            if merged.name == name and not any(side in taken for side in merged.sides):
                candidates.append(merged.expr)
                taken.update(merged.sides)
        for item in self.ranges:
            for column in item.columns:
                if (
                    column.name == name
                    and not column.hidden
                    and (item.range_id, column.position) not in taken
                ):
                    candidates.append(item.reference(column))
        if len(candidates) > 1:
            raise errors.AmbiguousColumn(f'column reference "{name}" is ambiguous', position=position)
        return candidates[0] if candidates else None
