"""Which functions there are, and what each one does.

Two things meet here.  *Facts*: the signatures of PostgreSQL 15's built-in functions, with its OIDs
(`data/*.tsv`).  *Implementations*: what the modules of this package define, by the name that PostgreSQL gives
its own implementation ("source", e.g. `int4pl`).  One implementation may serve several signatures.

    data/functions.tsv   oid  name   arguments   result  ...  source
                          |                                     |
                          |      integers.py: define("int4pl", template="...")
                          v                                     v
                  functions_named("int4pl")  ->  Function(oid, arg_types, ..., template, implementation)

A function takes one of three forms:

- a *template*: a Python expression over names and constants, which generated code holds inline.  It is for
  non-null arguments and may mention an argument more than once.  The names it uses are in
  `namespace.NAMESPACE`.
- an *implementation*: a callable, given the `FunctionContext` first where `needs_context`.
- a *factory*, for functions whose meaning depends on the actual argument types (polymorphic ones, "any"): it
  makes the implementation when a call is resolved.  Values at run time do not know their types.

A signature without any of them resolves as in PostgreSQL and is refused then (`NotSupportedError`), so that
overload resolution sees the same candidates as PostgreSQL's.

Aggregates have an inline form too: see `AggregateFunction`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path

from skerry_engine.functions.namespace import NAMESPACE

Implementation = Callable[..., object]
Factory = Callable[[tuple[int, ...], int], Implementation]

_DATA = Path(__file__).parent / "data"

PG_CATALOG = "pg_catalog"

FIRST_PRIVATE_OID = 9000
"""OIDs from here to 9999 are not PostgreSQL's: for functions that only Skerry has."""


@dataclass(frozen=True, slots=True, eq=False)
class Function:
    """A function that expressions can call.  Resolution hands out one with concrete types;
    `oid` is pg_proc's.  Outside pg_catalog only Skerry's own functions are, in the schema `skerry`: calls
    must name it.

    `strict`: NULL in, NULL out, without a call.  `volatility` as pg_proc.provolatile.  `variadic` is the
    element type of a VARIADIC last argument, else 0.  `defaults` counts trailing arguments that may be left
    out.  A set-returning function returns a sequence or an iterator of values, or of tuples when
    `result_columns` has several entries.

    `form` says how it was made if it is not simply the registry's, specialised; see `recipes`.  `base` is the
    function that it was made of.  Functions that were made in the same way for the same types are equal.
    """

    oid: int
    name: str
    arg_types: tuple[int, ...]
    return_type: int
    implementation: Implementation | None = None
    template: str | None = None
    strict: bool = True
    volatility: str = "i"
    needs_context: bool = False
    variadic: int = 0
    returns_set: bool = False
    result_columns: tuple[tuple[str, int], ...] = ()
    defaults: int = 0
    kind: str = "f"
    arg_names: tuple[str, ...] = ()
    source: str = ""
    factory: Factory | None = None
    schema: str = PG_CATALOG
    form: str = ""
    base: Function | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Function) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash((self.oid, self.name, self.arg_types))

    def _identity(self) -> tuple[object, ...]:
        return (
            self.oid,
            self.name,
            self.schema,
            self.form,
            self.arg_types,
            self.return_type,
            self.arg_names,
            self.base,
        )

    @property
    def is_implemented(self) -> bool:
        """Whether it can be called, or (window functions) is known to the planner."""
        return self.implementation is not None or self.factory is not None or self.kind == "w"


@dataclass(frozen=True, slots=True, eq=False)
class AggregateFunction:
    """An aggregate: inline, as state slots, or a `finish` over all inputs of a group.

    Inline: `initial` holds a Python expression per slot; `step` is a block of Python statements over the
    slots `{s0}`, `{s1}` (assignable) and the arguments `{0}`, `{1}`, run per row (only for rows without NULL
    arguments when `strict`); `final` is an expression over the slots.  Otherwise `finish(inputs)` is called
    once per group with the list of inputs: values of the one argument, or tuples of several; rows with a NULL
    argument left out when `strict`.  A `finish` with `needs_context` gets the FunctionContext first.

    `kind` as pg_aggregate.aggkind: 'n' normal; 'o' ordered-set, 'h' hypothetical-set, both with `direct_args`
    arguments before WITHIN GROUP: their `finish(direct, inputs)` gets the tuple of those and the sorted
    inputs (NULLs left out for 'o').  `form` as a Function's.  Every call has its own: an aggregate of one query
    must not be taken for one of a query inside it.
    """

    oid: int
    name: str
    arg_types: tuple[int, ...]
    return_type: int
    strict: bool = True
    initial: tuple[str, ...] | None = None
    step: str | None = None
    final: str | None = None
    finish: Implementation | None = None
    needs_context: bool = False
    kind: str = "n"
    direct_args: int = 0
    variadic: int = 0
    source: str = ""
    factory: AggregateFactory | None = None
    form: str = ""
    schema: str = PG_CATALOG

    @property
    def is_implemented(self) -> bool:
        return self.final is not None or self.finish is not None or self.factory is not None


