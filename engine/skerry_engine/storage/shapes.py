"""Shapes: what the rows of a graph's elements have in common, so that a property costs no more than a column.

An element's row says in its first value which shape it has; the shape says where each property stands:

    node row   (4, 'Ada', 36)                shape 4   labels {Person}   names (name, age)   types (text, bigint)
                ^   ^     ^
                0   1     2                  slots of `age`:  {4: 2, 9: 1, 11: 0}      0: no such property here
    edge row   (2, 17, 42, 1999)             shape id, source row id, target row id, values

A shape is the label set, the names of the properties in the order of their values, the values' types, and whether
an edge is directed; of an undirected one source and target are its two ends, in no order that means anything.  A
property that is NULL is absent, so the shapes of one label differ by what is known of an element; types are widened
(values/graphs.py, `widened`) so that a property mostly has one.

What always holds:
- A registry belongs to one generation of an element table (one storage).  Ids count up from 1 and never mean
  anything else; a shape is never changed and never goes before its storage does.  So what is known of an id may be
  kept for ever.
- A registry stands outside transactions.  A shape is there when the first row with it is made, whatever becomes of
  the row; a reader only ever meets ids that are there.
- What a registry learns is in the log before any row that needs it: see `ShapeJournal`.

What it does not do: it knows no transactions and no expressions.  Who has compiled something from facts about shapes
("`age` of a Person is always bigint") asks `property_version` or `version` whether there are new facts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from skerry_engine.errors import DatabaseDamaged, ElementDeleted, SerializationFailure
from skerry_engine.values.graphs import UNTAGGED

NODE_VALUES: Final = 1
"""Where a node's first property stands: after its shape id."""

EDGE_VALUES: Final = 3
"""Where an edge's first property stands: after its shape id, its source's row id and its target's."""

SHAPE_POSITION: Final = 0
SOURCE_POSITION: Final = 1
TARGET_POSITION: Final = 2

ABSENT: Final = 0
"""The slot of a property that a shape does not have; no property stands there."""

ANY_PROPERTY: Final = ""
"""Instead of a property's name, where it matters which properties there are."""

UNDIRECTED: Final = "\0undirected"
"""Instead of a property's name, where it matters whether there are undirected edges; no text has such a character."""

LabelTest = Callable[[frozenset[str]], bool]
"""Whether an element with these labels is meant."""

ShapeTest = Callable[["Shape"], bool]
"""Whether elements of the shape are meant."""

ShapeRecord = tuple[int, int, tuple[str, ...], tuple[str, ...], tuple[int, ...], bool]
"""A shape as log and base keep it: storage id, shape id, labels in order, names, types, whether it is directed."""

ShapeKey = tuple[frozenset[str], tuple[str, ...], tuple[int, ...], bool]
"""What a shape is, but for its id."""

PackedShape = tuple[object, ...]
"""A shape's record as it is written: what is directed does not say so, as all did when there was nothing else."""


def shape_record(value: Any) -> ShapeRecord:
    """What was read as a shape's record.  Raises ValueError, TypeError for what is none."""
    storage_id, shape_id, labels, names, types, *rest = value
    if not all(type(number) is int and number > 0 for number in (storage_id, shape_id, *types)):
        raise ValueError("a shape without numbers")
    if not all(type(text) is str for text in (*labels, *names)) or len(names) != len(types):
        raise ValueError("a shape without names")
    if rest and not (len(rest) == 1 and rest[0] is False):
        raise ValueError("a shape with more than it can have")
    return storage_id, shape_id, tuple(labels), tuple(names), tuple(types), not rest


def packed_shape(record: ShapeRecord) -> PackedShape:
    """A shape's record as it is written."""
    return record[:-1] if record[-1] else record


@dataclass(frozen=True, slots=True)
class Shape:
    """`names[i]` has type `types[i]` (an OID) and stands in the row at `positions[names[i]]`.

    Only edges can be undirected.
    """

    id: int
    labels: frozenset[str]
    names: tuple[str, ...]
    types: tuple[int, ...]
    positions: dict[str, int]
    is_directed: bool = True

    def type_of(self, name: str) -> int:
        """The type OID of a property; 0 where there is none."""
        return self.types[self.names.index(name)] if name in self.positions else 0


class ShapeJournal:
    """The shapes that no record of the log has yet, in the order in which they were made.

    Whoever writes a record whose rows may need them writes them first: the log's order makes that enough.  Shapes
    that a checkpoint has taken may be written once more; that does no harm.  `is_read`: there is a log.
    """

    __slots__ = ("pending", "is_read")

    def __init__(self) -> None:
        self.pending: list[ShapeRecord] = []
        self.is_read = False

    def note(self, record: ShapeRecord) -> None:
        """Have a new shape written, if there is a log."""
        if self.is_read:
            self.pending.append(record)


