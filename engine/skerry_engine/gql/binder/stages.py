"""What the binders of writing clauses share: a clause ends a stage of the statement's program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from skerry_engine.algebra import expressions as ex
from skerry_engine.algebra import queries as q
from skerry_engine.gql import tree
from skerry_engine.gql.binder.variables import Rows, Variable, column_variable
from skerry_engine.values import oids
from skerry_engine.values.types import SqlType

if TYPE_CHECKING:
    from skerry_engine.gql.binder.linear import LinearBinder


class StageBinder:
    """Binds writing clauses of one linear statement, whose rows so far are `rows`."""

    def __init__(self, linear: LinearBinder, clause: tree.Clause) -> None:
        self.linear = linear
        self.statements = linear.statements
        self.context = linear.context
        self.operations = linear.operations
        self.rows = linear.rows
        self.statements.check_writable(clause)

    def end_stage(self, query: q.GraphWrite, variables: Sequence[Variable], is_last: bool) -> Rows:
        """Put a stage into the program; the rows that the next clause begins with.  Only what later clauses can name
        is handed on; nothing of the last clause."""
        if is_last:
            self.statements.stages.append(query)
            return Rows()
        variables = [variable for variable in variables if self.statements.is_mentioned(variable.name)]
        outputs = tuple(self.operations.known(variable.value()) for variable in variables)
        columns = tuple(
            q.OutputColumn(variable.name, output.type)
            for variable, output in zip(variables, outputs, strict=True)
        )
        if not outputs:  # that there is a row matters all the same
            outputs = (ex.Const(SqlType(oids.BOOL), True),)
            columns = (q.OutputColumn("", outputs[0].type),)
        number = len(self.statements.stages)
        self.statements.stages.append(replace(query, columns=columns, outputs=outputs))
        range_id = self.context.new_range()
        made = {
            variable.name: column_variable(variable, range_id, position)
            for position, variable in enumerate(variables)
        }
        outer = {name: v for name, v in self.rows.variables.items() if name in self.rows.outer}
        return Rows(q.Bindings(range_id, number, len(columns)), {**outer, **made}, frozenset(outer))
