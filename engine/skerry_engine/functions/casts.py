"""Casts: from which type to which, by what function, and how readily.

    context   who may use it                       example
    'i'       anyone, implicitly                   int4 -> int8
    'a'       assignment to a column, and 'e'      int8 -> int4
    'e'       CAST or :: only                      text -> int4 (by text I/O)

Facts are pg_cast's (`data/casts.tsv`).  Beyond them, as in PostgreSQL, arrays cast element by element, and
any type casts to and from the string types through its text form (`io_cast`): to a string type on assignment,
from one explicitly.  `find_coercion` puts it all together; it is what binders call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache

from skerry_engine.abc import FunctionContext
from skerry_engine.functions.output import decoder_of, encoder_of
from skerry_engine.functions.registry import Function, on_redefinition, read_facts, scalar_function
from skerry_engine.values import oids
from skerry_engine.values.records import Composite, Record, record_maker
from skerry_engine.values.types import SqlType, find_type
from skerry_engine.values.user_types import UserTypes, is_composite, is_composite_or_array

TEXT_FORM = "text"
"""The `form` of functions that `io_cast` made."""

ELEMENTS_FORM = "elements"
"""The `form` of functions that `element_wise` made of their `base`."""

DOMAIN_FORM = "domain"
"""The `form` of functions that `domain_check` made."""

CONTEXT_RANK = {"i": 0, "a": 1, "e": 2}
"""How much a context permits: an explicit cast may use what assignment may,
and that what an implicit one may."""


@dataclass(frozen=True, slots=True, eq=False)
class Cast:
    """A row of pg_cast.  `method`: 'f' function, 'b' binary-coercible (only the label changes),
    'i' by text I/O."""

    oid: int
    source: int
    target: int
    context: str
    method: str
    function: Function | None


@dataclass(frozen=True, slots=True, eq=False)
class Coercion:
    """How to get from one type to another.  `kind`: 'relabel' (function None), 'function', 'io' or 'array'.

    The function takes the value, and where it declares more arguments also the target's typmod and whether
    the cast is explicit.
    """

    kind: str
    function: Function | None


RELABEL = Coercion("relabel", None)

_casts: dict[tuple[int, int], Cast] = {}


def find_cast(source: int, target: int) -> Cast | None:
    """The pg_cast row for the two types, or None."""
    _load()
    return _casts.get((source, target))


def all_casts() -> Iterable[Cast]:
    """Every row of pg_cast, by source and target."""
    _load()
    return _casts.values()


def length_coercion(type_oid: int) -> Function | None:
    """The function that applies a type modifier: (value, typmod) or (value, typmod, explicit);
    None if there is none.

    For an array type it works on the elements.
    """
    info = find_type(type_oid)
    if info is not None and info.is_array:
        return _array_length_coercion(info.element_oid, type_oid)
    cast = find_cast(type_oid, type_oid)
    if cast is not None:
        return cast.function
    own = _RANGE_FUNCTIONS.get(type_oid)
    return None if own is None else scalar_function(own)


_RANGE_FUNCTIONS = {oids.INT8: 9296, oids.FLOAT8: 9297, oids.BYTEA: 9298}
"""What applies the modifiers that GQL's narrow types are (`graph_types`); SQL has none for these types."""


BLANK_PADDING = Function(
    9013, "bpchar_pad", (oids.BPCHAR, oids.INT4), oids.BPCHAR, lambda value, length: value.ljust(length)
)
"""(value, length) -> a char(n) with its trailing blanks, which atoms do not carry."""


@lru_cache(maxsize=4096)
def find_coercion(source: int, target: int, context: str) -> Coercion | None:
    """The way from one type to another in a context ('i', 'a', 'e'); None if there is none.

    Polymorphic pseudo-types and unknown literals are the resolver's and the binder's business,
    not this function's.
    """
    if source == target or (target == oids.RECORD and is_composite(source)):
        return RELABEL  # records of composite values are the binder's business
    if target in _GRAPH_OIDS or source in _GRAPH_OIDS:
        found = _graph_coercion(source, target, context)
        if found is not None:
            return found
    cast = find_cast(source, target)
    if cast is not None:
        if CONTEXT_RANK[context] < CONTEXT_RANK[cast.context]:
            return None
        return _cast_coercion(cast)
    array = _array_coercion(source, target, context)
    if array is not None:
        return array
    return _text_coercion(source, target, context)


def is_binary_coercible(source: int, target: int) -> bool:
    """Whether a value of `source` is one of `target` as it stands."""
    if source == target:
        return True
    cast = find_cast(source, target)
    return cast is not None and cast.method == "b" and cast.context == "i"


def is_string_type(type_oid: int) -> bool:
    """Whether the type is of the string category."""
    info = find_type(type_oid)
    return info is not None and info.category == "S"


# --- composite types ------------------------------------------------------------------------------------------

MAKER_FORM = "composite"
"""The `form` of functions that `composite_maker` made."""
ATTRIBUTE_FORM = "attribute"
"""The `form` of functions that `attribute_getter` made."""


