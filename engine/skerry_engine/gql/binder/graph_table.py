"""GRAPH_TABLE (graph MATCH pattern COLUMNS (...)) in SQL's FROM (ISO/IEC 9075-16): a query of one MATCH and one RETURN.

SQL hands over what stands in the brackets (sql/graph_table.py); its names have been folded, as SQL's are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from skerry_engine import errors
from skerry_engine.algebra import queries as q
from skerry_engine.gql import tree
from skerry_engine.gql.binder.context import GqlContext
from skerry_engine.gql.binder.patterns import PatternBinder
from skerry_engine.gql.binder.results import ReturnBinder
from skerry_engine.gql.binder.statements import StatementBinder
from skerry_engine.gql.binder.table_source import MappedElement
from skerry_engine.gql.binder.tidying import tidied
from skerry_engine.gql.binder.variables import ElementVariable, Rows
from skerry_engine.gql.lexer import tokenize
from skerry_engine.gql.parser import parse_graph_table_tokens
from skerry_engine.sql.binder.context import OuterColumns
from skerry_engine.sql.graph_table import GraphTableText


def parse_written(written: GraphTableText) -> tree.GraphTable:
    """The tree of what stands in the brackets.  Raises SyntaxError."""
    tokens = tokenize(written.text)
    for index, start in enumerate(tokens.starts):
        content = written.contents.get(start)
        if content is not None:
            tokens.values[index] = content
    tokens.text = written.original
    return parse_graph_table_tokens(tokens, {})


def bind_graph_table(context: GqlContext, node: tree.GraphTable, outer: OuterColumns) -> q.Query:
    """The query whose rows GRAPH_TABLE stands for, lateral where it reads `outer`.  Raises what is wrong with it."""
    context.graph = context.graph_named(node.graph)
    context.outer = outer
    statements = StatementBinder(context)
    rows = PatternBinder(statements, Rows(), node.position).match(node.pattern)
    items = tuple(each for item in node.columns for each in _opened(item, rows))
    result = ReturnBinder(statements, rows).bind(tree.Return(node.position, items))
    return tidied(result.query, context.united) if context.has_mapped else result.query


def _opened(item: tree.ReturnItem, rows: Rows) -> Iterator[tree.ReturnItem]:
    """The item, or for variable.* an item for each of its properties."""
    value = item.value
    if not isinstance(value, tree.AllProperties):
        if item.alias is None and not isinstance(value, tree.Property):
            raise errors.SyntaxError("a column of GRAPH_TABLE needs a name", position=item.position)
        yield replace(item, alias=value.name) if isinstance(value, tree.Property) and not item.alias else item
        return
    arg = value.arg
    variable = rows.find(arg.name, arg.position) if isinstance(arg, tree.Variable) else None
    if not isinstance(variable, ElementVariable) or not isinstance(variable.placed, MappedElement):
        raise errors.NotSupportedError(
            ".* is supported for elements of graphs over tables", position=value.position
        )
    for name in variable.placed.properties:
        yield replace(item, value=tree.Property(value.position, arg, name), alias=name)
