"""Path patterns: what a path has to be made of, as a regular expression over *segments*.

A segment is a stretch of fixed shape, node, edge, node, ..., matched by a relation of its own.  What varies (how
often, which of several, with which restriction) is put together of segments:

    MATCH ANY SHORTEST (a) ((x)-[e]->(y) WHERE e.w > 1){2,} (m:Hub) -[f]->{0,3} (b)

    Sequence( Repeat( Segment x e y, 2, None ),  Segment m,  Repeat( Segment () f (), 0, 3 ) )

Where two parts of a sequence meet they share a node: the last of one is the first of the next.  A segment of one
node has no edges and only tests where the path has come to.

A match is a path, with a note at each of its elements of the variables bound there.  Two ways to read a pattern that
give the same path with the same notes are one match (`|`, `{1,2}` twice in a row); only `|+|` keeps its alternatives
apart.  So variables have numbers here, and an element may have several.

    variable            element pattern          what the search gives for it
    --------            ---------------          ----------------------------
    singleton           outside of quantifiers   'element', 'reference': of the one place where it is bound
    conditional         under `?`, in some       the same, NULL where the match does not bind it
                        branches of `|`
    group               inside of quantifiers    'list': of all places, in the path's order

Which direction to search in, from which end, and how far to keep paths apart is no business of the pattern: a segment
can be walked from either end, for it says what both its ends are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from skerry_engine.values.types import SqlType

if TYPE_CHECKING:
    from skerry_engine.algebra.expressions import Expr
    from skerry_engine.algebra.queries import Relation

MODES = ("walk", "trail", "acyclic", "simple")
"""Restrictions of a path: none; no edge twice; no node twice; no node twice but the first as the last."""

OUTPUT_KINDS = (
    "start", "end", "length", "path", "edges", "element", "reference", "list", "subpath", "subpaths"
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class PathPart:
    """Base of what a path pattern is made of."""


@dataclass(frozen=True, slots=True)
class PathElement:
    """A node or an edge of a segment, over the ranges of the segment's relation.

    `reference` tells it from all other elements of its kind: by its row id (type INT8) where all of them are in one
    table, else by the table's OID (a constant) and the row id; the same everywhere in the pattern, for nodes and for
    edges each.  `variables` are the numbers of those bound to it.
    """

    is_edge: bool
    reference: tuple[Expr, ...]
    variables: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class PathSegment(PathPart):
    """A stretch of fixed shape: the rows of `source`, each of which is `elements` (node, edge, node, ..., first and
    last a node).  All conditions that concern nothing else are in `source`; it may refer to ranges outside."""

    source: Relation
    elements: tuple[PathElement, ...]


@dataclass(frozen=True, slots=True)
class PathSequence(PathPart):
    """One part after the other (at least one)."""

    parts: tuple[PathPart, ...]


@dataclass(frozen=True, slots=True)
class PathChoice(PathPart):
    """Any of the parts.  kind: 'union', `|`; 'multiset', `|+|`: what two of them match is matched twice; 'disjoint':
    no two of them match the same, so that nobody needs to look (an edge in either direction)."""

    parts: tuple[PathPart, ...]
    kind: str = "union"


@dataclass(frozen=True, slots=True)
class PathRepeat(PathPart):
    """The part `least` to `most` times in a row; `most` is None where there is no limit.

    What the part matches has at least one edge, unless `most` is 1.
    """

    part: PathPart
    least: int
    most: int | None


@dataclass(frozen=True, slots=True)
class PathGroup(PathPart):
    """A parenthesised part, where the parentheses mean something.

    `mode` restricts what it matches, each time on its own; each of the variables `joined` means the same element
    wherever it is bound in it; `condition` must be true of it, over the columns `outputs` of range `range_id` (as a
    search's, of this part of the path alone).
    """

    part: PathPart
    mode: str = "walk"
    joined: tuple[int, ...] = ()
    condition: Expr | None = None
    range_id: int = -1
    outputs: tuple[PathOutput, ...] = ()


@dataclass(frozen=True, slots=True)
class PathLookup:
    """How references become values: the rows of `source`, which are the elements of one table with `reference`, and as
    `value` of type NODE or EDGE.  A search carries references, and looks up those that its outputs show."""

    source: Relation
    reference: tuple[Expr, ...]
    value: Expr


@dataclass(frozen=True, slots=True)
class PathOutput:
    """A column that a search gives of each match.  kind:

    'start', 'end'  expression `part` of the reference of the first or last node
    'length'        the number of edges
    'path'          the path, of type PATH
    'edges'         the references of all edges, an array (each a tuple where it has several parts)
    'element'       the value of the element that `variable` is bound to, or NULL
    'reference'     expression `part` of its reference, or NULL
    'list'          an array of the values of all elements that `variable` is bound to, in the path's order
    'subpath'       the stretch from the node that `variable` is bound to, to the one that `last` is, of type PATH; NULL
                    where they are bound to none
    'subpaths'      an array of all such stretches, in the path's order
    """

    kind: str
    type: SqlType
    variable: int = -1
    part: int = 0
    last: int = -1


@dataclass(frozen=True, slots=True)
class PathSelector:
    """Which of the matches between the same two nodes are wanted; none: all of them.

    `count` matches, whichever, but with `shortest` no longer ones than are left out; with `by_length` all those of
    the `count` smallest lengths.  ANY is 1, ANY SHORTEST is 1 and shortest, ALL SHORTEST is 1 by length.
    """

    count: Expr
    shortest: bool = False
    by_length: bool = False


# --- what a pattern says of its matches ----------------------------------------


def shortest(part: PathPart) -> int:
    """The fewest edges that a match can have."""
    if isinstance(part, PathSegment):
        return len(part.elements) // 2
    if isinstance(part, PathSequence):
        return sum([shortest(each) for each in part.parts])
    if isinstance(part, PathChoice):
        return min([shortest(each) for each in part.parts])
    if isinstance(part, PathRepeat):
        return part.least * shortest(part.part)
    assert isinstance(part, PathGroup)
    return shortest(part.part)


def longest(part: PathPart) -> int | None:
    """The most edges that a match can have; None where there is no limit."""
    if isinstance(part, PathSegment):
        return len(part.elements) // 2
    if isinstance(part, (PathSequence, PathChoice)):
        most = [longest(each) for each in part.parts]
        known = [each for each in most if each is not None]
        if len(known) < len(most):
            return None
        return sum(known) if isinstance(part, PathSequence) else max(known)
    if isinstance(part, PathRepeat):
        inner = longest(part.part)
        return None if part.most is None or inner is None else part.most * inner
    assert isinstance(part, PathGroup)
    return longest(part.part)


def is_fixed(part: PathPart) -> bool:
    """Whether all matches have the same length."""
    return shortest(part) == longest(part)