DELETED: Final = -1
"""Stands in the place of a shape's id in element values of deleted elements; what they were is behind it."""


class ShapeRegistry:
    """The shapes of one element table.

    `first_position` is where values begin (NODE_VALUES or EDGE_VALUES).  `version` moves with every shape.
    `journal` is None where nothing outlives the process.
    """

    __slots__ = (
        "storage_id",
        "first_position",
        "_journal",
        "_shapes",
        "_known",
        "_facts",
        "_property_versions",
        "_labels",
    )

    def __init__(self, storage_id: int, first_position: int, journal: ShapeJournal | None = None) -> None:
        self.storage_id = storage_id
        self.first_position = first_position
        self._journal = journal
        self._shapes: list[Shape] = []
        self._known: dict[ShapeKey, Shape] = {}
        self._facts: dict[str, dict[tuple[frozenset[str], int], None]] = {}
        self._property_versions: dict[str, int] = {}
        self._labels: dict[str, None] = {}

    # --- shapes -----------------------------------------------------------------------------------------------

    def shape(
        self,
        labels: frozenset[str],
        names: tuple[str, ...],
        types: tuple[int, ...],
        is_directed: bool = True,
    ) -> Shape:
        """The shape of these labels and properties, made where it is new.

        `types` are widened ones (values/graphs.py); no name stands twice.
        """
        found = self._known.get((labels, names, types, is_directed))
        if found is None:
            found = self._add((labels, names, types, is_directed))
            if self._journal is not None:
                self._journal.note(self._record(found))
        return found

    def by_id(self, shape_id: object) -> Shape:
        """The shape of that id.  Raises ElementDeleted for DELETED, DatabaseDamaged for an id that no shape has."""
        if shape_id == DELETED:
            raise ElementDeleted("the statement has deleted the element that is read here")
        if type(shape_id) is not int or not 0 < shape_id <= len(self._shapes):
            raise DatabaseDamaged(
                f"a row of storage {self.storage_id} has shape {shape_id}, which there is not"
            )
        return self._shapes[shape_id - 1]

    def shapes(self) -> tuple[Shape, ...]:
        """All shapes, in the order of their ids."""
        return tuple(self._shapes)

    def position(self, shape_id: int, name: str) -> int:
        """Where the property stands in rows of the shape; ABSENT (0) where it does not."""
        return self.by_id(shape_id).positions.get(name, ABSENT)

    def _add(self, key: ShapeKey) -> Shape:
        labels, names, types, is_directed = key
        assert is_directed or self.first_position == EDGE_VALUES, "nodes have no direction to lack"
        assert len(set(names)) == len(names) == len(types), "each property once, with its type"
        positions = {name: self.first_position + number for number, name in enumerate(names)}
        made = Shape(len(self._shapes) + 1, labels, names, types, positions, is_directed)
        self._shapes.append(made)
        self._known[key] = made
        if not is_directed:
            self._property_versions[UNDIRECTED] = 1
        for label in sorted(labels):
            self._labels.setdefault(label)
        for name, type_oid in zip(names, types, strict=True):
            facts = self._facts.setdefault(name, {})
            if (labels, type_oid) not in facts:
                facts[(labels, type_oid)] = None
                self._property_versions[name] = self._property_versions.get(name, 0) + 1
        return made

    # --- facts ------------------------------------------------------------------------------------------------

    @property
    def version(self) -> int:
        """A number that is greater after every new shape."""
        return len(self._shapes)

    def property_version(self, name: str) -> int:
        """A number that is greater whenever a property of that name has come with labels, or with a type, that it
        did not have together before; 0 for one that no shape has.  Of ANY_PROPERTY: `version`; of UNDIRECTED: 1 once
        there is an undirected shape, and 0 before."""
        return self._property_versions.get(name, 0) if name else self.version

    def property_types(self, name: str, fits: LabelTest | None = None) -> frozenset[int]:
        """The types that the property has in the shapes whose labels fit; empty where none of them has it."""
        facts = self._facts.get(name, {})
        return frozenset(type_oid for labels, type_oid in facts if fits is None or fits(labels))

    def property_names(self, fits: LabelTest | None = None) -> tuple[str, ...]:
        """The properties of the shapes whose labels fit, in the order in which they came."""
        found = dict.fromkeys(n for s in self._shapes if fits is None or fits(s.labels) for n in s.names)
        return tuple(found)

    def labels(self) -> tuple[str, ...]:
        """The labels of all shapes, in the order in which they came (of one shape: in alphabetical order)."""
        return tuple(self._labels)

    def fitting(self, fits: ShapeTest) -> tuple[int, ...]:
        """The ids of the shapes that fit."""
        return tuple(shape.id for shape in self._shapes if fits(shape))

    @property
    def has_undirected(self) -> bool:
        """Whether there is a shape of undirected edges."""
        return UNDIRECTED in self._property_versions

    # --- keeping ----------------------------------------------------------------------------------------------

    def _record(self, shape: Shape) -> ShapeRecord:
        labels = tuple(sorted(shape.labels))
        return self.storage_id, shape.id, labels, shape.names, shape.types, shape.is_directed

    def records(self) -> Iterator[ShapeRecord]:
        """All shapes, as they are kept."""
        for shape in self._shapes:
            yield self._record(shape)

    def restore(self, record: ShapeRecord) -> None:
        """Recovery: have a shape that was kept.  One that is there already may come again.

        Raises DatabaseDamaged where another shape has the id, or ids before it are missing.
        """
        _, shape_id, labels, names, types, is_directed = record
        key = (frozenset(labels), tuple(names), tuple(types), is_directed)
        known = self._known.get(key)
        if (
            known is None
            and shape_id == len(self._shapes) + 1
            and len(set(names)) == len(names) == len(types)
            and (is_directed or self.first_position == EDGE_VALUES)
        ):
            known = self._add(key)
        if known is None or known.id != shape_id:
            raise DatabaseDamaged(f"shape {shape_id} of storage {self.storage_id} does not fit the others")

    def copy_from(self, other: ShapeRegistry) -> None:
        """Have all shapes of another registry, under the same ids.  This one must be empty."""
        assert not self._shapes, "ids would not be the same"
        for shape in other._shapes:
            self.shape(shape.labels, shape.names, shape.types, shape.is_directed)


