"""Rewriting queries before they are planned: searches of which only matters where they lead.

    MATCH (a)-[:E]->*(b) RETURN DISTINCT b        EXISTS {(a)-[:E]->*(b)}        RETURN count(DISTINCT b)

There may be more paths between two nodes than anybody could count, and here nobody asks for more than one: duplicates
vanish, or the first row decides.  So such a search gets the selector ANY, and ends when each node has been reached.

That holds where the search's columns are its ends alone, nothing above counts rows before duplicates go, and what is
asked of a match is asked of its ends.
"""

from __future__ import annotations

from dataclasses import replace

from skerry_engine.algebra import expressions as ex
from skerry_engine.algebra import paths as pt
from skerry_engine.algebra import queries as q
from skerry_engine.algebra.traversal import rewrite_all, walk_all
from skerry_engine.values.oids import INT8
from skerry_engine.values.types import SqlType

ENDS = frozenset(("start", "end"))
INDIFFERENT = frozenset(("min", "max", "bool_and", "bool_or", "every"))
"""Aggregates to which duplicates make no difference."""


def with_one_path_each(query: q.Query) -> q.Query:
    """The query with ANY in the searches of which only the ends matter."""
    if not any(isinstance(node, q.PathSearch) and node.selector is None for node in walk_all(query)):
        return query
    return rewrite_all(query, _rewritten)


def _rewritten(node: object) -> object | None:
    if isinstance(node, q.Select):
        source = node.input
        if node.distinct and not node.locks:
            source = _one_each(source)
        elif isinstance(source, q.Aggregation) and all(map(_is_indifferent, source.aggregates)):
            source = replace(source, input=_one_each(source.input))
        return None if source is node.input else rewrite_all_inside(replace(node, input=source))
    if isinstance(node, ex.SubqueryExpr) and node.kind == "exists" and isinstance(node.query, q.Select):
        tested = node.query
        if tested.limit is None and tested.offset is None and not tested.locks:
            source = _one_each(tested.input)
            if source is not tested.input:
                return rewrite_all_inside(replace(node, query=replace(tested, input=source)))
    return None


def rewrite_all_inside(node: object) -> object:
    """A node that is rewritten itself, with what is inside of it rewritten, too."""
    first = True

    def change(each: object) -> object | None:
        nonlocal first
        if first:
            first = False
            return None
        return _rewritten(each)

    return rewrite_all(node, change)


def _is_indifferent(aggregate: ex.Expr) -> bool:
    assert isinstance(aggregate, ex.Aggregate)
    return aggregate.distinct or aggregate.function.name in INDIFFERENT


def _one_each(relation: q.Relation) -> q.Relation:
    """A region of inner joins and filters, with ANY in its searches."""
    if isinstance(relation, q.Filter):
        source = _one_each(relation.input)
        return relation if source is relation.input else replace(relation, input=source)
    if isinstance(relation, q.Join) and relation.kind == "inner":
        left, right = _one_each(relation.left), _one_each(relation.right)
        same = left is relation.left and right is relation.right
        return relation if same else replace(relation, left=left, right=right)
    if isinstance(relation, q.PathSearch) and relation.selector is None:
        if all(output.kind in ENDS for output in relation.outputs):
            one = ex.Const(SqlType(INT8), 1)
            return replace(relation, selector=pt.PathSelector(one))
    return relation
