"""Builders of programs, statements and their clauses (grammar.lark's actions)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from skerry_engine.errors import SyntaxError
from skerry_engine.gql import tree
from skerry_engine.gql.source import Source

_INSERTED_DIRECTIONS: Final = frozenset(("left", "right", "undirected"))


def program(_source: Source, position: int, *parts: tree.Part) -> tree.Program:
    return tree.Program(position, parts)


def procedure(
    _source: Source, position: int, schema: tree.SchemaName | None, *rest: tree.Node
) -> tree.Procedure:
    definitions = [part for part in rest if isinstance(part, tree.VariableDefinition)]
    nexts = [part for part in rest if isinstance(part, tree.Next)]
    first = rest[len(definitions)]
    assert isinstance(first, tree.Composite)
    return tree.Procedure(position, first, tuple(nexts), schema, tuple(definitions))


def next_(
    _source: Source, position: int, yields: tuple[tree.YieldItem, ...] | None, statement: tree.Composite
) -> tree.Next:
    return tree.Next(position, statement, yields)


def combined(
    _source: Source,
    position: int,
    left: tree.Composite,
    combiner: tuple[str, bool],
    right: tree.Composite,
) -> tree.Combined:
    return tree.Combined(position, combiner[0], left, right, combiner[1])


def _combiner(operator: str, is_all: bool) -> Callable[[Source, int], tuple[str, bool]]:
    def build(_source: Source, _position: int) -> tuple[str, bool]:
        return operator, is_all

    return build


def nested(_source: Source, position: int, body: tree.Procedure) -> tree.Nested:
    return tree.Nested(position, body)


def nested_in_graph(_source: Source, position: int, use: tree.Use, body: tree.Procedure) -> tree.Nested:
    return tree.Nested(position, body, use.graph)


def use(_source: Source, position: int, graph: tree.GraphReference) -> tree.Use:
    return tree.Use(position, graph)


def linear(_source: Source, position: int, *clauses: tree.Clause) -> tree.Linear:
    found: list[tree.Clause] = []
    for clause in clauses:
        last = found[-1] if found else None
        merged = _merged(last, clause) if isinstance(last, tree.Page) else None
        if merged is None:
            found.append(clause)
        else:
            found[-1] = merged
    return tree.Linear(position, tuple(found))


def _merged(page: tree.Page, part: tree.Clause) -> tree.Page | None:
    """ORDER BY, OFFSET and LIMIT in this order as one; None where `part` begins another one."""
    if not isinstance(part, tree.Page) or part.order_by or page.limit is not None:
        return None
    if part.offset is not None and page.offset is not None:
        return None
    return tree.Page(
        page.position, page.order_by, part.offset if page.offset is None else page.offset, part.limit
    )


# --- reading ------------------------------------------------------------------------------------------------------


def match(_source: Source, position: int, pattern: tree.GraphPattern) -> tree.Match:
    return tree.Match(position, pattern)


def optional_match(
    _source: Source, position: int, *matches: tree.Match | tree.OptionalMatch
) -> tree.OptionalMatch:
    return tree.OptionalMatch(position, matches)


def let(_source: Source, position: int, *definitions: tree.ValueDefinition) -> tree.Let:
    return tree.Let(position, definitions)


def for_(
    _source: Source, position: int, variable: str, source: tree.Expr, counting: tuple[str, str] | None
) -> tree.For:
    how, counter = counting or (None, None)
    return tree.For(position, variable, source, how, counter)


def with_ordinality(_source: Source, _position: int, counter: str) -> tuple[str, str]:
    return "ordinality", counter


def with_offset(_source: Source, _position: int, counter: str) -> tuple[str, str]:
    return "offset", counter


def filter_(_source: Source, position: int, condition: tree.Expr) -> tree.Filter:
    return tree.Filter(position, condition)


def order_by(_source: Source, position: int, *items: tree.SortItem) -> tree.Page:
    return tree.Page(position, order_by=items)


def offset(_source: Source, position: int, count: tree.Expr) -> tree.Page:
    return tree.Page(position, offset=count)


def limit(_source: Source, position: int, count: tree.Expr) -> tree.Page:
    return tree.Page(position, limit=count)


def sort_item(
    _source: Source, position: int, value: tree.Expr, is_descending: bool | None, nulls: str | None
) -> tree.SortItem:
    return tree.SortItem(position, value, bool(is_descending), nulls)


def nulls_first(_source: Source, _position: int) -> str:
    return "first"


def nulls_last(_source: Source, _position: int) -> str:
    return "last"


def yes(_source: Source, _position: int) -> bool:
    return True


def no(_source: Source, _position: int) -> bool:
    return False


def nothing(_source: Source, _position: int) -> None:
    return None


def return_(
    _source: Source,
    position: int,
    is_distinct: bool | None,
    items: tuple[tree.ReturnItem, ...] | None,
    group_by: tuple[tree.Variable, ...] | None,
    *parts: tree.Page,
) -> tree.Return:
    page: tree.Page | None = None
    for part in parts:
        merged = part if page is None else _merged(page, part) or _swapped(page, part)
        if merged is None:
            raise SyntaxError(
                "behind RETURN stand ORDER BY, OFFSET and LIMIT once each, in this order",
                position=part.position,
            )
        page = merged
    return tree.Return(position, items or (), items is None, bool(is_distinct), group_by, page)


def _swapped(page: tree.Page, part: tree.Page) -> tree.Page | None:
    """LIMIT before OFFSET, as in PostgreSQL; behind RETURN there is no doubt what it means."""
    if part.offset is None or page.offset is not None:
        return None
    return tree.Page(page.position, page.order_by, part.offset, page.limit)


def return_item(_source: Source, position: int, value: tree.Expr, alias: str | None) -> tree.ReturnItem:
    return tree.ReturnItem(position, value, alias)


def finish(_source: Source, position: int) -> tree.Finish:
    return tree.Finish(position)


def yield_item(_source: Source, position: int, name: str, alias: str | None) -> tree.YieldItem:
    return tree.YieldItem(position, name, alias)


def _call_inline(is_optional: bool) -> Callable[..., tree.CallInline]:
    def build(
        _source: Source, position: int, scope: tuple[str, ...] | None, body: tree.Procedure
    ) -> tree.CallInline:
        return tree.CallInline(position, body, scope, is_optional)

    return build


def _call_named(is_optional: bool) -> Callable[..., tree.CallNamed]:
    def build(
        _source: Source,
        position: int,
        name: tree.ObjectName,
        args: tuple[tree.Expr, ...] | None,
        yields: tuple[tree.YieldItem, ...] | None,
    ) -> tree.CallNamed:
        return tree.CallNamed(position, name, args or (), yields, is_optional)

    return build


def scope(_source: Source, _position: int, names: tuple[str, ...] | None) -> tuple[str, ...]:
    return names or ()


# --- changing -----------------------------------------------------------------------------------------------------


def insert(_source: Source, position: int, *paths: tree.PathPattern) -> tree.Insert:
    for path in paths:
        check_insertable(path)
    return tree.Insert(position, paths)


def check_insertable(path: tree.PathPattern) -> None:
    """Refuse what only a search can mean."""
    if path.prefix is not None:
        raise SyntaxError("a path to insert has no prefix", position=path.prefix.position)
    items = path.item.items if isinstance(path.item, tree.Concatenation) else (path.item,)
    for number, item in enumerate(items):
        if number % 2 == 0 and not isinstance(item, tree.NodePattern):
            raise SyntaxError(
                "a node was expected: inserted edges stand between two nodes", position=item.position
            )
        if number % 2 == 1 and not isinstance(item, tree.EdgePattern):
            raise SyntaxError("an edge was expected between two inserted nodes", position=item.position)
        _check_element(item)
    if len(items) % 2 == 0:
        raise SyntaxError("the inserted edge has no node at its end", position=items[-1].position)


def _check_element(item: tree.PathItem) -> None:
    assert isinstance(item, (tree.NodePattern, tree.EdgePattern))
    if item.where is not None:
        raise SyntaxError("what is inserted has no WHERE", position=item.where.position)
    if isinstance(item, tree.EdgePattern) and item.direction not in _INSERTED_DIRECTIONS:
        raise SyntaxError("an inserted edge has one direction: -[]->, <-[]- or ~[]~", position=item.position)
    labels = item.label.items if isinstance(item.label, tree.LabelAnd) else (item.label,)
    for label in labels:
        if label is not None and not isinstance(label, tree.LabelName):
            raise SyntaxError("the labels of what is inserted are names joined by &", position=label.position)


def set_(_source: Source, position: int, items: tuple[tree.SetItem, ...]) -> tree.Set:
    return tree.Set(position, items)


def set_property(
    _source: Source, position: int, variable: str, name: str, value: tree.Expr
) -> tree.SetProperty:
    return tree.SetProperty(position, variable, name, value)


def set_all(_source: Source, position: int, variable: str, value: tree.Expr) -> tree.SetAllProperties:
    return tree.SetAllProperties(position, variable, value)


def set_added(_source: Source, position: int, variable: str, value: tree.Expr) -> tree.SetAllProperties:
    return tree.SetAllProperties(position, variable, value, is_added=True)


def set_labels(_source: Source, position: int, variable: str, labels: tuple[str, ...]) -> tree.SetLabels:
    return tree.SetLabels(position, variable, labels)


def remove(_source: Source, position: int, *items: tree.RemoveItem) -> tree.Remove:
    return tree.Remove(position, items)


def remove_property(_source: Source, position: int, variable: str, name: str) -> tree.RemoveProperty:
    return tree.RemoveProperty(position, variable, name)


def remove_labels(
    _source: Source, position: int, variable: str, labels: tuple[str, ...]
) -> tree.RemoveLabels:
    return tree.RemoveLabels(position, variable, labels)


def delete(_source: Source, position: int, items: tuple[tree.Expr, ...]) -> tree.Delete:
    return tree.Delete(position, items)


def detach_delete(_source: Source, position: int, items: tuple[tree.Expr, ...]) -> tree.Delete:
    return tree.Delete(position, items, is_detach=True)


def merge(
    _source: Source, position: int, path: tree.PathPattern, *actions: tuple[str, tuple[tree.SetItem, ...]]
) -> tree.Merge:
    check_insertable(path)
    return tree.Merge(position, path, _actions(actions, "create"), _actions(actions, "match"))


def _actions(actions: Sequence[tuple[str, tuple[tree.SetItem, ...]]], kind: str) -> tuple[tree.SetItem, ...]:
    return tuple([item for when, items in actions if when == kind for item in items])


def on_create(
    _source: Source, _position: int, items: tuple[tree.SetItem, ...]
) -> tuple[str, tuple[tree.SetItem, ...]]:
    return "create", items


def on_match(
    _source: Source, _position: int, items: tuple[tree.SetItem, ...]
) -> tuple[str, tuple[tree.SetItem, ...]]:
    return "match", items


def graph_table(
    _source: Source,
    position: int,
    graph: tree.GraphReference,
    pattern: tree.GraphPattern,
    *columns: tree.ReturnItem,
) -> tree.GraphTable:
    return tree.GraphTable(position, graph, pattern, columns)


ACTIONS: Final[dict[str, Callable[..., object]]] = {
    "program": program,
    "procedure": procedure,
    "next": next_,
    "combined": combined,
    "union": _combiner("union", False),
    "union_all": _combiner("union", True),
    "except_": _combiner("except", False),
    "except_all": _combiner("except", True),
    "intersect": _combiner("intersect", False),
    "intersect_all": _combiner("intersect", True),
    "otherwise": _combiner("otherwise", False),
    "nested": nested,
    "nested_in_graph": nested_in_graph,
    "use": use,
    "linear": linear,
    "match": match,
    "optional_match": optional_match,
    "let": let,
    "for": for_,
    "with_ordinality": with_ordinality,
    "with_offset": with_offset,
    "filter": filter_,
    "order_by": order_by,
    "offset": offset,
    "limit": limit,
    "sort_item": sort_item,
    "ascending": no,
    "descending": yes,
    "nulls_first": nulls_first,
    "nulls_last": nulls_last,
    "yes": yes,
    "no": no,
    "nothing": nothing,
    "distinct": yes,
    "all": no,
    "star": nothing,
    "return_": return_,
    "return_item": return_item,
    "column": return_item,
    "finish": finish,
    "yield_item": yield_item,
    "call_inline": _call_inline(False),
    "optional_call_inline": _call_inline(True),
    "call_named": _call_named(False),
    "optional_call_named": _call_named(True),
    "scope": scope,
    "insert": insert,
    "set": set_,
    "set_property": set_property,
    "set_all": set_all,
    "set_added": set_added,
    "set_labels": set_labels,
    "remove": remove,
    "remove_property": remove_property,
    "remove_labels": remove_labels,
    "delete": delete,
    "detach_delete": detach_delete,
    "merge": merge,
    "on_create": on_create,
    "on_match": on_match,
    "graph_table": graph_table,
}