FIELDS_FORM = "fields"
"""The `form` of functions that `record_of` made."""
TIDY_FORM = "tidy"
"""The `form` of functions that `tidied` made."""


@lru_cache(maxsize=1024)
def composite_maker(composite: int) -> Function:
    """The function that makes a value of a composite type of a record of all attributes that the type has ever had."""

    def make(record: Record) -> Composite:
        return Composite(tuple([each.oid for each in record.types]), tuple(record))

    return Function(0, "row", (oids.RECORD,), composite, make, form=MAKER_FORM)


@lru_cache(maxsize=4096)
def attribute_getter(composite: int, number: int, name: str, type_oid: int) -> Function:
    """The function that gives the attribute with that number (from 0) of a value."""

    def get(value: Composite) -> object:
        return value.item(number)

    return Function(0, name, (composite,), type_oid, get, arg_names=(str(number),), form=ATTRIBUTE_FORM)


@lru_cache(maxsize=1024)
def attribute_setter(composite: int, number: int, types: tuple[int, ...]) -> Function:
    """The function that gives a value (or NULL, for which all is NULL) with another value of the attribute with that
    number (from 0); `types` are the OIDs of all attributes' types.  It stands in statements that change rows alone."""

    def put(value: Composite | None, item: object) -> Composite:
        items = list(() if value is None else value.items)
        items += [None] * (len(types) - len(items))
        items[number] = item
        return Composite(types, tuple(items))

    return Function(0, "put", (composite, types[number]), composite, put, strict=False)


@lru_cache(maxsize=1024)
def record_of(composite: int, fields: tuple[tuple[int, int, int], ...]) -> Function:
    """The function that makes a record of a value.  `fields` are attributes' numbers, types' OIDs and modifiers."""
    make = record_maker(tuple(SqlType(oid, typmod) for _, oid, typmod in fields))
    numbers = [number for number, _, _ in fields]

    def convert(value: Composite) -> Record:
        return make(tuple([value.item(number) for number in numbers]))

    names = tuple(" ".join(map(str, field)) for field in fields)
    return Function(0, "record", (composite,), oids.RECORD, convert, arg_names=names, form=FIELDS_FORM)


@lru_cache(maxsize=1024)
def tidied(type_oid: int) -> Function:
    """The function that forgets, in values of a composite type or an array of one, attributes that were dropped."""

    def convert(context: FunctionContext, value: object) -> object:
        return _tidied(context.io.types, type_oid, value)

    return Function(0, "tidied", (type_oid,), type_oid, convert, needs_context=True, form=TIDY_FORM)


def _tidied(types: UserTypes, oid: int, value: object) -> object:
    if isinstance(value, tuple):
        return tuple([_tidied(types, oid, item) for item in value])
    if not isinstance(value, Composite):
        return value
    fields = types.composite(oid & ~1)
    items: list[object] = [None] * len(value.items)
    for field in fields.fields:
        if field.number < len(items):
            item = value.items[field.number]
            is_nested = is_composite_or_array(field.type_oid)
            items[field.number] = _tidied(types, field.type_oid, item) if is_nested else item
    return Composite(value.types, tuple(items))


# --- domains ------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def domain_check(base: int, domain: int) -> Function:
    """The function that gives a value back that a domain (or an array of one) takes.  It returns the domain's OID as
    its type; what the domain says is asked for at each call."""

    def check(context: FunctionContext, value: object) -> object:
        context.check_domain(domain, value)
        return value

    return Function(
        oid=0,
        name="domain_check",
        arg_types=(base,),
        return_type=domain,
        implementation=check,
        strict=False,
        needs_context=True,
        volatility="s",
        form=DOMAIN_FORM,
    )


# --- text I/O -----------------------------------------------------------------------------------------------

_SETTINGS_FREE = frozenset(
    (
        *(
            oids.BOOL,
            oids.INT2,
            oids.INT4,
            oids.INT8,
            oids.OID,
            oids.NUMERIC,
            oids.TEXT,
            oids.VARCHAR,
            oids.NAME,
        ),
        *(oids.CHAR, oids.UUID, oids.JSON, oids.JSONB),
        *(*oids.NETWORK, *oids.BITS, oids.MONEY),
    )
)
"""Types whose text form depends on no setting."""


@lru_cache(maxsize=1024)
def io_cast(source: int, target: int) -> Function:
    """The cast through the text form: the source's output function, then the target's input function."""
    from skerry_engine.values.io import DEFAULT_IO, text_decoder, text_encoder

    target_is_string = is_string_type(target) and target != oids.CHAR and target != oids.NAME

    encode, decode = encoder_of(source), decoder_of(target)

    def through_text(context: FunctionContext, value: object) -> object:
        return decode(context, encode(context, value))

    settings_free = source in _SETTINGS_FREE and target in _SETTINGS_FREE
    if settings_free:
        implementation: Callable[..., object] = _composed(
            text_encoder(SqlType(source), DEFAULT_IO),
            text_decoder(SqlType(target), DEFAULT_IO),
            target_is_string,
        )
    elif target_is_string:
        implementation = encode
    elif is_string_type(source):
        implementation = decode
    else:
        implementation = through_text
    return Function(
        oid=0,
        name="text_io",
        arg_types=(source,),
        return_type=target,
        implementation=implementation,
        needs_context=not settings_free,
        template=_IO_TEMPLATES.get((source, target)),
        volatility="i" if settings_free else "s",
        form=TEXT_FORM,
    )


