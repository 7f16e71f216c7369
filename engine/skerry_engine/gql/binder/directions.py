"""Which edges an edge pattern matches, and which way it walks them (§16.7).

    written                              directed edges     undirected edges
    <-[ ]-    <-     left                backwards          not
    ~[ ]~     ~      undirected          not                either way
     -[ ]->   ->     right               forwards           not
    <~[ ]~    <~     left or undirected  backwards          either way
    ~[ ]~>    ~>     undirected or right forwards           either way
    <-[ ]->   <->    left or right       either way         not
     -[ ]-    -      any                 either way         either way

An undirected edge has a source and a target, too: how its row names its two ends.  So what a pattern asks is one of
`left`, `right` and `both` of the rows, and something of their shapes: that an edge is directed, or is not, or, where
directed edges have one way and the others two, that it is undirected *or* is walked this way.

In graphs without undirected edges nothing is asked: `<~[ ]~` is `<-[ ]-`, and `~[ ]~` matches nothing.  Graphs over
tables have none at all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final

from skerry_engine.algebra import expressions as ex
from skerry_engine.algebra import labels as lb
from skerry_engine.gql import tree
from skerry_engine.gql.binder.context import BOOL

if TYPE_CHECKING:
    from skerry_engine.gql.binder.sources import ElementSource, Reference

DIRECTED: Final = lb.Directed()
NOT_DIRECTED: Final = lb.NotLabel(DIRECTED)


@dataclass(frozen=True, slots=True)
class Walk:
    """What a direction asks of edges.

    `way` is how rows are walked: 'left', 'right', 'both'.  `asked` is what holds for their shapes, None for nothing.
    With `directed_way` ('left', 'right') directed edges are walked that way only.  `is_empty`: nothing can match.
    """

    way: str
    asked: lb.LabelFormula | None = None
    directed_way: str = ""
    is_empty: bool = False

    def with_labels(self, labels: lb.LabelFormula | None) -> lb.LabelFormula | None:
        """What is asked of an edge together with its labels: one look at its shape answers both."""
        if self.asked is None or labels is None:
            return labels if self.asked is None else self.asked
        return lb.AllOf((labels, self.asked))


_MIXED: Final = {
    "left": Walk("left", DIRECTED),
    "undirected": Walk("both", NOT_DIRECTED),
    "right": Walk("right", DIRECTED),
    "left or undirected": Walk("both", None, "left"),
    "undirected or right": Walk("both", None, "right"),
    "left or right": Walk("both", DIRECTED),
    "any": Walk("both"),
}
_ALL_DIRECTED: Final = {
    "left": Walk("left"),
    "undirected": Walk("right", is_empty=True),
    "right": Walk("right"),
    "left or undirected": Walk("left"),
    "undirected or right": Walk("right"),
    "left or right": Walk("both"),
    "any": Walk("both"),
}


def walk_of(direction: str, source: ElementSource) -> Walk:
    """How a pattern of that direction (`tree.EdgePattern.direction`) walks the graph's edges."""
    if direction == "any":
        return _MIXED[direction]
    return (_MIXED if source.has_undirected() else _ALL_DIRECTED)[direction]


def makes_undirected(node: object) -> bool:
    """Whether a tree has an INSERT or a MERGE of undirected edges in it."""
    if isinstance(node, (tree.Insert, tree.Merge)):
        paths = node.paths if isinstance(node, tree.Insert) else (node.path,)
        items = [path.item.items if isinstance(path.item, tree.Concatenation) else () for path in paths]
        edges = (each for path in items for each in path if isinstance(each, tree.EdgePattern))
        return any(edge.direction == "undirected" for edge in edges)
    if isinstance(node, tuple):
        return any(map(makes_undirected, node))
    return isinstance(node, tree.Node) and any(makes_undirected(getattr(node, f.name)) for f in fields(node))


def way_conditions(
    walk: Walk,
    start: Reference,
    ends: tuple[Reference, Reference],
    has_labels: Callable[[lb.LabelFormula], ex.Expr],
) -> list[ex.Expr]:
    """What a direction asks of an edge beyond `walk.asked`.

    `start` is where it is walked from, `ends` are its source and target, `has_labels` asks for its shape.
    """
    from skerry_engine.gql.binder.sources import same_element

    if walk.is_empty:
        return [ex.Const(BOOL, False)]
    if not walk.directed_way:
        return []
    begins = same_element(start, ends[0] if walk.directed_way == "right" else ends[1])
    return [ex.Or(BOOL, (has_labels(NOT_DIRECTED), begins))]
