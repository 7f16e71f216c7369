"""A label of a native graph as SQL sees it: a view, with a row for each element that has the label.

    SELECT name, age FROM social."Person"        id, then the properties that such nodes have or are declared to have
    SELECT source, target FROM social."KNOWS"    id, source, target, then the properties

The graph's name stands where a schema's would.  Where nodes and edges have the same label the view shows nodes.  The
columns are those of the elements that there have been so far: a plan rests on that as it does on a property's type.
"""

from __future__ import annotations

from skerry_engine.algebra import expressions as ex
from skerry_engine.algebra import labels as lb
from skerry_engine.algebra import queries as q
from skerry_engine.catalog.graphs import EdgeType, ElementTable, Graph, NodeType
from skerry_engine.gql.binder.context import GqlContext
from skerry_engine.gql.binder.sources import NativeElement, NativeSource
from skerry_engine.storage.shapes import ANY_PROPERTY

ENDS = ("source", "target")


def bind_label_view(context: GqlContext, graph: Graph, label: str) -> q.Query | None:
    """The query whose rows the view has; None where no element of the graph has, or is declared to have, the label."""
    source = NativeSource(graph, context)
    for each in (source.nodes, source.edges):
        context.rely_on(each.oid, ANY_PROPERTY)
    table = next((each for each in (source.nodes, source.edges) if _has_label(source, each, label)), None)
    if table is None:
        return None
    context.note_graph(graph)
    formula = lb.Label(label)
    placed = source.edge(formula, "right", label) if table.is_edges else source.node(formula, label)
    found = _columns(source, placed.knowing(formula), label)
    columns = tuple(q.OutputColumn(name, expr.type) for name, expr in found)
    rows = q.Filter(placed.relation, placed.has_labels(formula))
    return q.Select(columns, rows, tuple(expr for _, expr in found))


def _has_label(source: NativeSource, table: ElementTable, label: str) -> bool:
    if label in source.context.registry(table.oid).labels():
        return True
    return bool(_declared(source, table, label))


def _declared(source: NativeSource, table: ElementTable, label: str) -> list[NodeType | EdgeType]:
    """The types of a closed graph's elements that have the label."""
    types = source.types
    kinds = () if types is None else types.edges if table.is_edges else types.nodes
    return [kind for kind in kinds if label in kind.labels]


def _columns(source: NativeSource, element: NativeElement, label: str) -> list[tuple[str, ex.Expr]]:
    found: list[tuple[str, ex.Expr]] = [("id", element.reference[0])]
    if element.is_edge:
        found += zip(ENDS, (*element.start, *element.end), strict=True)
    for name in _property_names(source, element, label):
        found.append((name, element.property(name, None)))
    return found


def _property_names(source: NativeSource, element: NativeElement, label: str) -> list[str]:
    """Those that are declared, in their order, then those that elements have, in the order in which they came."""
    kinds = _declared(source, element.table, label)
    declared = [each.name for kind in kinds for each in kind.properties]
    registry = source.context.registry(element.table.oid)
    return list(dict.fromkeys([*declared, *registry.property_names(lambda labels: label in labels)]))
