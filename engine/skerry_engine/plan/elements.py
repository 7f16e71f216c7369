"""What generated code calls to read graph elements: slots of properties, label tests, values taken apart.

Rows of element tables are read in place, through dicts that a shape id leads to what is wanted (storage/shapes.py):

    (r2[t] if (t := slots1[r2[0]]) else None)          n.age
    fits1[r2[0]]                                       n:Person

A row that an outer join put in the place of a missing element has None for its shape id, which the dicts know.

Elements that are values (columns of an earlier block's result, parameters) say themselves which table they are of;
`ValueProperties` and `ValueLabels` keep one such dict per table, for one execution.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol, cast

from skerry_engine import errors
from skerry_engine.algebra.labels import LabelFormula, holds
from skerry_engine.storage.shapes import PropertySlots, ShapeRegistry, ShapesFitting, ShapeTest, TypedSlots
from skerry_engine.values import oids
from skerry_engine.values.graphs import (
    ROW,
    TABLE,
    UNTAGGED,
    Element,
    GraphRecord,
    Path,
    atom_of,
    dynamic,
    field_of,
    type_of,
)

Row = tuple[Any, ...]


def slots(registry: ShapeRegistry, name: str, type_oid: int) -> PropertySlots:
    """Where a property stands in rows of each shape, 0 for nowhere; all that have it have it with that type."""
    made = PropertySlots(registry, name, type_oid)
    cast("dict[int | None, int]", made)[None] = 0
    return made


def typed_slots(registry: ShapeRegistry, name: str) -> TypedSlots:
    """As `slots`, with the type that the property has in the shape."""
    made = TypedSlots(registry, name)
    cast("dict[int | None, tuple[int, int]]", made)[None] = (0, 0)
    return made


def fitting(registry: ShapeRegistry, labels: LabelFormula) -> ShapesFitting:
    """Whether rows of each shape have labels that fit; None for a row that is none."""
    made = ShapesFitting(registry, shape_test(labels))
    cast("dict[int | None, bool | None]", made)[None] = None
    return made


def shape_test(labels: LabelFormula) -> ShapeTest:
    """Whether elements of a shape fit the formula."""
    return lambda shape: holds(labels, shape.labels, shape.is_directed)


def tagged(value: Any, type_oid: int) -> Any:
    """A property's value as an ANYVALUE."""
    return value if type_oid in UNTAGGED else dynamic(type_oid, value)


def path_of(items: tuple[Any, ...], are_paths: tuple[bool, ...]) -> Path | None:
    """A path of elements and paths; None where one of them is."""
    made: list[Element] = []
    for item, is_path in zip(items, are_paths, strict=True):
        if item is None:
            return None
        if is_path:
            made.extend(item)
        else:
            made.append(item)
    return tuple(made)


# --- values -------------------------------------------------------------------------------------------------


class ElementTables(Protocol):
    """What reading element values needs to know of their tables."""

    def property_of_rows(self, table_oid: int, name: str, type_oid: int) -> Callable[[Row], Any]:
        """A function from a row of the table to its property, None where it has none.

        Of type `type_oid`; ANYVALUE: as its type is.  Raises from within when a row has it with another type.
        """
        ...

    def labels_of_rows(self, table_oid: int, labels: LabelFormula) -> Callable[[Row], bool]:
        """A function from a row of the table to whether its labels fit."""
        ...


def property_of_shaped_rows(registry: ShapeRegistry, name: str, type_oid: int) -> Callable[[Row], Any]:
    """`ElementTables.property_of_rows` for a table whose rows have shapes."""
    if type_oid != oids.ANYVALUE:
        places = slots(registry, name, type_oid)
        return lambda row: row[place] if (place := places[row[0]]) else None
    typed = typed_slots(registry, name)

    def read(row: Row) -> Any:
        place, stored = typed[row[0]]
        return tagged(row[place], stored) if place else None

    return read


class ValueProperties:
    """Reads one property of element values, or one field of records, during one execution."""

    __slots__ = ("tables", "name", "type_oid", "_readers")

    def __init__(self, tables: ElementTables, name: str, type_oid: int) -> None:
        self.tables: Final = tables
        self.name: Final = name
        self.type_oid: Final = type_oid
        self._readers: dict[int, Callable[[Row], Any]] = {}

    def of_element(self, element: Element | None) -> Any:
        """The property of a node or edge."""
        if element is None:
            return None
        table_oid = element[TABLE]
        reader = self._readers.get(table_oid)
        if reader is None:
            reader = self._readers[table_oid] = self.tables.property_of_rows(
                table_oid, self.name, self.type_oid
            )
        return reader(element[ROW])

    def of_record(self, record: GraphRecord | None) -> Any:
        """The field of a record."""
        return None if record is None else field_of(record, self.name)

    def of_any(self, value: Any) -> Any:
        """The property or field of an anyvalue.  Raises DatatypeMismatch where it can have none."""
        if value is None:
            return None
        found = type_of(value)
        if found == oids.GRAPHRECORD:
            return self.of_record(atom_of(value))
        if found in oids.ELEMENTS:
            return self.of_element(atom_of(value))
        raise errors.DatatypeMismatch(
            f'a value of type {_type_name(found)} has no property "{self.name}"',
            hint="Nodes, edges and records have properties.",
        )


def _type_name(oid: int) -> str:
    from skerry_engine.values.types import graph_type_name

    return graph_type_name(oid)


class ValueLabels:
    """Tests the labels of element values against one formula during one execution."""

    __slots__ = ("tables", "labels", "_tests")

    def __init__(self, tables: ElementTables, labels: LabelFormula) -> None:
        self.tables: Final = tables
        self.labels: Final = labels
        self._tests: dict[int, Callable[[Row], bool]] = {}

    def __call__(self, element: Element | None) -> bool | None:
        if element is None:
            return None
        if len(element) == 2:  # an anyvalue
            element = cast("Element", atom_of(element))
        table_oid = element[TABLE]
        test = self._tests.get(table_oid)
        if test is None:
            test = self._tests[table_oid] = self.tables.labels_of_rows(table_oid, self.labels)
        return test(element[ROW])
