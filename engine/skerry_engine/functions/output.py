"""Values as text inside functions: what `concat`, `format`, `to_json` and the like need to know of their arguments."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

from skerry_engine.abc import FunctionContext
from skerry_engine.values import oids
from skerry_engine.values.types import SqlType

if TYPE_CHECKING:
    from skerry_engine.values.io import IoContext

TextWriter = Callable[[FunctionContext, object], str]

_SAME = frozenset(
    (oids.TEXT, oids.VARCHAR, oids.NAME, oids.CHAR, oids.BPCHAR, oids.JSON, oids.JSONB, oids.UNKNOWN)
)


@lru_cache(maxsize=1024)
def encoder_of(type_oid: int, io: IoContext) -> Callable[[object], str]:
    """The text encoder of a type for a session's settings, made once for each."""
    from skerry_engine.values.io import text_encoder

    return text_encoder(SqlType(type_oid), io)


@lru_cache(maxsize=1024)
def decoder_of(type_oid: int, io: IoContext) -> Callable[[str], object]:
    """The text decoder of a type for a session's settings, made once for each."""
    from skerry_engine.values.io import text_decoder

    return text_decoder(SqlType(type_oid), io)


def text_of(type_oid: int) -> TextWriter:
    """(context, value) -> the value's text form, for values that are not NULL."""
    if type_oid in _SAME:
        return lambda context, value: str(value)
    if type_oid in (oids.INT2, oids.INT4, oids.INT8, oids.OID):
        return lambda context, value: str(value)
    return lambda context, value: encoder_of(type_oid, context.io)(value)
