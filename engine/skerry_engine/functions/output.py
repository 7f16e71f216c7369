"""Values as text inside functions: what `concat`, `format`,
`to_json` and the text casts need to know of their arguments.

How a value is written depends on the session's settings.  A function is resolved once and called for many
rows, so it keeps the writer made for the settings it last met;
settings are one object until a session changes them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from skerry_engine.abc import FunctionContext
from skerry_engine.values import oids
from skerry_engine.values.types import SqlType

if TYPE_CHECKING:
    from skerry_engine.values.io import IoContext

TextWriter = Callable[[FunctionContext, Any], str]

_SAME = frozenset(
    (oids.TEXT, oids.VARCHAR, oids.NAME, oids.CHAR, oids.BPCHAR, oids.JSON, oids.JSONB, oids.UNKNOWN)
)
_PRINTED_BY_STR = frozenset((oids.INT2, oids.INT4, oids.INT8, oids.OID))


class PerSettings:
    """A converter made anew when the settings are another object than at the last call."""

    __slots__ = ("converter", "io", "make")

    def __init__(self, make: Callable[[IoContext], Callable[[Any], Any]]) -> None:
        self.make = make
        self.io: IoContext | None = None
        self.converter: Callable[[Any], Any] | None = None

    def __call__(self, context: FunctionContext, value: Any) -> Any:
        io = context.io
        converter = self.converter
        if converter is None or io is not self.io:
            converter = self.converter = self.make(io)
            self.io = io
        return converter(value)


@lru_cache(maxsize=256)
def encoder_of(type_oid: int) -> PerSettings:
    """(context, value) -> the value's text, as the type's output function writes it.

    Within a statement that is text for people, whatever dialect of JSON the client wants results in.
    """
    from skerry_engine.values.io import text_encoder

    return PerSettings(lambda io: text_encoder(SqlType(type_oid), replace(io, typed_json=False)))


@lru_cache(maxsize=256)
def decoder_of(type_oid: int) -> PerSettings:
    """(context, text) -> the value, as the type's input function reads it."""
    from skerry_engine.values.io import text_decoder

    return PerSettings(lambda io: text_decoder(SqlType(type_oid), io))


def text_of(type_oid: int) -> TextWriter:
    """(context, value) -> the value's text form, for values that are not NULL."""
    if type_oid in _SAME or type_oid in _PRINTED_BY_STR:
        return lambda context, value: str(value)
    return encoder_of(type_oid)
