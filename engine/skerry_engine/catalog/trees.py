"""Immutable objects as JSON trees: the form in which log and base keep the catalog.

    null, true, 7, 1.5, "text"                      None, bool, int, float, str
    [1, 2]                                           tuple
    {"@": "Column", "name": "a", "attnum": 1, ...}   an object: its kind, then its fields by name
    {"@": "bytes", "hex": "00ff"}                    bytes; "decimal" and "float" (infinities, NaN), by text; "int"
                                                     beyond 63 bits, in hexadecimal; functions, by recipe

The kinds are a whitelist: dataclasses of the algebra and of the catalog, all fields checked against their
annotations when they are read.  So what comes back has the form that its class says, whatever the bytes were.

For versions to come:
- A field may be added if it has a default: older trees lack it.  Its default stands for what older versions did,
  and never changes: fields that have their default's value are not written.
- A kind, or a field, that this version does not know is IncompatibleFormat: it may matter.
- A field or kind that goes away, or changes its type, needs another `format` number (see `codec`) and code that
  reads the older one.

What this module does not do: it knows nothing of catalogs (how their objects hang together: `codec`), and has no
checksums, which belong to whoever frames the bytes.
"""

from __future__ import annotations

import json
import math
import types
import typing
from collections.abc import Callable, Iterator
from dataclasses import MISSING, dataclass, fields, replace
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final, NoReturn, Union

from skerry_engine.algebra import expressions as ex
from skerry_engine.algebra import labels as lb
from skerry_engine.algebra import paths as pt
from skerry_engine.algebra import queries as q
from skerry_engine.catalog import flow_state as fs
from skerry_engine.catalog import graphs as gr
from skerry_engine.catalog import objects as ob
from skerry_engine.catalog import user_types as ut
from skerry_engine.errors import DatabaseDamaged, IncompatibleFormat, NotSupportedError, StatementTooComplex
from skerry_engine.functions.recipes import Recipe, make_function, recipe_of
from skerry_engine.functions.registry import AggregateFunction, AnyFunction, Function
from skerry_engine.values.ranges import Multirange, Range
from skerry_engine.values.records import Composite
from skerry_engine.values.types import SqlType

KIND: Final = "@"
"""The key under which an object's kind stands."""

LARGEST_INT: Final = (1 << 63) - 1

Check = Callable[[object], object]
"""Gives a field's value as its annotation wants it (tuples for lists).  Raises DatabaseDamaged."""


def damaged(what: str) -> NoReturn:
    """Raise DatabaseDamaged for bytes that are no catalog."""
    raise DatabaseDamaged(f"the catalog is damaged: {what}")


# --- fields -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a kind.  `default` is what a missing one stands for, MISSING where none may be missing."""

    name: str
    check: Check
    default: object


def _is_default(value: object, default: object) -> bool:
    """Whether a value is its field's default exactly: 0 is not False, and -0.0 not 0."""
    return value is default or (
        type(value) is type(default) and type(value) is not float and value == default
    )


def _exactly(expected: type, shown: str) -> Check:
    def check(value: object) -> object:
        if type(value) is not expected:
            damaged(f"{shown} is missing")
        return value

    return check


def _instance(expected: type | tuple[type, ...], shown: str) -> Check:
    def check(value: object) -> object:
        if not isinstance(value, expected):
            damaged(f"{shown} is missing")
        return value

    return check


def _or_none(check: Check) -> Check:
    return lambda value: None if value is None else check(value)


def _each(check: Check) -> Check:
    def check_all(value: object) -> object:
        if type(value) is not list:
            damaged("a list is missing")
        return tuple([check(item) for item in value])

    return check_all


def _in_turn(checks: tuple[Check, ...]) -> Check:
    def check_all(value: object) -> object:
        if type(value) is not list or len(value) != len(checks):
            damaged(f"a list of {len(checks)} is missing")
        return tuple([check(item) for check, item in zip(checks, value, strict=True)])

    return check_all


_ATOMS = frozenset((type(None), bool, int, float, str, bytes, Decimal, Composite, Range, Multirange))


def _atom(value: object) -> object:
    """A stored value: an atom, or a tuple (an array) of them; what is in rows and ranges has been checked."""
    if type(value) is list:
        return tuple([_atom(item) for item in value])
    if type(value) not in _ATOMS:
        damaged(f"{type(value).__name__} where a value is expected")
    return value