AggregateFactory = Callable[[tuple[int, ...], int], Implementation]
AnyFunction = Function | AggregateFunction


@dataclass(frozen=True, slots=True)
class _Definition:
    """What a module of this package says about one source name."""

    implementation: Implementation | None
    template: str | None
    needs_context: bool
    factory: Factory | None
    strict: bool | None


@dataclass(frozen=True, slots=True)
class _AggregateDefinition:
    strict: bool
    initial: tuple[str, ...] | None
    step: str | None
    final: str | None
    finish: Implementation | None
    needs_context: bool
    factory: AggregateFactory | None


FAMILIES = (
    "boolean",
    "integers",
    "floats",
    "numerics",
    "texts",
    "intervals",
    "dates",
    "clocks",
    "date_parts",
    "arrays",
    "patterns",
    "series",
    "number_formatting",
    "datetime_formatting",
    "datetime_parsing",
    "encodings",
    "hashing",
    "identifiers",
    "json_functions",
    "jsonb_functions",
    "json_building",
    "session_functions",
    "window_ranges",
    "aggregates",
    "statistics",
    "dynamic",
    "lists",
    "rows",
    "ranges",
    "elements",
    "graph_times",
    "graph_types",
    "graph_aggregates",
    "enums",
    "network",
    "bits",
)
"""The modules that define implementations, loaded with the facts."""

_definitions: dict[str, _Definition] = {}
_aggregate_definitions: dict[str, _AggregateDefinition] = {}
_by_oid: dict[int, AnyFunction] = {}
_by_name: dict[str, tuple[AnyFunction, ...]] = {}
_loaded: list[bool] = []
_observers: list[Callable[[], object]] = []


# --- defining -----------------------------------------------------------------------------------------------


def define(
    source: str,
    implementation: Implementation | None = None,
    *,
    template: str | None = None,
    needs_context: bool = False,
    factory: Factory | None = None,
    strict: bool | None = None,
) -> None:
    """Say what the functions with this `source` do; `strict` overrides what the facts say."""
    if template is not None:
        template = f"({template})"
    _definitions[source] = _Definition(implementation, template, needs_context, factory, strict)
    if _loaded:
        _compile_templates()
        _redefine(source)


def on_redefinition(observer: Callable[[], object]) -> None:
    """Call `observer` whenever functions that were given out may have become others: who keeps some forgets them."""
    _observers.append(observer)


def implementation_of(source: str) -> Implementation | None:
    """What `define` was given for a source, or made of its template."""
    _load()
    definition = _definitions.get(source)
    return definition.implementation if definition is not None else None


def define_aggregate(
    signature: str,
    *,
    strict: bool = True,
    initial: tuple[str, ...] | None = None,
    step: str | None = None,
    final: str | None = None,
    finish: Implementation | None = None,
    needs_context: bool = False,
    factory: AggregateFactory | None = None,
) -> None:
    """Say what an aggregate does; `signature` is its name and argument OIDs, `sum 23`; outside pg_catalog the name
    has its schema."""
    _aggregate_definitions[signature] = _AggregateDefinition(
        strict, initial, step, final, finish, needs_context, factory
    )


def register(function: AnyFunction) -> None:
    """Add a function, or put it in the place of the one with the same OID."""
    _load()
    _add(function)


# --- finding ------------------------------------------------------------------------------------------------


def functions_named(name: str, schema: str | None = None) -> tuple[AnyFunction, ...]:
    """All functions, aggregates and window functions with that name, of pg_catalog or a schema by name."""
    _load()
    return _by_name.get(name if schema is None or schema == PG_CATALOG else f"{schema}.{name}", ())


def function_by_oid(oid: int) -> AnyFunction | None:
    """The function with that OID as registered (polymorphic ones unspecialised), or None."""
    _load()
    return _by_oid.get(oid)


def all_functions() -> Iterable[AnyFunction]:
    """Every function known, for pg_proc."""
    _load()
    return _by_oid.values()


def scalar_function(oid: int) -> Function:
    """The plain function with that OID; it must exist."""
    function = function_by_oid(oid)
    assert isinstance(function, Function), oid
    return function


def specialise(function: Function, arg_types: tuple[int, ...], return_type: int) -> Function:
    """The function for concrete types: polymorphic positions replaced, its factory run."""
    if function.factory is None:
        if function.arg_types == arg_types and function.return_type == return_type:
            return function
        return replace(function, arg_types=arg_types, return_type=return_type)
    implementation = function.factory(arg_types, return_type)
    return replace(
        function, arg_types=arg_types, return_type=return_type, implementation=implementation, factory=None
    )


def specialise_aggregate(
    function: AggregateFunction, arg_types: tuple[int, ...], return_type: int
) -> AggregateFunction:
    """The aggregate for concrete types."""
    finish = function.finish
    if function.factory is not None:
        finish = function.factory(arg_types, return_type)
    return replace(function, arg_types=arg_types, return_type=return_type, finish=finish, factory=None)


# --- loading ------------------------------------------------------------------------------------------------


