"""Text and binary forms of every type: the one place that maps a type to its readers and writers.

`text_encoder(type, io)` and its three siblings give a function, chosen once per column and then called per
value; for integers, text and booleans it is a bare C function or a tiny Python one.  NULL never reaches them.

What a form depends on besides the type (time zone, DateStyle, names for reg* types) is the `IoContext`,
immutable and shared by all statements of a session until a setting changes.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from skerry_engine.abc import ElementResolver, NameResolver
from skerry_engine.errors import InvalidBinaryRepresentation, NotSupportedError, UndefinedFunction
from skerry_engine.values import (
    arrays,
    bits,
    datetimes,
    floats,
    graph_text,
    integers,
    interval,
    interval_input,
    json_text,
    money,
    network,
    numeric,
    oids,
    ranges,
    reg,
    scalars,
    text,
    timezones,
)
from skerry_engine.values.clock import wall_clock
from skerry_engine.values.datetime_input import InputContext
from skerry_engine.values.records import Composite, Record
from skerry_engine.values.types import SqlType, TypeInfo, find_type, type_display
from skerry_engine.values.user_types import NO_TYPES, EnumValues, Field, UserTypes, is_composite, is_enum

TextEncoder = Callable[[Any], str]
TextDecoder = Callable[[str], Any]
BinaryEncoder = Callable[[Any], bytes]
BinaryDecoder = Callable[[bytes], Any]


@dataclass(frozen=True, slots=True)
class IoContext:
    """What text forms depend on.

    `timezone` is a zone or a name as the TimeZone setting takes it; `date_style` is the setting ('ISO, MDY');
    `interval_style` 'postgres', 'postgres_verbose', 'sql_standard' or 'iso_8601'; `bytea_output` 'hex' or
    'escape'.  `now` gives the transaction's start (what the input 'now' means); `names` may be None where no
    catalog is at hand: reg* types then print and read numbers only.  `elements` knows graph elements' labels and
    properties; where it is None they can't be written.  `typed_json`: which dialect of JSON they are written in
    (`graph_text`).  `types`: the users' types, as they are now.
    """

    timezone: str | datetime.tzinfo = "UTC"
    date_style: str = "ISO, MDY"
    interval_style: str = "postgres"
    extra_float_digits: int = 1
    bytea_output: str = "hex"
    names: NameResolver | None = None
    now: Callable[[], int] = wall_clock
    elements: ElementResolver | None = None
    typed_json: bool = False
    types: UserTypes = NO_TYPES

    @property
    def zone(self) -> datetime.tzinfo:
        """The session's time zone.  Raises InvalidParameterValue for an unknown name."""
        if isinstance(self.timezone, str):
            return timezones.zone_named(self.timezone)
        return self.timezone

    @property
    def date_format(self) -> str:
        """'ISO', 'SQL', 'German' or 'Postgres'."""
        style = self.date_style.partition(",")[0].strip().lower()
        return {"iso": "ISO", "sql": "SQL", "german": "German", "postgres": "Postgres"}.get(style, "ISO")

    @property
    def date_order(self) -> str:
        """'MDY', 'DMY' or 'YMD'."""
        order = self.date_style.partition(",")[2].strip().upper()
        if order in ("MDY", "DMY", "YMD"):
            return order
        return "DMY" if self.date_format == "German" else "MDY"

    @property
    def input_context(self) -> InputContext:
        """What reading dates and times depends on."""
        return InputContext(self.zone, self.date_order, self.now)


DEFAULT_IO = IoContext()
GRAPH_OIDS = oids.GRAPH_TYPES | oids.GRAPH_ARRAYS.keys()


def _same(value: Any) -> Any:
    return value


def _unsupported(type_: SqlType, what: str) -> NotSupportedError:
    return NotSupportedError(f"{what} of type {type_display(type_.oid)} is not supported")


def _array_element(oid: int) -> TypeInfo | None:
    """The element type of an array type, None for other types."""
    info = find_type(oid)
    if info is None or not info.is_array:
        return None
    return find_type(info.element_oid)


# --- text out -----------------------------------------------------------------------------------------------

