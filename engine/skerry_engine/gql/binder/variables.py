"""Variables, and the rows over which they mean something."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from skerry_engine import errors
from skerry_engine.algebra import expressions as ex
from skerry_engine.algebra import labels as lb
from skerry_engine.algebra import queries as q
from skerry_engine.gql.binder.sources import ElementSource, Placed, PlacedEdge
from skerry_engine.values.types import SqlType


@dataclass(frozen=True)
class Variable:
    """Base of what a name can mean."""

    name: str

    @property
    def type(self) -> SqlType:
        return self.value().type

    def value(self) -> ex.Expr:
        """The variable as an expression."""
        raise NotImplementedError


@dataclass(frozen=True)
class ElementVariable(Variable):
    """An element whose row is at hand: a range.  `source` is its graph."""

    placed: Placed | PlacedEdge
    source: ElementSource

    def value(self) -> ex.Expr:
        return self.placed.value()


@dataclass(frozen=True)
class ValueVariable(Variable):
    """Any other value.  `source` is the graph of an element value, `labels` what is known of its labels.

    `is_group`: a list of the elements to which a quantifier has bound the variable; aggregates go over it.  Lists with
    the same `repeat` (not -1) have one item each for every iteration of one quantifier.
    """

    expr: ex.Expr
    source: ElementSource | None = None
    labels: lb.LabelFormula | None = None
    is_group: bool = False
    repeat: int = -1

    def value(self) -> ex.Expr:
        return self.expr


@dataclass(frozen=True)
class Rows:
    """A relation, and the variables that its rows bind, in the order in which they came.

    `outer` are those of an enclosing statement, and those that a procedure defines at its beginning: they can be read,
    but are no part of a result (RETURN *).
    """

    relation: q.Relation = field(default_factory=q.OneRow)
    variables: dict[str, Variable] = field(default_factory=dict)
    outer: frozenset[str] = frozenset()

    @property
    def own(self) -> list[Variable]:
        """The variables that are no enclosing statement's."""
        return [variable for name, variable in self.variables.items() if name not in self.outer]

    def find(self, name: str, position: int | None) -> Variable:
        """What a name means.  Raises UndefinedColumn."""
        found = self.variables.get(name)
        if found is None:
            raise errors.UndefinedColumn(f'variable "{name}" is not defined', position=position)
        return found

    def with_variable(self, variable: Variable) -> Rows:
        """The same rows with one more variable, or another meaning of one."""
        return replace(
            self,
            variables={**self.variables, variable.name: variable},
            outer=self.outer - {variable.name},
        )

    def with_outer(self, variable: Variable) -> Rows:
        """The same rows beside a variable that is no column of theirs: a procedure's own."""
        return replace(
            self,
            variables={**self.variables, variable.name: variable},
            outer=self.outer | {variable.name},
        )

    def with_relation(self, relation: q.Relation) -> Rows:
        return replace(self, relation=relation)

    def filtered(self, condition: ex.Expr) -> Rows:
        """The rows for which the condition is true."""
        return self.with_relation(q.Filter(self.relation, condition))

    def joined(self, items: list[q.Relation]) -> Rows:
        """The rows with those of further relations beside them, which may read the rows' own."""
        relation = self.relation
        for item in items:
            relation = item if isinstance(relation, q.OneRow) else q.Join("inner", relation, item, None, True)
        return self.with_relation(relation)

    def as_outer(self) -> Rows:
        """What a statement inside these rows begins with: one row, everything here enclosing it."""
        return Rows(q.OneRow(), dict(self.variables), frozenset(self.variables))


def column_variable(variable: Variable, range_id: int, position: int) -> ValueVariable:
    """The variable behind a border: a column of the rows that were made there."""
    expr = ex.Column(variable.type, range_id, position, variable.name)
    if isinstance(variable, ElementVariable):
        labels = getattr(variable.placed, "labels", None)
        return ValueVariable(variable.name, expr, variable.source, labels)
    assert isinstance(variable, ValueVariable)
    return replace(variable, expr=expr)
