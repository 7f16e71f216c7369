"""Patterns of GQL's syntax trees.  See tree.py."""

from __future__ import annotations

from dataclasses import dataclass

from skerry_engine.gql.tree_values import Expr, Field, Label, Node

# --- patterns (§16.4 to §16.7) --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PathItem(Node):
    """Base of what a path pattern is made of."""


@dataclass(frozen=True, slots=True)
class NodePattern(PathItem):
    """(variable:label {properties} WHERE where): each part may be missing."""

    variable: str | None = None
    label: Label | None = None
    properties: tuple[Field, ...] = ()
    where: Expr | None = None


@dataclass(frozen=True, slots=True)
class EdgePattern(PathItem):
    """An edge pattern, full or abbreviated.  `direction`:

    'left'                  <-[ ]-    <-          'left or undirected'    <~[ ]~    <~
    'right'                  -[ ]->   ->          'undirected or right'    ~[ ]~>   ~>
    'undirected'             ~[ ]~    ~           'left or right'         <-[ ]->   <->
    'any'                    -[ ]-    -
    """

    direction: str
    variable: str | None = None
    label: Label | None = None
    properties: tuple[Field, ...] = ()
    where: Expr | None = None


@dataclass(frozen=True, slots=True)
class Subpath(PathItem):
    """A path pattern in brackets: (variable = MODE item WHERE where); `mode` as in PathPrefix, None when not said."""

    item: PathItem
    variable: str | None = None
    mode: str | None = None
    where: Expr | None = None


@dataclass(frozen=True, slots=True)
class Quantified(PathItem):
    """item{lower,upper} (§16.11): `*` is 0 to None, `+` 1 to None, {n} n to n; `upper` None: no bound.
    `item` is an EdgePattern or a Subpath.  Variables inside become lists."""

    item: PathItem
    lower: int
    upper: int | None


@dataclass(frozen=True, slots=True)
class Questioned(PathItem):
    """item?: once or not at all; variables inside stay single and may be null."""

    item: PathItem


@dataclass(frozen=True, slots=True)
class Concatenation(PathItem):
    """Two or more items one after the other; none of them is a Concatenation.

    Two edges side by side have an anonymous node between them, and two nodes are the same node (§16.7).
    """

    items: tuple[PathItem, ...]


@dataclass(frozen=True, slots=True)
class PathUnion(PathItem):
    """Two or more alternatives: a | b without duplicates, a |+| b (`is_multiset`) with them."""

    items: tuple[PathItem, ...]
    is_multiset: bool = False


@dataclass(frozen=True, slots=True)
class PathPrefix(Node):
    """What paths are sought and which are kept (§16.6).

    `mode`: 'walk', 'trail', 'acyclic', 'simple', or None.  `selector`: 'all', 'any' (ANY [k]), 'all shortest',
    'any shortest', 'shortest' (SHORTEST k), 'shortest groups' (SHORTEST [k] GROUPS), or None.
    `count` is k, an integer literal or parameter; None where none was written.
    """

    mode: str | None = None
    selector: str | None = None
    count: Expr | None = None


@dataclass(frozen=True, slots=True)
class PathPattern(Node):
    """variable = prefix item."""

    variable: str | None
    prefix: PathPrefix | None
    item: PathItem


@dataclass(frozen=True, slots=True)
class GraphPattern(Node):
    """What MATCH seeks.  `match_mode`: 'different edges', 'repeatable elements', or None.  `keep`: KEEP's prefix.
    `yields`: the variables behind YIELD; None without one."""

    paths: tuple[PathPattern, ...]
    match_mode: str | None = None
    keep: PathPrefix | None = None
    where: Expr | None = None
    yields: tuple[str, ...] | None = None
