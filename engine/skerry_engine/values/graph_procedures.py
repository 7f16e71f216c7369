"""The procedures over whole graphs, as far as binding their calls needs to know them; plan/procedures.py runs them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from skerry_engine.values import oids


@dataclass(frozen=True, slots=True)
class Option:
    """What may stand in the record of options: its type (TEXT, FLOAT8, INT8, BOOL) and what it is otherwise."""

    type_oid: int
    default: object = None


@dataclass(frozen=True, slots=True)
class Procedure:
    """A procedure: what it is given, what it gives.  `algorithm` is a function of graph_algorithms.  `weighs` says that
    its last parameter is the name of the edges' property that it goes by."""

    name: str
    parameters: tuple[tuple[str, int], ...]
    columns: tuple[tuple[str, int], ...]
    algorithm: str
    options: dict[str, Option]
    weighs: bool = False


_EVERYWHERE: Final = {"node_label": Option(oids.TEXT), "edge_label": Option(oids.TEXT)}
_NODE: Final = ("node", oids.NODE)

PROCEDURES: Final = {
    each.name: each
    for each in (
        Procedure(
            "degree",
            (),
            (_NODE, ("in_degree", oids.INT8), ("out_degree", oids.INT8), ("degree", oids.INT8)),
            "degree",
            _EVERYWHERE,
        ),
        Procedure(
            "pagerank",
            (),
            (_NODE, ("score", oids.FLOAT8)),
            "pagerank",
            {
                **_EVERYWHERE,
                "damping": Option(oids.FLOAT8, 0.85),
                "iterations": Option(oids.INT8, 100),
                "tolerance": Option(oids.FLOAT8, 1e-6),
            },
        ),
        Procedure(
            "connected_components",
            (),
            (_NODE, ("component", oids.INT8)),
            "connected_components",
            {**_EVERYWHERE, "strong": Option(oids.BOOL, False)},
        ),
        Procedure("triangle_count", (), (_NODE, ("triangles", oids.INT8)), "triangle_count", _EVERYWHERE),
        Procedure(
            "distances",
            (("from", oids.NODE), ("weight", oids.TEXT)),
            (_NODE, ("distance", oids.FLOAT8)),
            "distances",
            {**_EVERYWHERE, "directed": Option(oids.BOOL, True), "default_weight": Option(oids.FLOAT8)},
            True,
        ),
        Procedure(
            "weighted_shortest_path",
            (("from", oids.NODE), ("to", oids.NODE), ("weight", oids.TEXT)),
            (("path", oids.PATH), ("distance", oids.FLOAT8)),
            "weighted_shortest_path",
            {**_EVERYWHERE, "directed": Option(oids.BOOL, True), "default_weight": Option(oids.FLOAT8)},
            True,
        ),
    )
}
"""By name."""