_TEXT_ENCODERS: dict[int, TextEncoder] = {
    **{oid: str for oid in (*oids.INTEGERS, oids.OID, oids.XID, oids.CID, oids.XID8)},
    **{
        oid: _same
        for oid in (
            oids.TEXT,
            oids.VARCHAR,
            oids.NAME,
            oids.CHAR,
            oids.JSON,
            oids.JSONB,
            oids.UNKNOWN,
            oids.CSTRING,
            oids.REFCURSOR,
            oids.TID,
            oids.ACLITEM,
            oids.PG_NODE_TREE,
        )
    },
    oids.BOOL: scalars.write_boolean,
    oids.NUMERIC: numeric.write_numeric,
    oids.UUID: scalars.write_uuid,
    oids.TIME: datetimes.write_time,
    oids.TIMETZ: datetimes.write_timetz,
    oids.INT2VECTOR: arrays.write_vector,
    oids.OIDVECTOR: arrays.write_vector,
    oids.PG_LSN: reg.write_lsn,
    oids.INET: network.write_inet,
    oids.CIDR: network.write_cidr,
    oids.MACADDR: network.write_mac,
    oids.MACADDR8: network.write_mac,
    oids.BIT: _same,
    oids.VARBIT: _same,
    oids.MONEY: money.write_money,
    oids.VOID: lambda value: "",
}


def text_encoder(type_: SqlType, io: IoContext) -> TextEncoder:
    """The function that writes a non-null value of the type.
    Raises NotSupportedError for a type without a form."""
    oid = type_.oid
    encoder = _TEXT_ENCODERS.get(oid)
    if encoder is not None:
        return encoder
    if oid == oids.BPCHAR:
        return text.bpchar_writer(type_.typmod) if type_.typmod > 4 else _same
    if oid in _DATE_TYPES:
        return _datetime_encoder(oid, io)
    if oid == oids.FLOAT8 or oid == oids.FLOAT4:
        return _float_encoder(oid, io)
    if oid == oids.INTERVAL:
        return interval.interval_writer(io.interval_style)
    if oid == oids.BYTEA:
        return scalars.write_bytea_escape if io.bytea_output == "escape" else scalars.write_bytea_hex
    if oid in oids.REG_TYPES:
        return reg.reg_writer(oid, io.names)
    if oid == oids.RECORD:
        return _record_encoder(io)
    if oid in GRAPH_OIDS:
        return graph_text.text_encoder(oid, io)
    if is_enum(oid):
        return _enum_encoder(io.types.enum(oid))
    if is_composite(oid):
        return _composite_encoder(oid, io)
    range_kind = ranges.kind_of(oid)
    if range_kind is not None:
        write = ranges.range_writer(text_encoder(SqlType(range_kind.element_oid), io))
        return write if oid == range_kind.oid else ranges.multirange_writer(write)
    element = _array_element(oid)
    if element is None:
        raise _unsupported(type_, "text output")
    return arrays.array_writer(text_encoder(SqlType(element.oid, type_.typmod), io), element.delimiter)


def _enum_encoder(values: EnumValues) -> TextEncoder:
    return values.label


_DATE_TYPES = frozenset((oids.DATE, oids.TIMESTAMP, oids.TIMESTAMPTZ))


def _datetime_encoder(oid: int, io: IoContext) -> TextEncoder:
    style, order = io.date_format, io.date_order
    if oid == oids.DATE:
        return datetimes.date_writer(style, order)
    if oid == oids.TIMESTAMP:
        return datetimes.timestamp_writer(style, order)
    return datetimes.timestamptz_writer(style, order, io.zone)


def _float_encoder(oid: int, io: IoContext) -> TextEncoder:
    if io.extra_float_digits > 0:
        return floats.write_float8 if oid == oids.FLOAT8 else floats.write_float4
    digits = (15 if oid == oids.FLOAT8 else 6) + io.extra_float_digits
    return lambda value: floats.write_float_digits(value, digits)