def _check_of(annotation: Any) -> Check:
    """The check for an annotation.  Raises TypeError for one that no tree can have."""
    if annotation is object:
        return _atom
    if annotation in (int, str, bool):
        return _exactly(annotation, annotation.__name__)
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is tuple:
        if len(args) == 2 and args[1] is Ellipsis:
            return _each(_check_of(args[0]))
        return _in_turn(tuple(map(_check_of, args)))
    if origin in (Union, types.UnionType):
        others = tuple(each for each in args if each is not type(None))
        check = _check_of(others[0]) if len(others) == 1 else _instance(others, others[0].__name__)
        return _or_none(check) if len(others) < len(args) else check
    if isinstance(annotation, type) and origin is None:
        return _instance(annotation, annotation.__name__)
    raise TypeError(f"no tree can have {annotation}")


# --- kinds --------------------------------------------------------------------------------------------------


class Kind:
    """A dataclass on the whitelist.  `left_out` are fields that trees do not have; `annotations` stand for the
    class's own where a tree has something else, which `prepare` makes.  `make` takes the fields of what is read.
    """

    def __init__(
        self,
        name: str,
        cls: type,
        left_out: tuple[str, ...] = (),
        annotations: dict[str, Any] | None = None,
        prepare: Callable[[Any], object] = lambda value: value,
        make: Callable[..., object] | None = None,
    ) -> None:
        self.name = name
        self.cls = cls
        self._make = make or cls
        self._prepare = prepare
        hints = annotations or {}
        if any(each.name not in hints for each in fields(cls)):
            names = _NAMES | _ALGEBRA if cls.__module__ in _FAMILIES else _NAMES
            hints = {**typing.get_type_hints(cls, None, names), **hints}
        self.fields = tuple(
            Field(each.name, _check_of(hints[each.name]), each.default)
            for each in fields(cls)
            if each.name not in left_out
        )
        self._checks = {field.name: field.check for field in self.fields}
        self._required = {field.name for field in self.fields if field.default is MISSING}

    def parts(self, value: object) -> Iterator[tuple[str, object]]:
        """The fields that a tree of the object has, with their values."""
        value = self._prepare(value)
        for field in self.fields:
            part = getattr(value, field.name)
            if not _is_default(part, field.default):
                yield field.name, part

    def decode(self, tree: dict[str, object]) -> object:
        """The object whose fields are already decoded.  Raises DatabaseDamaged, IncompatibleFormat."""
        checks = self._checks
        found: dict[str, Any] = {}
        for name, value in tree.items():
            check = checks.get(name)
            if check is None:
                raise IncompatibleFormat(
                    f'the catalog has a field that is not known: "{name}" of {self.name}'
                )
            found[name] = check(value)
        if not self._required <= found.keys():
            damaged(f"{self.name} without {', '.join(sorted(self._required - found.keys()))}")
        return self._make(**found)


@dataclass(frozen=True, slots=True)
class _Text:
    """What is kept as text: `bytes`, `decimal`, `float`."""

    text: str


_NAMES: dict[str, Any] = {
    "Expr": ex.Expr,
    "Query": q.Query,
    "Function": Function,
    "AggregateFunction": AggregateFunction,
}
"""Names that annotations use and that their modules import for type checkers only."""
_ALGEBRA: Final = {"Relation": q.Relation}
"""Likewise in the algebra's modules; in the catalog's the name means something else."""

_EXPRESSIONS: Final = (
    *(ex.Const, ex.Column, ex.Call, ex.Cast, ex.And, ex.Or, ex.Not, ex.IsNull, ex.IsTruth),
    *(ex.IsDistinct, ex.Case, ex.Coalesce, ex.NullIf, ex.Extreme, ex.ArrayOf, ex.Subscript, ex.RowOf),
    *(ex.AnyAll, ex.SubqueryExpr, ex.SortKey, ex.Aggregate, ex.Frame, ex.WindowCall, ex.SystemColumn),
    *(ex.RowId, ex.WholeRow, ex.Property, ex.ValueProperty, ex.HasLabels, ex.ValueHasLabels),
    *(ex.ElementValue, ex.PathValue, ex.RecordOf),
)
_LABELS: Final = (lb.Label, lb.AnyLabel, lb.Directed, lb.AllOf, lb.AnyOf, lb.NotLabel)
_PATHS: Final = (
    *(pt.PathElement, pt.PathSegment, pt.PathSequence, pt.PathChoice, pt.PathRepeat, pt.PathGroup),
    *(pt.PathLookup, pt.PathOutput, pt.PathSelector),
)
_QUERIES: Final = (
    *(q.OutputColumn, q.OneRow, q.Scan, q.Values, q.FunctionScan, q.Derived, q.CteScan),
    *(q.Join, q.Filter, q.Aggregation, q.Window, q.ProjectSet, q.RowLock, q.Select, q.SetOperation, q.Cte),
    *(q.EdgeWays, q.PathSearch, q.GraphProcedure, q.GraphTable, q.With),
)
"""What a view's query can be made of; not what changes rows, which no view may do, nor what stands for literals
lifted from a statement (Param, RowTemplate) or for rows of its earlier parts (Bindings)."""
_WITH_QUERIES: Final = (ob.View, ob.MaterializedView)
_FAMILIES: Final = {ex.__name__: "expr", q.__name__: "query", lb.__name__: "label", pt.__name__: "path"}


