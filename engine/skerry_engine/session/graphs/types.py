"""Graph types: from the written element types to `ElementTypes`.

    {(p:Person {name STRING NOT NULL}), (p)-[:KNOWS {since DATE}]->(p), CONSTRAINT FOR (q:Person) REQUIRE q.name IS KEY}

A node type is known by its labels: an edge type's end that is written out names the node type with these labels, which
need not have been written before.  A node type that has a name and no labels has its name for a label.
"""

from __future__ import annotations

from collections.abc import Iterable

from skerry_engine import errors
from skerry_engine.catalog.graphs import (
    EdgeType,
    ElementRule,
    ElementTypes,
    NodeType,
    PropertyType,
)
from skerry_engine.gql import tree
from skerry_engine.gql.binder.value_types import property_type
from skerry_engine.values import oids

RULES = {"unique": "u", "key": "k", "not null": "n"}


def element_types(written: tree.ListedType) -> ElementTypes:
    """What the list says.  Raises DuplicateObject, DuplicateColumn, UndefinedObject, NotSupportedError."""
    making = _Making()
    for element in written.elements:
        if isinstance(element, tree.NodeType):
            making.add_node(element)
    for element in written.elements:
        if isinstance(element, tree.EdgeType):
            making.add_edge(element)
    for element in written.elements:
        if isinstance(element, tree.ConstraintType):
            making.add_rule(element)
    return ElementTypes(tuple(making.nodes), tuple(making.edges), tuple(making.rules))


class _Making:
    """Types that are being gathered."""

    def __init__(self) -> None:
        self.nodes: list[NodeType] = []
        self.edges: list[EdgeType] = []
        self.rules: list[ElementRule] = []
        self._by_name: dict[str, int] = {}

    # --- nodes ----------------------------------------

    def add_node(self, written: tree.NodeType) -> None:
        labels = _labels(written.filler) or ((written.name,) if written.name else ())
        if any(each.labels == labels for each in self.nodes):
            raise errors.DuplicateObject(
                f"node type {shown_labels(labels)} specified more than once", position=written.position
            )
        number = self._put_node(
            NodeType(written.alias or written.name or "", labels, _properties(written.filler))
        )
        for name in dict.fromkeys((written.alias, written.name)):
            if name is None:
                continue
            if name in self._by_name:
                raise errors.DuplicateObject(
                    f'node type "{name}" specified more than once', position=written.position
                )
            self._by_name[name] = number
        self._add_unique(labels, written.filler, False)

    def _put_node(self, node: NodeType) -> int:
        self.nodes.append(node)
        return len(self.nodes) - 1

    def _end(self, written: tree.Endpoint) -> int:
        """The number of the node type at an edge's end."""
        if written.filler is None:
            number = self._by_name.get(written.alias or "")
            if number is None:
                raise errors.UndefinedObject(
                    f'node type "{written.alias}" does not exist', position=written.position
                )
            return number
        labels = _labels(written.filler)
        for number, node in enumerate(self.nodes):
            if node.labels == labels:
                return number
        return self._put_node(NodeType(written.alias or "", labels, _properties(written.filler)))

    # --- edges ----------------------------------------

    def add_edge(self, written: tree.EdgeType) -> None:
        labels = _labels(written.filler) or ((written.name,) if written.name else ())
        ends = (self._end(written.source), self._end(written.target))
        made = EdgeType(written.name or "", labels, *ends, _properties(written.filler), written.is_directed)
        if any(_are_alike(each, made) for each in self.edges):
            raise errors.DuplicateObject(
                f"edge type {shown_labels(labels)} specified more than once", position=written.position
            )
        self.edges.append(made)
        self._add_unique(labels, written.filler, True)

    # --- rules ----------------------------------------

    def _add_unique(self, labels: tuple[str, ...], filler: tree.ElementFiller, of_edges: bool) -> None:
        for each in filler.properties:
            if not each.is_unique:
                continue
            if len(labels) != 1:
                raise errors.NotSupportedError(
                    "UNIQUE is supported in types with one label",
                    hint="Use CREATE CONSTRAINT.",
                    position=each.position,
                )
            self.rules.append(ElementRule("", "u", of_edges, labels[0], (each.name,)))

    def add_rule(self, written: tree.ConstraintType) -> None:
        rule = rule_of(written)
        check_known(ElementTypes(tuple(self.nodes), tuple(self.edges)), rule, written.position)
        self.rules.append(rule)


def _are_alike(one: EdgeType, other: EdgeType) -> bool:
    """Whether an edge could be of either type by its labels and ends."""
    ends = (one.source, one.target)
    others = (other.source, other.target)
    if (one.labels, one.is_directed) != (other.labels, other.is_directed):
        return False
    return ends == others or (not one.is_directed and ends == others[::-1])


def rule_of(written: tree.ConstraintType) -> ElementRule:
    """A written constraint.  Raises NotSupportedError, DuplicateColumn."""
    kind = RULES.get(written.kind)
    if kind is None:
        raise errors.NotSupportedError(
            f"constraints that say {written.kind} are not supported",
            hint="A graph type tells the types of properties.",
            position=written.position,
        )
    refuse_repeated(written.properties, written.position)
    return ElementRule(written.name or "", kind, written.is_edge, written.label, written.properties)


def check_known(elements: ElementTypes | None, rule: ElementRule, position: int | None) -> None:
    """Raise UndefinedObject for a label or a property that no element of a closed graph can have."""
    if elements is None or not rule.label:
        return
    what = "edge" if rule.of_edges else "node"
    types = [each for each in elements.types(rule.of_edges) if rule.label in each.labels]
    if not types:
        raise errors.UndefinedObject(f'no {what} type has the label "{rule.label}"', position=position)
    for name in rule.properties:
        if not any(each.property_named(name) for each in types):
            raise errors.UndefinedObject(
                f'no {what} type with the label "{rule.label}" has a property "{name}"', position=position
            )


def refuse_repeated(names: Iterable[str], position: int | None) -> None:
    """Raise DuplicateColumn when a property is named twice."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise errors.DuplicateColumn(f'property "{name}" specified more than once', position=position)
        seen.add(name)


# --- parts ------------------------------------------------------------------------------------------------------


def _labels(filler: tree.ElementFiller) -> tuple[str, ...]:
    return tuple(sorted({*(filler.key_labels or ()), *filler.labels}))


def _properties(filler: tree.ElementFiller) -> tuple[PropertyType, ...]:
    refuse_repeated([each.name for each in filler.properties], filler.position)
    return tuple(_property(each) for each in filler.properties)


def _property(written: tree.PropertyType) -> PropertyType:
    found = property_type(written.type)
    if found.oid in oids.REFERENCES or found.oid == oids.UNKNOWN:
        raise errors.InvalidObjectDefinition(
            f'property "{written.name}" cannot hold elements of graphs, nor nothing at all',
            position=written.position,
        )
    return PropertyType(written.name, found, bool(getattr(written.type, "not_null", False)))


def shown_labels(labels: Iterable[str]) -> str:
    """Labels as a pattern has them: `:City&Capital`, or words where there are none."""
    found = "&".join(labels)
    return f":{found}" if found else "without labels"