def _record_encoder(io: IoContext) -> TextEncoder:
    """Writes each field as its type does; the fields' writers are found once per row type."""
    writers: dict[tuple[SqlType, ...], TextEncoder] = {}

    def write(value: tuple[object, ...]) -> str:
        if not isinstance(value, Record):
            return arrays.record_text([None if item is None else _atom_text(item, io) for item in value])
        writer = writers.get(value.types)
        if writer is None:
            writer = writers[value.types] = _row_encoder(value.types, io)
        return writer(value)

    return write


def _row_encoder(types: Sequence[SqlType], io: IoContext) -> TextEncoder:
    """Writes rows of fields of these types."""
    fields = [text_encoder(each, io) for each in types]
    return lambda value: arrays.record_text(
        [None if item is None else field(item) for field, item in zip(fields, value, strict=True)]
    )


def _composite_encoder(oid: int, io: IoContext) -> TextEncoder:
    fields = [(each.number, text_encoder(_type_of(each), io)) for each in io.types.composite(oid).fields]

    def write(value: Composite) -> str:
        texts: list[str | None] = []
        for number, encode in fields:
            item = value.item(number)
            texts.append(None if item is None else encode(item))
        return arrays.record_text(texts)

    return write


def _atom_text(value: object, io: IoContext) -> str:
    """A field of a record that a function gave, whose types nobody knows: by its Python type."""
    if isinstance(value, bool):
        return scalars.write_boolean(value)
    if isinstance(value, float):
        return floats.write_float8(value)
    if isinstance(value, bytes):
        return scalars.write_bytea_hex(value)
    if isinstance(value, tuple):
        return arrays.array_writer(lambda item: _atom_text(item, io), ",")(value)
    return str(value)


# --- text in ------------------------------------------------------------------------------------------------

_TEXT_DECODERS: dict[int, TextDecoder] = {
    oids.INT2: integers.read_int2,
    oids.INT4: integers.read_int4,
    oids.INT8: integers.read_int8,
    oids.OID: integers.read_oid,
    oids.XID: integers.read_xid,
    oids.CID: integers.read_xid,
    oids.XID8: integers.read_xid8,
    oids.BOOL: scalars.read_boolean,
    oids.FLOAT4: floats.read_float4,
    oids.FLOAT8: floats.read_float8,
    oids.TEXT: text.read_text,
    oids.UNKNOWN: text.read_text,
    oids.CSTRING: text.read_text,
    oids.REFCURSOR: text.read_text,
    oids.NAME: text.read_name,
    oids.CHAR: text.read_char,
    oids.BYTEA: scalars.read_bytea,
    oids.UUID: scalars.read_uuid,
    oids.JSON: json_text.read_json,
    oids.JSONB: json_text.read_jsonb,
    oids.PG_LSN: reg.read_lsn,
    oids.INET: network.read_inet,
    oids.CIDR: network.read_cidr,
    oids.MACADDR: network.mac_reader(6),
    oids.MACADDR8: network.mac_reader(8),
    oids.MONEY: money.read_money,
    oids.TID: reg.read_tid,
    oids.VOID: lambda spelling: "",
    oids.ACLITEM: reg.read_aclitem,
    oids.INT2VECTOR: arrays.vector_reader(integers.read_int2),
    oids.OIDVECTOR: arrays.vector_reader(integers.read_oid),
}