_ROLES_AND_RIGHTS: Final = (
    *(ob.Role, ob.Membership, ob.StartSettings),
    *(ob.Right, ob.ColumnRights, ob.DefaultRights),
)


def _all_kinds() -> Iterator[Kind]:
    for cls in (*_EXPRESSIONS, *_LABELS, *_PATHS, *_QUERIES):
        yield Kind(f"{_FAMILIES[cls.__module__]}.{cls.__name__}", cls)
    yield Kind("SqlType", SqlType, annotations={"oid": int, "typmod": int, "domain": int}, make=_shared_type)
    plain = (ob.Address, ob.StoredExpression, ob.Column, ob.Constraint, ob.IndexKey, ob.Schema)
    for each in (*plain, *_ROLES_AND_RIGHTS):
        yield Kind(each.__name__, each)
    parts_of_graphs = (gr.PropertyType, gr.NodeType, gr.EdgeType, gr.ElementRule, gr.ElementTypes)
    parts_of_mappings = (
        gr.ElementConstraint,
        gr.ElementProperty,
        gr.ElementLabel,
        gr.ElementEnd,
        gr.GraphElement,
    )
    for part in (*parts_of_graphs, *parts_of_mappings):
        yield Kind(part.__name__, part)
    for relation in (
        ob.IndexDef,
        ob.SequenceDef,
        ob.ViewStateIndex,
        gr.ElementIndex,
        gr.PropertyIndex,
        fs.StateIndex,
    ):
        yield Kind(relation.__name__, relation, ("version",))
    for graph in (gr.Graph, gr.GraphType, gr.PropertyGraph):
        yield Kind(graph.__name__, graph, ("version",))
    yield Kind("EnumLabel", ut.EnumLabel)
    yield Kind("EnumType", ut.EnumType, ("version",))
    yield Kind("DomainType", ut.DomainType, ("version",))
    for value in (Composite, Range, Multirange):
        yield Kind(value.__name__, value)
    yield Kind("Attribute", ut.Attribute)
    yield Kind("CompositeType", ut.CompositeType, ("version",))
    yield Kind("View", ob.View, ("version",), {"query": q.Query | None})
    indexes = {"indexes": tuple[int, ...]}
    for table in (ob.Table, ob.ViewState, gr.ElementTable, fs.StateTable):
        yield Kind(table.__name__, table, ("version",), indexes, _tree_of_table)
    typed = {"query": q.Query | None, **indexes}
    yield Kind("MaterializedView", ob.MaterializedView, ("version",), typed, _tree_of_table)


def _tree_of_table(table: ob.Table) -> ob.Table:
    """A table whose indexes are named, not held: they stand in the tree for themselves."""
    return replace(table, version=table.version, indexes=tuple(index.oid for index in table.indexes))  # type: ignore[misc]


@lru_cache(maxsize=4096)
def _shared_type(oid: int, typmod: int = -1, domain: int = 0) -> SqlType:
    return SqlType(oid, typmod, domain)


_KINDS: dict[str, Kind] = {}
_KIND_OF: dict[type, Kind] = {}


def add_kind(kind: Kind) -> None:
    """Put a kind on the whitelist."""
    assert kind.name not in _KINDS, kind.name
    _KINDS[kind.name] = kind
    _KIND_OF[kind.cls] = kind


def kinds() -> tuple[Kind, ...]:
    """The whitelist, and the recipes of functions."""
    return *_KINDS.values(), _RECIPE


for _kind in _all_kinds():
    add_kind(_kind)


# --- encoding -----------------------------------------------------------------------------------------------


def _encode_int(value: int) -> object:
    return value if -LARGEST_INT <= value <= LARGEST_INT else {KIND: "int", "text": hex(value)}


def _encode_float(value: float) -> object:
    return value if math.isfinite(value) else {KIND: "float", "text": str(value)}


_RECIPE = Kind("function", Recipe)

