"""Formulas over labels: what a pattern asks of an element's label set.

    :Person            Label('Person')
    :A|B   :A&B   !A   AnyOf, AllOf, NotLabel
    :%                 AnyLabel: at least one label, whichever
    -[]->              Directed: an edge that leads from one end to the other; ~[]~ asks for NotLabel(Directed())

That an edge is directed is no label, but goes with its labels wherever these are asked for: both are the same for all
elements of a shape.

A formula is a value: two that are written alike are equal, so that what was computed for one (which shapes it
holds for) can be kept under it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LabelFormula:
    """Base of formulas."""


@dataclass(frozen=True, slots=True)
class Label(LabelFormula):
    """The element has the label `name`."""

    name: str


@dataclass(frozen=True, slots=True)
class AnyLabel(LabelFormula):
    """The element has a label."""


@dataclass(frozen=True, slots=True)
class Directed(LabelFormula):
    """The element is a directed edge (or a node)."""


@dataclass(frozen=True, slots=True)
class AllOf(LabelFormula):
    """Every part holds."""

    parts: tuple[LabelFormula, ...]


@dataclass(frozen=True, slots=True)
class AnyOf(LabelFormula):
    """Some part holds."""

    parts: tuple[LabelFormula, ...]


@dataclass(frozen=True, slots=True)
class NotLabel(LabelFormula):
    """The part does not hold."""

    part: LabelFormula


def holds(formula: LabelFormula, labels: frozenset[str], is_directed: bool = True) -> bool:
    """Whether an element with these labels fits the formula."""
    match formula:
        case Label():
            return formula.name in labels
        case AnyLabel():
            return bool(labels)
        case Directed():
            return is_directed
        case AllOf():
            return all(holds(part, labels, is_directed) for part in formula.parts)
        case AnyOf():
            return any(holds(part, labels, is_directed) for part in formula.parts)
        case NotLabel():
            return not holds(formula.part, labels, is_directed)
    raise AssertionError(f"no meaning for {type(formula).__name__}")


def names_in(formula: LabelFormula) -> Iterator[str]:
    """The labels that the formula names, in written order."""
    match formula:
        case Label():
            yield formula.name
        case AllOf() | AnyOf():
            for part in formula.parts:
                yield from names_in(part)
        case NotLabel():
            yield from names_in(formula.part)


def label_text(formula: LabelFormula) -> str:
    """The formula as GQL writes it, for EXPLAIN and messages."""
    match formula:
        case Label():
            return formula.name
        case AnyLabel():
            return "%"
        case Directed():
            return "<directed>"
        case AllOf():
            return "&".join(_part_text(part, AnyOf) for part in formula.parts)
        case AnyOf():
            return "|".join(label_text(part) for part in formula.parts)
        case NotLabel():
            return "!" + _part_text(formula.part, (AnyOf, AllOf))
    raise AssertionError(f"no text for {type(formula).__name__}")


def _part_text(part: LabelFormula, enclosed: type | tuple[type, ...]) -> str:
    return f"({label_text(part)})" if isinstance(part, enclosed) else label_text(part)
