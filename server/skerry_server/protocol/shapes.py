"""Result shapes: everything about a result that depends on its columns and formats alone.

A statement that runs a thousand times has one shape: its RowDescription message and its row encoder are made
once per connection and found again by the *identity* of the columns object, because a cached plan hands out
the same one each time.  A shape keeps its columns alive,
so an identity can't come back as another object while the shape is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from skerry_engine.session.steps import ResultColumn
from skerry_engine.values.io import IoContext
from skerry_server.protocol.rows import RowEncoder, column_formats, describe_columns

_SHAPES_KEPT: Final = 256


class ResultShape:
    """A result's RowDescription and row encoder; raises ProtocolViolation when formats
    and columns do not fit."""

    def __init__(self, columns: Sequence[ResultColumn], requested: Sequence[int], io: IoContext) -> None:
        formats = column_formats(requested, len(columns))
        self.columns = columns
        self.io = io
        self.description: bytes = describe_columns(columns, formats, io.typed_json)
        self.encoder = RowEncoder(columns, formats, io)


class ShapeCache:
    """The shapes of one connection."""

    def __init__(self) -> None:
        self._shapes: dict[tuple[int, ...], ResultShape] = {}

    def __len__(self) -> int:
        """How many are kept."""
        return len(self._shapes)

    def get(self, columns: Sequence[ResultColumn], requested: Sequence[int], io: IoContext) -> ResultShape:
        """The shape for these very columns, formats as requested by Bind, and output settings."""
        key = (id(columns), *requested)
        shape = self._shapes.get(key)
        if shape is None or shape.columns is not columns or shape.io is not io:
            if len(self._shapes) >= _SHAPES_KEPT:
                self._shapes.clear()
            shape = ResultShape(columns, requested, io)
            self._shapes[key] = shape
        return shape

    def clear(self) -> None:
        """Let go of all."""
        self._shapes.clear()
