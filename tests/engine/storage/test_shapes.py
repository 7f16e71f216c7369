"""The registry of shapes: ids that never change their meaning, facts about properties, and what is kept."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skerry_engine.errors import DatabaseDamaged, SerializationFailure
from skerry_engine.storage.shapes import (
    ABSENT,
    EDGE_VALUES,
    NODE_VALUES,
    PropertySlots,
    Shape,
    ShapeJournal,
    ShapeRegistry,
    ShapesFitting,
    TypedSlots,
)
from skerry_engine.values import oids

LABELS = st.frozensets(st.sampled_from(("Person", "City", "Robot")))
PROPERTIES = st.lists(
    st.tuples(st.sampled_from(("name", "age", "size")), st.sampled_from((oids.TEXT, oids.INT8))),
    unique_by=lambda item: item[0],
)
SHAPES = st.lists(st.tuples(LABELS, PROPERTIES))


def add(registry: ShapeRegistry, labels: frozenset[str], properties: list[tuple[str, int]]) -> Shape:
    names = tuple(name for name, _ in properties)
    return registry.shape(labels, names, tuple(type_oid for _, type_oid in properties))


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
    assert registry.fitting(lambda labels: "City" in labels) == tuple(
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
@given(SHAPES)
def test_what_is_kept_makes_the_same_registry_again(
    given_shapes: list[tuple[frozenset[str], list[tuple[str, int]]]],
) -> None:
    journal = ShapeJournal()
    journal.is_read = True
    registry = ShapeRegistry(7, EDGE_VALUES, journal)
    for labels, properties in given_shapes:
        add(registry, labels, properties)
    assert journal.pending == list(registry.records())
    again, copy = ShapeRegistry(7, EDGE_VALUES), ShapeRegistry(8, EDGE_VALUES)
    for record in [*journal.pending, *journal.pending[:2]]:
        again.restore(record)
    copy.copy_from(registry)
    assert again.shapes() == copy.shapes() == registry.shapes()


def test_what_does_not_fit_the_shapes_that_are_there_is_damage() -> None:
    registry = ShapeRegistry(7, NODE_VALUES)
    registry.restore((7, 1, ("Person",), ("name",), (oids.TEXT,)))
    with pytest.raises(DatabaseDamaged, match="shape 1 of storage 7 does not fit"):
        registry.restore((7, 1, ("City",), ("name",), (oids.TEXT,)))
    with pytest.raises(DatabaseDamaged, match="shape 3 of storage 7 does not fit"):
        registry.restore((7, 3, ("City",), (), ()))
    with pytest.raises(DatabaseDamaged, match="does not fit"):
        registry.restore((7, 2, (), ("name", "name"), (oids.TEXT, oids.TEXT)))
    for unknown in (0, -1, 2, None, "1", True):
        with pytest.raises(DatabaseDamaged, match="which there is not"):
            registry.by_id(unknown)


def test_dictionaries_for_generated_code_fill_themselves_as_shapes_come() -> None:
    registry = ShapeRegistry(1, NODE_VALUES)
    slots, typed = PropertySlots(registry, "age"), TypedSlots(registry, "age")
    people = ShapesFitting(registry, lambda labels: "Person" in labels)
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