_IO_TEMPLATES = {
    (source, target): "str({0})"
    for source in (oids.INT2, oids.INT4, oids.INT8, oids.OID)
    for target in (oids.TEXT, oids.VARCHAR)
}


def _composed(
    encode: Callable[[object], str], decode: Callable[[str], object], encode_only: bool
) -> Callable[[object], object]:
    return encode if encode_only else lambda value: decode(encode(value))


# --- helpers ------------------------------------------------------------------------------------------------


def _load() -> None:
    if _casts:
        return
    for row in read_facts("casts.tsv"):
        oid, source, target, context, method, function = row
        implementation = scalar_function(int(function)) if method == "f" else None
        cast = Cast(int(oid), int(source), int(target), context, method, implementation)
        _casts[(cast.source, cast.target)] = cast


def _cast_coercion(cast: Cast) -> Coercion:
    if cast.method == "b":
        return RELABEL
    if cast.method == "i" or cast.function is None:
        return Coercion("io", io_cast(cast.source, cast.target))
    return Coercion("function", cast.function)


_GRAPH_OIDS = oids.GRAPH_TYPES | oids.GRAPH_ARRAYS.keys()
_JSON_TYPES = (oids.JSON, oids.JSONB)


def _graph_coercion(source: int, target: int, context: str) -> Coercion | None:
    """Casts from and to the types of graphs (functions/dynamic.py).

    None is implicit: SQL resolves its functions and operators without them.  Into ANYVALUE everything goes on
    assignment; out of it, and between lists, only an explicit cast does, as it may fail.
    """
    from skerry_engine.functions import dynamic

    if context == "i":
        return None
    if target == oids.ANYVALUE:
        function = dynamic.to_any(source)
        return RELABEL if function is None else Coercion("function", function)
    source_info, target_info = find_type(source), find_type(target)
    if source_info is not None and target_info is not None and source_info.is_array and target_info.is_array:
        if context == "a" and target != oids.ANYVALUE_ARRAY:
            return None
        return Coercion("function", dynamic.list_conversion(source, target))
    if target in _JSON_TYPES:
        return Coercion("io", io_cast(source, target))
    if context == "a":
        return None
    if source == oids.ANYVALUE:
        return Coercion("function", dynamic.from_any(target))
    if source in _JSON_TYPES and target == oids.GRAPHRECORD:
        return Coercion("function", dynamic.json_conversion(source, target))
    return None


def _text_coercion(source: int, target: int, context: str) -> Coercion | None:
    rank = CONTEXT_RANK[context]
    if rank >= CONTEXT_RANK["a"] and is_string_type(target):
        return Coercion("io", io_cast(source, target))
    if rank >= CONTEXT_RANK["e"] and is_string_type(source):
        return Coercion("io", io_cast(source, target))
    return None


def _array_coercion(source: int, target: int, context: str) -> Coercion | None:
    source_info, target_info = find_type(source), find_type(target)
    if source_info is None or target_info is None or not target_info.is_array:
        return None
    if not source_info.is_array and source not in oids.VECTORS:
        return None
    element = find_coercion(source_info.element_oid, target_info.element_oid, context)
    if element is None:
        return None
    if element.function is None:
        return RELABEL
    return Coercion("array", element_wise(element.function, source, target))


def _array_length_coercion(element: int, array: int) -> Function | None:
    coercion = length_coercion(element)
    return None if coercion is None else element_wise(coercion, array, array)


def element_wise(function: Function, source: int, target: int) -> Function:
    """The function for arrays that applies `function` to each element, NULLs staying NULL."""
    inner = function.implementation
    assert inner is not None, function.name
    declared = len(function.arg_types)

    def each(value: object, call: Callable[[object], object]) -> object:
        if value is None:
            return None
        if isinstance(value, tuple):
            return tuple([each(item, call) for item in value])
        return call(value)

    def plain(value: object, *rest: object) -> object:
        return each(value, lambda item: inner(item, *rest))

    def with_context(context: FunctionContext, value: object, *rest: object) -> object:
        return each(value, lambda item: inner(context, item, *rest))

    return Function(
        oid=0,
        name=function.name,
        arg_types=(source, *function.arg_types[1:declared]),
        return_type=target,
        implementation=with_context if function.needs_context else plain,
        needs_context=function.needs_context,
        volatility=function.volatility,
        form=ELEMENTS_FORM,
        base=function,
    )


def _forget() -> None:
    """What was looked up before all functions were defined holds some without implementation."""
    _casts.clear()
    find_coercion.cache_clear()


on_redefinition(_forget)