def text_decoder(type_: SqlType, io: IoContext) -> TextDecoder:
    """The function that reads a value of the type from text and fits it to the modifier
    as an assignment does.

    It raises a DataError for malformed text.  Raises NotSupportedError for a type that has no text input.
    """
    oid, typmod = type_.oid, type_.typmod
    decoder = _TEXT_DECODERS.get(oid)
    if decoder is not None:
        return decoder
    if oid == oids.VARCHAR:
        return text.varchar_reader(typmod) if typmod >= 4 else text.read_text
    if oid == oids.BPCHAR:
        return text.bpchar_reader(typmod) if typmod >= 4 else text.read_bpchar
    if oid == oids.NUMERIC:
        return _numeric_decoder(typmod)
    if oid in oids.BITS:
        return bits.bit_reader(typmod) if oid == oids.BIT else bits.varbit_reader(typmod)
    if oid in _TIME_READERS:
        return _datetime_decoder(oid, typmod, io.input_context)
    if oid == oids.INTERVAL:
        return interval_input.interval_reader(typmod, io.interval_style)
    if oid in oids.REG_TYPES:
        return reg.reg_reader(oid, io.names)
    if oid in GRAPH_OIDS:
        return graph_text.text_decoder(oid, io)
    if is_enum(oid):
        return _enum_decoder(io.types.enum(oid))
    if is_composite(oid):
        return _composite_decoder(oid, io)
    range_kind = ranges.kind_of(oid)
    if range_kind is not None:
        read = ranges.range_reader(range_kind, text_decoder(SqlType(range_kind.element_oid), io))
        return read if oid == range_kind.oid else ranges.multirange_reader(range_kind, read)
    element = _array_element(oid)
    if element is None:
        raise _no_input(oid)
    return arrays.array_reader(text_decoder(SqlType(element.oid, typmod), io), element.delimiter)


def _type_of(field: Field) -> SqlType:
    return SqlType(field.type_oid, field.typmod)


def _composite_decoder(oid: int, io: IoContext) -> TextDecoder:
    composite = io.types.composite(oid)
    fields = [text_decoder(_type_of(each), io) for each in composite.fields]

    def read(spelling: str) -> Composite:
        texts = arrays.record_fields(spelling, len(fields))
        values = [None if part is None else field(part) for field, part in zip(fields, texts, strict=True)]
        return Composite(composite.types, composite.items(values))

    return read


def _row_packer(types: Sequence[SqlType], io: IoContext) -> BinaryEncoder:
    """Packs rows of fields of these types."""
    fields = [(each.oid, binary_encoder(each, io)) for each in types]
    return lambda value: arrays.pack_record(
        [
            (each, None if item is None else pack(item))
            for (each, pack), item in zip(fields, value, strict=True)
        ]
    )


def _record_packer(io: IoContext) -> BinaryEncoder:
    """Packs each field as its type does; the fields' packers are found once per row type."""
    packers: dict[tuple[SqlType, ...], BinaryEncoder] = {}

    def pack(value: tuple[object, ...]) -> bytes:
        if not isinstance(value, Record):  # a function gave it, and nobody knows its fields' types
            raise _unsupported(SqlType(oids.RECORD), "binary output")
        packer = packers.get(value.types)
        if packer is None:
            packer = packers[value.types] = _row_packer(value.types, io)
        return packer(value)

    return pack


def _composite_packer(oid: int, io: IoContext) -> BinaryEncoder:
    fields = io.types.composite(oid).fields
    packers = [(each.number, each.type_oid, binary_encoder(_type_of(each), io)) for each in fields]

    def pack(value: Composite) -> bytes:
        parts: list[tuple[int, bytes | None]] = []
        for number, type_oid, encode in packers:
            item = value.item(number)
            parts.append((type_oid, None if item is None else encode(item)))
        return arrays.pack_record(parts)

    return pack


def _composite_unpacker(oid: int, io: IoContext) -> BinaryDecoder:
    composite = io.types.composite(oid)
    oids_of_fields = [each.type_oid for each in composite.fields]
    fields = [binary_decoder(_type_of(each), io) for each in composite.fields]

    def unpack(data: bytes) -> Composite:
        parts = arrays.unpack_record(data, oids_of_fields)
        values = [None if part is None else read(part) for read, part in zip(fields, parts, strict=True)]
        return Composite(composite.types, composite.items(values))

    return unpack


def _enum_decoder(values: EnumValues) -> TextDecoder:
    return values.value


def _no_input(oid: int) -> NotSupportedError | UndefinedFunction:
    info = find_type(oid)
    if oid == oids.RECORD:
        return NotSupportedError("input of anonymous composite types is not implemented")
    if info is not None and info.is_pseudo:
        return NotSupportedError(f"cannot accept a value of type {info.name}")
    return _unsupported(SqlType(oid), "text input")


def _numeric_decoder(typmod: int) -> TextDecoder:
    if typmod < 0:
        return numeric.read_numeric

    def read(spelling: str) -> Any:
        return numeric.apply_typmod(numeric.read_numeric(spelling), typmod)

    return read


