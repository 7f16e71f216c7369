"""Types whose values the driver takes or gives otherwise than SQLAlchemy's PostgreSQL types expect.

Parameters go to the database with their statement's text, not in it, and a str goes without a type.  So statements say
the type of each (`$1::VARCHAR`), as SQLAlchemy does for every driver that binds on the server.
"""

from __future__ import annotations

import decimal
import json
from collections.abc import Callable
from typing import Any

from sqlalchemy import types as sqltypes
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.engine import Dialect, processors
from sqlalchemy.types import TypeEngine

Processor = Callable[[Any], Any] | None

_FLOAT_OIDS = frozenset({700, 701})


class _String(sqltypes.String):
    render_bind_cast = True


class _Integer(sqltypes.Integer):
    render_bind_cast = True


class _SmallInteger(sqltypes.SmallInteger):
    render_bind_cast = True


class _BigInteger(sqltypes.BigInteger):
    render_bind_cast = True


class _Boolean(sqltypes.Boolean):
    render_bind_cast = True


class _Date(sqltypes.Date):
    render_bind_cast = True


class _Time(sqltypes.Time):
    render_bind_cast = True


class _DateTime(sqltypes.DateTime):
    render_bind_cast = True


class _Interval(postgresql.INTERVAL):
    render_bind_cast = True


class _Regconfig(postgresql.REGCONFIG):
    render_bind_cast = True


class _Array(postgresql.ARRAY[Any]):
    render_bind_cast = True


class _NumericValues:
    """numeric comes as Decimal and double precision as float: what is left is to give what was asked for."""

    asdecimal: bool
    _effective_decimal_return_scale: int

    def bind_processor(self, dialect: Dialect) -> Processor:
        return None

    def result_processor(self, dialect: Dialect, coltype: object) -> Processor:
        is_float = coltype in _FLOAT_OIDS
        if self.asdecimal and is_float:
            return processors.to_decimal_processor_factory(
                decimal.Decimal, self._effective_decimal_return_scale
            )
        return None if self.asdecimal or is_float else processors.to_float


class _Numeric(_NumericValues, sqltypes.Numeric[Any]):
    pass


class _Float(_NumericValues, sqltypes.Float[Any]):
    pass


class _JsonValues:
    """The driver reads JSON already; only an Engine's own `json_deserializer` gets the text again."""

    render_bind_cast = True

    def result_processor(self, dialect: Dialect, coltype: object) -> Processor:
        own = getattr(dialect, "_json_deserializer", None)
        if own is None:
            return None
        return lambda value: None if value is None else own(json.dumps(value))


class _Json(_JsonValues, postgresql.JSON):
    pass


class _Jsonb(_JsonValues, postgresql.JSONB):
    pass


class _AddressValues:
    """Addresses and networks come as `ipaddress` has them, unless an Engine has `native_inet_types=False`."""

    def result_processor(self, dialect: Dialect, coltype: object) -> Processor:
        if getattr(dialect, "_native_inet_types", None) is not False:
            return None
        return lambda value: None if value is None else str(value)


class _Inet(_AddressValues, postgresql.INET):
    pass


class _Cidr(_AddressValues, postgresql.CIDR):
    pass


class _JsonIntIndex(sqltypes.JSON.JSONIntIndexType):
    __visit_name__ = "json_int_index"
    render_bind_cast = True


class _JsonStrIndex(sqltypes.JSON.JSONStrIndexType):
    __visit_name__ = "json_str_index"
    render_bind_cast = True


COLUMN_TYPES: dict[type[TypeEngine[Any]], type[TypeEngine[Any]]] = {
    **PGDialect.colspecs,
    sqltypes.String: _String,
    sqltypes.Integer: _Integer,
    sqltypes.SmallInteger: _SmallInteger,
    sqltypes.BigInteger: _BigInteger,
    sqltypes.Boolean: _Boolean,
    sqltypes.Numeric: _Numeric,
    sqltypes.Float: _Float,
    sqltypes.Date: _Date,
    sqltypes.Time: _Time,
    sqltypes.DateTime: _DateTime,
    sqltypes.Interval: _Interval,
    postgresql.INTERVAL: _Interval,
    sqltypes.ARRAY: _Array,
    sqltypes.JSON: _Json,
    postgresql.JSONB: _Jsonb,
    postgresql.REGCONFIG: _Regconfig,
    postgresql.INET: _Inet,
    postgresql.CIDR: _Cidr,
    sqltypes.JSON.JSONIntIndexType: _JsonIntIndex,
    sqltypes.JSON.JSONStrIndexType: _JsonStrIndex,
}
