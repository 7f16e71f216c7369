"""Rows of state with layouts: named fields of known types, for nodes that keep one such row under each key.

    total = Layout(count=int, sum=Decimal, last=Field(str, default=None))
    row = branch.load_or_create_row("totals", customer, total)      # as it was saved, or count 0, sum 0, last None
    row["count"] += 1
    branch.save_row("totals", customer, row)

A field that was added to a layout since a row was saved has its default in it; one that has gone is dropped.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from skerry_engine.errors import DataError


class Field:
    """A field of a type, or None.  Without a `default` a new row has what the type makes of nothing: 0, "", []."""

    __slots__ = ("type", "_default", "_has_default")

    def __init__(self, type: type, **default: object) -> None:
        if default.keys() - {"default"}:
            raise TypeError(f"a field has a default, and nothing like {', '.join(default)}")
        self.type = type
        self._has_default = "default" in default
        self._default = default.get("default")

    def initial(self) -> object:
        """What a new row has."""
        return self._default if self._has_default else self.type()

    def accepts(self, value: object) -> bool:
        """Whether a row may have this; an int counts as a float."""
        if isinstance(value, bool) and issubclass(self.type, int | float):
            return self.type is bool
        return (
            value is None or isinstance(value, self.type) or (self.type is float and isinstance(value, int))
        )


class Layout:
    """Named fields: `Layout(count=int, name=Field(str, default="x"))`."""

    __slots__ = ("fields",)

    def __init__(self, **fields: type | Field) -> None:
        self.fields: dict[str, Field] = {
            name: field if isinstance(field, Field) else Field(field) for name, field in fields.items()
        }

    def new_row(self) -> StateRow:
        """A row with every field's default."""
        return StateRow(self, {name: field.initial() for name, field in self.fields.items()})

    def row(self, saved: Mapping[str, Any]) -> StateRow:
        """A row as it was saved, of these fields."""
        values = {
            name: saved[name] if name in saved else field.initial() for name, field in self.fields.items()
        }
        return StateRow(self, values)

    def check(self, row: Mapping[str, object]) -> None:
        """Raise DataError unless the row has these fields, with values of their types."""
        if row.keys() != self.fields.keys():
            names = ", ".join(sorted(row.keys() ^ self.fields.keys()))
            raise DataError(f"the row and its layout differ in {names}")
        for name, field in self.fields.items():
            if not field.accepts(row[name]):
                raise DataError(
                    f'field "{name}" is of type {field.type.__name__}, not {type(row[name]).__name__}'
                )


class StateRow(dict[str, Any]):
    """A row of state: a dict that knows its layout."""

    def __init__(self, layout: Layout, values: Mapping[str, Any]) -> None:
        super().__init__(values)
        self.layout = layout