_TIME_READERS: dict[int, Callable[[str, InputContext], Any]] = {
    oids.DATE: datetimes.read_date,
    oids.TIME: datetimes.read_time,
    oids.TIMETZ: datetimes.read_timetz,
    oids.TIMESTAMP: datetimes.read_timestamp,
    oids.TIMESTAMPTZ: datetimes.read_timestamptz,
}


def _datetime_decoder(oid: int, typmod: int, context: InputContext) -> TextDecoder:
    reader = _TIME_READERS[oid]
    if typmod < 0 or oid == oids.DATE:
        return lambda spelling: reader(spelling, context)
    if oid == oids.TIMETZ:
        return lambda spelling: datetimes.round_timetz(reader(spelling, context), typmod)
    return lambda spelling: datetimes.round_microseconds(reader(spelling, context), typmod)


# --- binary -------------------------------------------------------------------------------------------------

_INTEGER_SIZES: dict[int, int] = {
    oids.INT2: 2,
    oids.INT4: 4,
    oids.INT8: 8,
    **{oid: -4 for oid in oids.OID_LIKE},
    oids.XID8: -8,
    oids.PG_LSN: -8,
    oids.MONEY: 8,
    oids.DATE: 4,
    oids.TIME: 8,
    oids.TIMESTAMP: 8,
    oids.TIMESTAMPTZ: 8,
}
_BINARY_AS_TEXT = frozenset(
    (oids.TEXT, oids.VARCHAR, oids.NAME, oids.JSON, oids.UNKNOWN, oids.CSTRING, oids.REFCURSOR)
)
_TIMETZ_BYTES = 12

_BINARY_ENCODERS: dict[int, BinaryEncoder] = {
    **{oid: integers.integer_packer(size) for oid, size in _INTEGER_SIZES.items()},
    **{oid: str.encode for oid in _BINARY_AS_TEXT},
    oids.CHAR: text.pack_char,
    oids.BOOL: scalars.pack_boolean,
    oids.FLOAT4: floats.pack_float4,
    oids.FLOAT8: floats.pack_float8,
    oids.NUMERIC: numeric.pack_numeric,
    oids.BYTEA: _same,
    oids.UUID: _same,
    oids.TIMETZ: _same,
    oids.INTERVAL: interval.pack_for_wire,
    oids.JSONB: json_text.pack_jsonb,
    oids.INET: network.address_packer(False),
    oids.CIDR: network.address_packer(True),
    oids.MACADDR: _same,
    oids.MACADDR8: _same,
    oids.BIT: bits.pack_bits,
    oids.VARBIT: bits.pack_bits,
    oids.VOID: lambda value: b"",
    oids.TID: reg.pack_tid,
}


def binary_encoder(type_: SqlType, io: IoContext) -> BinaryEncoder:
    """The function that gives a non-null value's binary form.
    Raises NotSupportedError for a type without one."""
    encoder = _BINARY_ENCODERS.get(type_.oid)
    if encoder is not None:
        return encoder
    if type_.oid == oids.BPCHAR or is_enum(type_.oid):
        writer = text_encoder(type_, io)
        return lambda value: writer(value).encode()
    if type_.oid in GRAPH_OIDS:
        return graph_text.binary_encoder(type_.oid, io)
    if is_composite(type_.oid):
        return _composite_packer(type_.oid, io)
    if type_.oid == oids.RECORD:
        return _record_packer(io)
    range_kind = ranges.kind_of(type_.oid)
    if range_kind is not None:
        pack = ranges.range_packer(binary_encoder(SqlType(range_kind.element_oid), io))
        return pack if type_.oid == range_kind.oid else ranges.multirange_packer(pack)
    info = find_type(type_.oid)
    if info is None or info.category != "A" or info.is_pseudo:
        raise _unsupported(type_, "binary output")
    element = SqlType(info.element_oid, type_.typmod)
    lower_bound = 0 if type_.oid in oids.VECTORS else 1
    return arrays.array_packer(element.oid, binary_encoder(element, io), lower_bound)