_ATOM_ENCODERS: dict[type, Callable[[Any], object]] = {
    type(None): lambda value: None,
    bool: lambda value: value,
    int: _encode_int,
    float: _encode_float,
    str: lambda value: value,
    bytes: lambda value: {KIND: "bytes", "text": value.hex()},
    Decimal: lambda value: {KIND: "decimal", "text": str(value)},
}


def encode_tree(value: object) -> Any:
    """An object as JSON's values.  Raises NotSupportedError for what is not on the whitelist.

    Without recursion: a query may be nested as deeply as the binder's stack allowed.
    """
    root: list[Any] = [None]
    waiting: list[tuple[Any, Any, object]] = [(root, 0, value)]
    aggregates = _Aggregates()
    while waiting:
        place, key, value = waiting.pop()
        encoder = _ATOM_ENCODERS.get(type(value))
        if encoder is not None:
            place[key] = encoder(value)
        elif type(value) is tuple:
            items = place[key] = [None] * len(value)
            waiting += [(items, number, item) for number, item in enumerate(value)]
        else:
            kind, value = aggregates.kind_of(value)
            tree: dict[str, object] = {KIND: kind.name}
            place[key] = tree
            for name, part in kind.parts(value):
                tree[name] = None  # keeps its place
                waiting.append((tree, name, part))
    return root[0]


class _Aggregates:
    """Numbers the aggregate functions of each view, in the order in which they are met."""

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}

    def kind_of(self, value: object) -> tuple[Kind, object]:
        """The kind of an object, and what has the fields of its tree."""
        if isinstance(value, Function):
            return _RECIPE, recipe_of(value)
        if isinstance(value, AggregateFunction):
            return _RECIPE, recipe_of(value, self._numbers.setdefault(id(value), len(self._numbers) + 1))
        if type(value) in _WITH_QUERIES:
            self._numbers.clear()
        kind = _KIND_OF.get(type(value))
        if kind is None:
            raise NotSupportedError(f"the catalog can't keep a {type(value).__qualname__}")
        return kind, value


def dump(tree: object) -> str:
    """JSON's values as text, always the same for the same.  Raises StatementTooComplex."""
    try:
        return json.dumps(tree, separators=(",", ":"), allow_nan=False)
    except RecursionError:
        raise StatementTooComplex("stack depth limit exceeded") from None


# --- decoding -----------------------------------------------------------------------------------------------


_TEXT = Kind("text", _Text)


def _from_text(make: Callable[[str], object]) -> Callable[[dict[str, object]], object]:
    def decode(tree: dict[str, object]) -> object:
        found = _TEXT.decode(tree)
        assert isinstance(found, _Text)
        return make(found.text)

    return decode


_DECODERS: dict[str, Callable[[dict[str, object]], object]] = {
    "bytes": _from_text(bytes.fromhex),
    "decimal": _from_text(Decimal),
    "float": _from_text(float),
    "int": _from_text(lambda text: int(text, 16)),
}


class _Reader:
    """Makes objects as the JSON parser comes to their ends: innermost first, in the order of the text."""

    def __init__(self) -> None:
        self._aggregates: dict[Recipe, AnyFunction] = {}

    def __call__(self, tree: dict[str, object]) -> object:
        """The object of a tree whose fields are already decoded."""
        name = tree.pop(KIND, None)
        if type(name) is not str:
            damaged("an object without a kind")
        kind = _KINDS.get(name)
        if kind is not None:
            if kind.cls in _WITH_QUERIES:
                self._aggregates.clear()
            return kind.decode(tree)
        if name == _RECIPE.name:
            return self._function(tree)
        decoder = _DECODERS.get(name)
        if decoder is None:
            raise IncompatibleFormat(f'the catalog has a kind of object that is not known: "{name}"')
        return decoder(tree)

    def _function(self, tree: dict[str, object]) -> AnyFunction:
        recipe = _RECIPE.decode(tree)
        assert isinstance(recipe, Recipe)
        if not recipe.number:
            return make_function(recipe)
        found = self._aggregates.get(recipe)
        if found is None:
            found = self._aggregates[recipe] = make_function(recipe)
        return found


def _refuse_constant(text: str) -> NoReturn:
    damaged(f"{text} is no number")


def _read_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        damaged(f"{text} is no number")
    return value


def load(data: bytes) -> object:
    """What `dump(encode_tree(...))` made, as UTF-8.  Raises DatabaseDamaged, IncompatibleFormat."""
    try:
        return json.loads(
            data.decode("utf-8"),
            object_hook=_Reader(),
            parse_constant=_refuse_constant,
            parse_float=_read_float,
        )
    except (ValueError, ArithmeticError, RecursionError) as error:
        damaged(f"{type(error).__name__}: {error}")
