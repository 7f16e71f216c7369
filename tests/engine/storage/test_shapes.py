"""The registry of shapes: ids that never change their meaning, facts about properties, and what is kept."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skerry_engine.errors import DatabaseDamaged, SerializationFailure
from skerry_engine.storage.row_codec import pack, unpack
from skerry_engine.storage.shapes import (
    ABSENT,
    EDGE_VALUES,
    NODE_VALUES,
    UNDIRECTED,
    PropertySlots,
    Shape,
    ShapeJournal,
    ShapeRegistry,
    ShapesFitting,
    TypedSlots,
)
from skerry_engine.txn.records import pack_shapes, unpack_shapes
from skerry_engine.values import oids

LABELS = st.frozensets(st.sampled_from(("Person", "City", "Robot")))
PROPERTIES = st.lists(
    st.tuples(st.sampled_from(("name", "age", "size")), st.sampled_from((oids.TEXT, oids.INT8))),
    unique_by=lambda item: item[0],
)
SHAPES = st.lists(st.tuples(LABELS, PROPERTIES))


def add(
    registry: ShapeRegistry,
    labels: frozenset[str],
    properties: list[tuple[str, int]],
    is_directed: bool = True,
) -> Shape:
    names = tuple(name for name, _ in properties)
    return registry.shape(labels, names, tuple(type_oid for _, type_oid in properties), is_directed)


@settings(deadline=None)
@given(SHAPES, st.sampled_from((NODE_VALUES, EDGE_VALUES)))
def test_equal_shapes_have_one_id_and_different_ones_their_own(
    given_shapes: list[tuple[frozenset[str], list[tuple[str, int]]]], first: int
) -> None:
    registry = ShapeRegistry(1, first)
    found = [
        (labels, tuple(properties), add(registry, labels, properties)) for labels, properties in given_shapes
    ]
    for labels, properties, shape in found:
        assert shape.labels == labels and tuple(zip(shape.names, shape.types, strict=True)) == properties
        assert registry.by_id(shape.id) is shape
        assert [registry.position(shape.id, name) for name, _ in properties] == [
            first + number for number in range(len(properties))
        ]
    assert len({(labels, properties) for labels, properties, _ in found}) == len(registry.shapes())
    assert [shape.id for shape in registry.shapes()] == list(range(1, len(registry.shapes()) + 1))


@settings(deadline=None)
@given(SHAPES)
def test_facts_agree_with_a_walk_over_all_shapes(
    given_shapes: list[tuple[frozenset[str], list[tuple[str, int]]]],
) -> None:
    registry = ShapeRegistry(1, NODE_VALUES)
    for labels, properties in given_shapes:
        add(registry, labels, properties)
    shapes = registry.shapes()
    for name in ("name", "age", "size", "other"):
        for fits in (None, lambda labels: "Person" in labels, lambda labels: not labels):
            expected = {
                s.type_of(name) for s in shapes if name in s.names and (fits is None or fits(s.labels))
            }
            assert registry.property_types(name, fits) == expected
            names = [n for s in shapes if fits is None or fits(s.labels) for n in s.names]
            assert set(registry.property_names(fits)) == set(names)
    assert set(registry.labels()) == {label for s in shapes for label in s.labels}
    assert registry.fitting(lambda shape: "City" in shape.labels) == tuple(
        s.id for s in shapes if "City" in s.labels
    )


@settings(deadline=None)
@given(SHAPES)
def test_a_property_has_another_version_whenever_its_facts_change(
    given_shapes: list[tuple[frozenset[str], list[tuple[str, int]]]],
) -> None:
    registry = ShapeRegistry(1, NODE_VALUES)
    seen = []
    for labels, properties in [(frozenset[str](), []), *given_shapes]:
        add(registry, labels, properties)
        by_labels = {s.labels: None for s in registry.shapes()}
        facts = {
            each: registry.property_types("age", lambda labels, each=each: labels == each)  # type: ignore[misc]
            for each in by_labels
            if registry.property_types("age", lambda labels, each=each: labels == each)  # type: ignore[misc]
        }
        seen.append((registry.property_version("age"), facts))
    for (version, facts), (later, changed) in pairwise(seen):
        assert (later > version) == (facts != changed)


@settings(deadline=None)
@given(st.lists(st.tuples(LABELS, PROPERTIES, st.booleans())))
def test_what_is_kept_makes_the_same_registry_again(
    given_shapes: list[tuple[frozenset[str], list[tuple[str, int]], bool]],
) -> None:
    journal = ShapeJournal()
    journal.is_read = True
    registry = ShapeRegistry(7, EDGE_VALUES, journal)
    for labels, properties, is_directed in given_shapes:
        assert add(registry, labels, properties, is_directed).is_directed == is_directed
    assert journal.pending == list(registry.records())
    again, copy = ShapeRegistry(7, EDGE_VALUES), ShapeRegistry(8, EDGE_VALUES)
    for record in [*unpack_shapes(pack_shapes(journal.pending)), *journal.pending[:2]]:
        again.restore(record)
    copy.copy_from(registry)
    assert again.shapes() == copy.shapes() == registry.shapes()
    has_undirected = not all(is_directed for _, _, is_directed in given_shapes)
    assert again.has_undirected == copy.has_undirected == registry.has_undirected == has_undirected
    assert [r.property_version(UNDIRECTED) for r in (again, registry)] == [has_undirected] * 2


def test_shapes_are_written_as_ever_unless_they_are_undirected() -> None:
    """Directories of before there were undirected edges are read; theirs cannot be told from new ones without any."""
    directed = (7, 1, ("KNOWS",), ("since",), (oids.INT8,), True)
    undirected = (7, 2, ("KNOWS",), (), (), False)
    body = pack_shapes([directed, undirected])
    assert unpack(body) == (directed[:-1], undirected)
    assert unpack_shapes(body) == (directed, undirected)
    assert unpack_shapes(pack([[7, 1, ["KNOWS"], ["since"], [oids.INT8]]])) == (directed,)
    for odd in ([7, 1, [], [], [], True], [7, 1, [], [], [], False, False], [7, 1, [], [], [], 0]):
        with pytest.raises(ValueError, match="more than it can have"):
            unpack_shapes(pack([odd]))


def test_what_does_not_fit_the_shapes_that_are_there_is_damage() -> None:
    registry = ShapeRegistry(7, NODE_VALUES)
    registry.restore((7, 1, ("Person",), ("name",), (oids.TEXT,), True))
    with pytest.raises(DatabaseDamaged, match="shape 1 of storage 7 does not fit"):
        registry.restore((7, 1, ("City",), ("name",), (oids.TEXT,), True))
    with pytest.raises(DatabaseDamaged, match="shape 3 of storage 7 does not fit"):
        registry.restore((7, 3, ("City",), (), (), True))
    with pytest.raises(DatabaseDamaged, match="does not fit"):
        registry.restore((7, 2, (), ("name", "name"), (oids.TEXT, oids.TEXT), True))
    with pytest.raises(DatabaseDamaged, match="does not fit"):
        registry.restore((7, 2, (), (), (), False))  # a node without a direction
    for unknown in (0, -2, 2, None, "1", True):
        with pytest.raises(DatabaseDamaged, match="which there is not"):
            registry.by_id(unknown)


def test_dictionaries_for_generated_code_fill_themselves_as_shapes_come() -> None:
    registry = ShapeRegistry(1, NODE_VALUES)
    slots, typed = PropertySlots(registry, "age"), TypedSlots(registry, "age")
    people = ShapesFitting(registry, lambda shape: "Person" in shape.labels)
    ada = registry.shape(frozenset(("Person",)), ("name", "age"), (oids.TEXT, oids.INT8))
    city = registry.shape(frozenset(("City",)), ("name",), (oids.TEXT,))
    assert (slots[ada.id], slots[city.id]) == (2, ABSENT)
    assert (typed[ada.id], typed[city.id]) == ((2, oids.INT8), (ABSENT, 0))
    assert people[ada.id] is True and people[city.id] is False
    robot = registry.shape(frozenset(("Robot", "Person")), ("age",), (oids.TEXT,))
    assert slots[robot.id] == 1 and typed[robot.id] == (1, oids.TEXT) and people[robot.id]
    with pytest.raises(DatabaseDamaged):
        slots[99]


def test_a_reader_that_counts_on_a_type_is_told_of_another() -> None:
    registry = ShapeRegistry(1, NODE_VALUES)
    counting_on = PropertySlots(registry, "age", oids.INT8)
    fine = registry.shape(frozenset(), ("age",), (oids.INT8,))
    without = registry.shape(frozenset(), (), ())
    other = registry.shape(frozenset(), ("age",), (oids.TEXT,))
    assert (counting_on[fine.id], counting_on[without.id]) == (1, ABSENT)
    with pytest.raises(SerializationFailure, match="what is known of a property"):
        counting_on[other.id]