def binary_decoder(type_: SqlType, io: IoContext) -> BinaryDecoder:
    """The function that reads a value's binary form and fits it to the modifier.

    It raises InvalidBinaryRepresentation and other DataErrors.
    Raises NotSupportedError for a type without a form.
    """
    oid = type_.oid
    size = _INTEGER_SIZES.get(oid)
    if size is not None:
        return _integer_decoder(size, type_)
    decoder = _BINARY_DECODERS.get(oid)
    if decoder is not None:
        return _fitted(decoder, type_)
    if oid in _BINARY_AS_TEXT or oid in (oids.BPCHAR, oids.JSONB) or is_enum(oid):
        reader = text_decoder(type_, io)
        return (
            json_text.jsonb_unpacker(reader) if oid == oids.JSONB else lambda data: reader(decode_utf8(data))
        )
    if oid in GRAPH_OIDS:
        return graph_text.binary_decoder(oid, io)
    if is_composite(oid):
        return _composite_unpacker(oid, io)
    range_kind = ranges.kind_of(oid)
    if range_kind is not None:
        unpack = ranges.range_unpacker(range_kind, binary_decoder(SqlType(range_kind.element_oid), io))
        return unpack if oid == range_kind.oid else ranges.multirange_unpacker(range_kind, unpack)
    info = find_type(oid)
    if info is None or info.category != "A" or info.is_pseudo:
        raise _unsupported(type_, "binary input")
    element = SqlType(info.element_oid, type_.typmod)
    return arrays.array_unpacker(element.oid, binary_decoder(element, io))


def decode_utf8(data: bytes) -> str:
    """Text that came as bytes.  Raises CharacterNotInRepertoire."""
    try:
        return data.decode()
    except UnicodeDecodeError as problem:
        raise text.invalid_utf8(data, problem.start) from None


def _integer_decoder(size: int, type_: SqlType) -> BinaryDecoder:
    if type_.typmod >= 0 and type_.oid in (oids.TIME, oids.TIMESTAMP, oids.TIMESTAMPTZ):
        precision = type_.typmod
        return lambda data: datetimes.round_microseconds(integers.unpack_integer(data, size), precision)
    return lambda data: integers.unpack_integer(data, size)


_BINARY_DECODERS: dict[int, BinaryDecoder] = {
    oids.TID: reg.unpack_tid,
    oids.VOID: lambda data: "",
    oids.CHAR: text.unpack_char,
    oids.BOOL: scalars.unpack_boolean,
    oids.FLOAT4: floats.unpack_float4,
    oids.FLOAT8: floats.unpack_float8,
    oids.NUMERIC: numeric.unpack_numeric,
    oids.BYTEA: bytes,
    oids.UUID: scalars.unpack_uuid,
    oids.TIMETZ: lambda data: _sized(data, _TIMETZ_BYTES),
    oids.INTERVAL: interval.unpack_from_wire,
    oids.INET: network.address_unpacker(False),
    oids.CIDR: network.address_unpacker(True),
    oids.MACADDR: network.mac_unpacker(6),
    oids.MACADDR8: network.mac_unpacker(8),
    oids.BIT: bits.unpack_bits,
    oids.VARBIT: bits.unpack_bits,
}


def _sized(data: bytes, size: int) -> bytes:
    if len(data) != size:
        raise InvalidBinaryRepresentation("incorrect binary data format")
    return data


def _fitted(decoder: BinaryDecoder, type_: SqlType) -> BinaryDecoder:
    """`decoder` followed by the modifier's rounding, where there is one."""
    typmod = type_.typmod
    if typmod < 0:
        return decoder
    if type_.oid == oids.NUMERIC:
        return lambda data: numeric.apply_typmod(decoder(data), typmod)
    if type_.oid == oids.BIT:
        return lambda data: bits.fit_bit(decoder(data), typmod, False)
    if type_.oid == oids.VARBIT:
        return lambda data: bits.fit_varbit(decoder(data), typmod, False)
    if type_.oid == oids.INTERVAL:
        return lambda data: interval.apply_typmod(decoder(data), typmod)
    return decoder