def read_facts(name: str) -> list[list[str]]:
    """The rows of a data file beside this module, split into fields, heading left out."""
    text = (_DATA / name).read_text(encoding="utf-8")
    return [line.split("\t") for line in text.splitlines()[1:]]


def oid_list(text: str) -> tuple[int, ...]:
    """`23 25` as (23, 25)."""
    return tuple(map(int, text.split()))


def _load() -> None:
    if _loaded:
        return
    _loaded.append(True)
    for family in FAMILIES:
        import_module(f"skerry_engine.functions.{family}")
    _compile_templates()
    aggregate_facts = {int(row[0]): row for row in read_facts("aggregates.tsv")}
    names: dict[str, list[AnyFunction]] = {}
    for row in read_facts("functions.tsv") + read_facts("own_functions.tsv"):
        function = _aggregate(row, aggregate_facts) if row[4][2] == "a" else _function(row)
        _by_oid[function.oid] = function
        names.setdefault(_key_of(function), []).append(function)
    for name, functions in names.items():
        _by_name[name] = tuple(functions)


def _function(row: Sequence[str]) -> Function:
    oid, name, arg_types, return_type, flags, variadic, defaults, arg_names, columns, source = row
    schema, _, name = name.rpartition(".")
    definition = _definitions.get(source)
    strict = flags[0] == "s"
    if definition is not None and definition.strict is not None:
        strict = definition.strict
    return Function(
        oid=int(oid),
        name=name,
        arg_types=oid_list(arg_types),
        return_type=int(return_type),
        implementation=definition.implementation if definition else None,
        template=definition.template if definition else None,
        strict=strict,
        volatility=flags[1],
        needs_context=definition.needs_context if definition else False,
        variadic=int(variadic),
        returns_set=flags[3] == "r",
        result_columns=_result_columns(columns),
        defaults=int(defaults),
        kind=flags[2],
        arg_names=tuple(arg_names.split()),
        source=source,
        factory=definition.factory if definition else None,
        schema=schema or PG_CATALOG,
    )


def _key_of(function: AnyFunction) -> str:
    """What `_by_name` knows the function under."""
    return function.name if function.schema == PG_CATALOG else f"{function.schema}.{function.name}"


def _result_columns(text: str) -> tuple[tuple[str, int], ...]:
    pairs = [item.rsplit(":", 1) for item in text.split()]
    return tuple((name, int(type_oid)) for name, type_oid in pairs)


def _aggregate(row: Sequence[str], facts: dict[int, list[str]]) -> AggregateFunction:
    oid, name, arg_types, return_type, _flags, variadic = row[:6]
    _oid, _name, kind, direct_args = facts[int(oid)]
    signature = f"{name} {arg_types}".strip()
    schema, _, name = name.rpartition(".")
    definition = _aggregate_definitions.get(signature, _UNDEFINED_AGGREGATE)
    return AggregateFunction(
        oid=int(oid),
        name=name,
        arg_types=oid_list(arg_types),
        return_type=int(return_type),
        strict=definition.strict,
        initial=definition.initial,
        step=definition.step,
        final=definition.final,
        finish=definition.finish,
        needs_context=definition.needs_context,
        kind=kind,
        direct_args=int(direct_args),
        variadic=int(variadic),
        source=signature,
        factory=definition.factory,
        schema=schema or PG_CATALOG,
    )


_UNDEFINED_AGGREGATE = _AggregateDefinition(True, None, None, None, None, False, None)


def _add(function: AnyFunction) -> None:
    _by_oid[function.oid] = function
    key = _key_of(function)
    others = [other for other in _by_name.get(key, ()) if other.oid != function.oid]
    _by_name[key] = (*others, function)


def _redefine(source: str) -> None:
    definition = _definitions[source]
    for function in list(_by_oid.values()):
        if isinstance(function, Function) and function.source == source:
            strict = function.strict if definition.strict is None else definition.strict
            changed = replace(
                function,
                implementation=definition.implementation,
                template=definition.template,
                needs_context=definition.needs_context,
                factory=definition.factory,
                strict=strict,
            )
            _add(changed)
    for observer in _observers:
        observer()


def _compile_templates() -> None:
    """Give each template without an implementation a callable with its meaning,
    for callers that do not generate code.

    All at once: one compilation of many short functions is much cheaper than many.
    """
    sources: list[str] = []
    lines: list[str] = []
    for source, definition in _definitions.items():
        if definition.template is not None and definition.implementation is None:
            sources.append(source)
            lines.append(_template_as_lambda(definition.template))
    compiled: tuple[Implementation, ...] = eval(f"({''.join([line + ',' for line in lines])})", NAMESPACE)
    for source, implementation in zip(sources, compiled, strict=True):
        _definitions[source] = replace(_definitions[source], implementation=implementation)


def _template_as_lambda(template: str) -> str:
    arity = 0
    while f"{{{arity}}}" in template:
        arity += 1
    names = [f"a{i}" for i in range(arity)]
    return f"lambda {', '.join([*names, '*_rest'])}: {template.format(*names)}"