# --- for generated code -----------------------------------------------------------------------------------------


class PropertySlots(dict[int, int]):
    """Shape id -> where a property stands, ABSENT (0) where it does not; fills itself as ids are asked for.

        (r[i] if (i := S[r[0]]) else None)

    With a `type_oid` the reader counts on that type; a shape that came later and has another raises
    SerializationFailure: what was compiled is not right for it, the same statement tried again is.
    """

    __slots__ = ("registry", "name", "type_oid")

    def __init__(self, registry: ShapeRegistry, name: str, type_oid: int = 0) -> None:
        super().__init__()
        self.registry = registry
        self.name = name
        self.type_oid = type_oid

    def __missing__(self, shape_id: int) -> int:
        shape = self.registry.by_id(shape_id)
        position = shape.positions.get(self.name, ABSENT)
        if position and self.type_oid and shape.type_of(self.name) != self.type_oid:
            raise SerializationFailure(
                "could not serialize access due to concurrent change of what is known of a property",
                detail=f'Property "{self.name}" has come with another type.',
            )
        self[shape_id] = position
        return position


class TypedSlots(dict[int, tuple[int, int]]):
    """Shape id -> (where a property stands or ABSENT, its type's OID or 0); fills itself as ids are asked for."""

    __slots__ = ("registry", "name")

    def __init__(self, registry: ShapeRegistry, name: str) -> None:
        super().__init__()
        self.registry = registry
        self.name = name

    def __missing__(self, shape_id: int) -> tuple[int, int]:
        shape = self.registry.by_id(shape_id)
        found = self[shape_id] = (shape.positions.get(self.name, ABSENT), shape.type_of(self.name))
        return found


class ShapesFitting(dict[int, bool]):
    """Shape id -> whether it fits; fills itself as ids are asked for: `M[r[0]]`."""

    __slots__ = ("registry", "fits")

    def __init__(self, registry: ShapeRegistry, fits: ShapeTest) -> None:
        super().__init__()
        self.registry = registry
        self.fits = fits

    def __missing__(self, shape_id: int) -> bool:
        found = self[shape_id] = self.fits(self.registry.by_id(shape_id))
        return found


class PropertyKeys(dict[int, "tuple[tuple[int, int], ...] | None"]):
    """Shape id -> where the values of an index's key stand, each with the type OID that makes an anyvalue of it (0: it
    is one as it stands); None for elements that are not in the index.  Fills itself as ids are asked for."""

    __slots__ = ("registry", "label", "names")

    def __init__(self, registry: ShapeRegistry, label: str, names: tuple[str, ...]) -> None:
        super().__init__()
        self.registry = registry
        self.label = label
        self.names = names

    def __missing__(self, shape_id: int) -> tuple[tuple[int, int], ...] | None:
        shape = self.registry.by_id(shape_id)
        found: tuple[tuple[int, int], ...] | None = None
        if (not self.label or self.label in shape.labels) and all(n in shape.positions for n in self.names):
            types = [shape.type_of(name) for name in self.names]
            found = tuple(
                (shape.positions[name], 0 if type_oid in UNTAGGED else type_oid)
                for name, type_oid in zip(self.names, types, strict=True)
            )
        self[shape_id] = found
        return found
