"""Path patterns that are searched for: quantifiers, alternatives, selectors, modes (§16.6, §16.7, §16.11)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skerry_engine import errors
from skerry_engine.gql import tree

if TYPE_CHECKING:
    from skerry_engine.gql.binder.patterns import PatternBinder


def is_fixed(item: tree.PathItem, prefix: tree.PathPrefix | None) -> bool:
    """Whether the pattern's matches are the rows of a join: nodes and edges one after the other, all of them wanted."""
    if prefix is not None and prefix.selector not in (None, "all"):
        return False
    parts = item.items if isinstance(item, tree.Concatenation) else (item,)
    return all(isinstance(part, (tree.NodePattern, tree.EdgePattern)) for part in parts)


class SearchBinder:
    """Binds one path pattern that is searched for."""

    def __init__(self, patterns: PatternBinder, different_edges: bool) -> None:
        self.patterns = patterns
        self.different_edges = different_edges

    def search(self, path: tree.PathPattern, prefix: tree.PathPrefix | None) -> None:
        raise errors.NotSupportedError("this path pattern is not supported yet", position=path.position)
