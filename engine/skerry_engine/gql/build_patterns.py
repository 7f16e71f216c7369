"""Builders of patterns (grammar.lark's actions): nodes, edges, paths, labels.

Simplified path patterns, -/ A|B* /->, are notation for edge patterns and become these here: each label an edge of the
default direction or the one that it names itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from skerry_engine.errors import SyntaxError
from skerry_engine.gql import tree
from skerry_engine.gql.build_expressions import _refuse_twice
from skerry_engine.gql.source import Source

_DIRECTIONS: Final = (
    "left",
    "right",
    "undirected",
    "left or undirected",
    "undirected or right",
    "left or right",
    "any",
)


class Filler:
    """What stands in the brackets of an element pattern."""

    __slots__ = ("label", "properties", "variable", "where")

    def __init__(
        self,
        variable: str | None,
        label: tree.Label | None,
        properties: tuple[tree.Field, ...],
        where: tree.Expr | None,
    ) -> None:
        self.variable = variable
        self.label = label
        self.properties = properties
        self.where = where


def filler(
    _source: Source,
    _position: int,
    variable: str | None,
    label: tree.Label | None,
    properties: tuple[tree.Field, ...] | None,
    where: tree.Expr | None,
) -> Filler:
    _refuse_twice(properties or ())
    return Filler(variable, label, properties or (), where)


def node(_source: Source, position: int, inside: Filler) -> tree.NodePattern:
    return tree.NodePattern(position, inside.variable, inside.label, inside.properties, inside.where)


def _edge(direction: str) -> Callable[[Source, int, Filler], tree.EdgePattern]:
    def build(_source: Source, position: int, inside: Filler) -> tree.EdgePattern:
        return tree.EdgePattern(
            position, direction, inside.variable, inside.label, inside.properties, inside.where
        )

    return build


def _short_edge(direction: str) -> Callable[[Source, int], tree.EdgePattern]:
    def build(_source: Source, position: int) -> tree.EdgePattern:
        return tree.EdgePattern(position, direction)

    return build


# --- paths --------------------------------------------------------------------------------------------------------


def concatenation(_source: Source, position: int, *parts: tree.PathItem) -> tree.Concatenation:
    return tree.Concatenation(position, parts)


def path_union(_source: Source, position: int, *parts: tree.PathItem) -> tree.PathUnion:
    return tree.PathUnion(position, parts)


def path_multiset(_source: Source, position: int, *parts: tree.PathItem) -> tree.PathUnion:
    return tree.PathUnion(position, parts, is_multiset=True)


def _quantified(position: int, item: object, lower: int, upper: int | None) -> object:
    if isinstance(item, Simplified):
        inner = item
        return Simplified(
            lambda default: tree.Quantified(position, _bracketed(inner.make(default)), lower, upper)
        )
    if isinstance(item, tree.NodePattern):
        raise SyntaxError("a quantifier stands behind an edge or a path in brackets", position=position)
    assert isinstance(item, tree.PathItem)
    return tree.Quantified(position, _bracketed(item), lower, upper)


def zero_or_more(_source: Source, position: int, item: object) -> object:
    return _quantified(position, item, 0, None)


def one_or_more(_source: Source, position: int, item: object) -> object:
    return _quantified(position, item, 1, None)


def times(source: Source, position: int, item: object, count: int) -> object:
    number = source.integer(count)
    return _quantified(position, item, number, number)


def between(source: Source, position: int, item: object, lower: int, upper: int) -> object:
    least, most = source.integer(lower), source.integer(upper)
    if most < least:
        raise SyntaxError(
            f"{{{least},{most}}} leaves no number: the second is the smaller one",
            position=source.tokens.starts[lower] + 1,
        )
    return _quantified(position, item, least, most)


def at_least(source: Source, position: int, item: object, lower: int) -> object:
    return _quantified(position, item, source.integer(lower), None)


def at_most(source: Source, position: int, item: object, upper: int) -> object:
    return _quantified(position, item, 0, source.integer(upper))


def questioned(_source: Source, position: int, item: object) -> object:
    if isinstance(item, Simplified):
        inner = item
        return Simplified(lambda default: tree.Questioned(position, _bracketed(inner.make(default))))
    if isinstance(item, tree.NodePattern):
        raise SyntaxError("a question mark stands behind an edge or a path in brackets", position=position)
    assert isinstance(item, tree.PathItem)
    return tree.Questioned(position, _bracketed(item))


def subpath(
    _source: Source,
    position: int,
    variable: str | None,
    mode: str | None,
    item: tree.PathItem,
    where: tree.Expr | None,
) -> tree.Subpath:
    return tree.Subpath(position, item, variable, mode, where)


def mode(source: Source, _position: int, index: int) -> str:
    return source.word(index)


def mode_prefix(_source: Source, position: int, mode: str) -> tree.PathPrefix:
    return tree.PathPrefix(position, mode)


def _selector(name: str) -> Callable[[Source, int, str | None], tree.PathPrefix]:
    def build(_source: Source, position: int, mode: str | None) -> tree.PathPrefix:
        return tree.PathPrefix(position, mode, name)

    return build


def _counted_selector(name: str) -> Callable[[Source, int, tree.Expr | None, str | None], tree.PathPrefix]:
    def build(_source: Source, position: int, count: tree.Expr | None, mode: str | None) -> tree.PathPrefix:
        return tree.PathPrefix(position, mode, name, count)

    return build


def path_pattern(
    _source: Source,
    position: int,
    variable: str | None,
    prefix: tree.PathPrefix | None,
    item: tree.PathItem,
) -> tree.PathPattern:
    return tree.PathPattern(position, variable, prefix, item)


def repeatable_elements(_source: Source, _position: int) -> str:
    return "repeatable elements"


def different_edges(_source: Source, _position: int) -> str:
    return "different edges"


def graph_pattern(
    _source: Source,
    position: int,
    match_mode: str | None,
    paths: tuple[tree.PathPattern, ...],
    keep: tree.PathPrefix | None,
    where: tree.Expr | None,
    yields: tuple[str, ...] | None,
) -> tree.GraphPattern:
    return tree.GraphPattern(position, paths, match_mode, keep, where, yields)


# --- labels -------------------------------------------------------------------------------------------------------


def label_name(_source: Source, position: int, name: str) -> tree.LabelName:
    return tree.LabelName(position, name)


def label_wildcard(_source: Source, position: int) -> tree.LabelWildcard:
    return tree.LabelWildcard(position)


def label_not(_source: Source, position: int, arg: tree.Label) -> tree.LabelNot:
    return tree.LabelNot(position, arg)


def label_and(_source: Source, position: int, *parts: tree.Label) -> tree.LabelAnd:
    return tree.LabelAnd(position, parts)


def label_or(_source: Source, position: int, *parts: tree.Label) -> tree.LabelOr:
    return tree.LabelOr(position, parts)


# --- simplified path patterns ---------------------------------------------------------------------------------------


class Simplified:
    """A part of a simplified pattern: what it is, once the default direction is known."""

    __slots__ = ("label", "make")

    def __init__(self, make: Callable[[str], tree.PathItem], label: tree.Label | None = None) -> None:
        self.make = make
        self.label = label
        """The part as a label expression, where it is no more than that."""


def _labelled(position: int, label: tree.Label) -> Simplified:
    return Simplified(lambda default: tree.EdgePattern(position, default, None, label), label)


def _bracketed(item: tree.PathItem) -> tree.PathItem:
    """What can be quantified: a single edge, or a path in brackets."""
    return item if isinstance(item, (tree.EdgePattern, tree.Subpath)) else tree.Subpath(item.position, item)


def _label_of(part: Simplified, position: int) -> tree.Label:
    if part.label is None:
        raise SyntaxError("only labels can be joined here", position=position)
    return part.label


def simple_label(_source: Source, position: int, name: str) -> Simplified:
    return _labelled(position, tree.LabelName(position, name))


def simple_not(_source: Source, position: int, part: Simplified) -> Simplified:
    return _labelled(position, tree.LabelNot(position, _label_of(part, position)))


def simple_and(_source: Source, position: int, left: Simplified, right: Simplified) -> Simplified:
    first = _label_of(left, position)
    parts = first.items if isinstance(first, tree.LabelAnd) else (first,)
    return _labelled(position, tree.LabelAnd(position, (*parts, _label_of(right, position))))


def simple_union(_source: Source, position: int, *parts: Simplified) -> Simplified:
    labels = [part.label for part in parts if part.label is not None]
    if len(labels) == len(parts):
        return _labelled(position, tree.LabelOr(position, tuple(labels)))
    return Simplified(lambda default: tree.PathUnion(position, tuple([p.make(default) for p in parts])))


def simple_multiset(_source: Source, position: int, *parts: Simplified) -> Simplified:
    return Simplified(lambda default: tree.PathUnion(position, tuple([p.make(default) for p in parts]), True))


def simple_concatenation(_source: Source, position: int, *parts: Simplified) -> Simplified:
    def make(default: str) -> tree.PathItem:
        made = [part.make(default) for part in parts]
        flat: list[tree.PathItem] = []
        for item in made:
            flat += item.items if isinstance(item, tree.Concatenation) else (item,)
        return tree.Concatenation(position, tuple(flat))

    return Simplified(make)


def simple_group(_source: Source, position: int, part: Simplified) -> Simplified:
    if part.label is not None:
        return part
    return Simplified(lambda default: _bracketed(part.make(default)))


def _simple_direction(direction: str) -> Callable[[Source, int, Simplified], Simplified]:
    def build(_source: Source, _position: int, part: Simplified) -> Simplified:
        return Simplified(lambda _default: part.make(direction))

    return build


def _simplified(direction: str) -> Callable[[Source, int, Simplified], tree.PathItem]:
    def build(_source: Source, position: int, part: Simplified) -> tree.PathItem:
        made = part.make(direction)
        if isinstance(made, (tree.Concatenation, tree.PathUnion)):
            return tree.Subpath(position, made)
        return made

    return build


ACTIONS: Final[dict[str, Callable[..., object]]] = {
    "filler": filler,
    "node": node,
    "concatenation": concatenation,
    "path_union": path_union,
    "path_multiset": path_multiset,
    "zero_or_more": zero_or_more,
    "one_or_more": one_or_more,
    "times": times,
    "between": between,
    "at_least": at_least,
    "at_most": at_most,
    "questioned": questioned,
    "subpath": subpath,
    "mode": mode,
    "mode_prefix": mode_prefix,
    "all_paths": _selector("all"),
    "all_shortest": _selector("all shortest"),
    "any_shortest": _selector("any shortest"),
    "any_paths": _counted_selector("any"),
    "shortest": _counted_selector("shortest"),
    "shortest_groups": _counted_selector("shortest groups"),
    "path_pattern": path_pattern,
    "repeatable_elements": repeatable_elements,
    "different_edges": different_edges,
    "graph_pattern": graph_pattern,
    "label_name": label_name,
    "label_wildcard": label_wildcard,
    "label_not": label_not,
    "label_and": label_and,
    "label_or": label_or,
    "simple_label": simple_label,
    "simple_not": simple_not,
    "simple_and": simple_and,
    "simple_union": simple_union,
    "simple_multiset": simple_multiset,
    "simple_concatenation": simple_concatenation,
    "simple_group": simple_group,
    **{f"edge_{name.replace(' ', '_')}": _edge(name) for name in _DIRECTIONS},
    **{f"short_{name.replace(' ', '_')}": _short_edge(name) for name in _DIRECTIONS},
    **{f"simple_{name.replace(' ', '_')}": _simple_direction(name) for name in _DIRECTIONS},
    **{f"simplified_{name.replace(' ', '_')}": _simplified(name) for name in _DIRECTIONS},
}
