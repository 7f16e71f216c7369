"""Which function or operator a call means: PostgreSQL's rules for overloads (its manual, chapter 10).

The candidates are those of the right name and number of arguments.  An exact match wins.  Else those remain
that the arguments coerce to implicitly, and of several:

    1. most exact matches;
    2. most arguments that match exactly or take a preferred type of their category;
    3. for unknown literals: the category that all candidates agree on, or string; of that, the preferred
       type;
    4. the one candidate that takes every unknown literal as the type that all known arguments share.

What still is not one is ambiguous (42725).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from skerry_engine.errors import AmbiguousFunction, DatabaseError, NotSupportedError, UndefinedFunction
from skerry_engine.functions.casts import find_coercion
from skerry_engine.functions.operators import Operator, find_operator, operators_named
from skerry_engine.functions.polymorphism import (
    POLYMORPHIC,
    common_type,
    concrete_types,
    element_type,
    is_consistent,
)
from skerry_engine.functions.registry import (
    AggregateFunction,
    AnyFunction,
    Function,
    functions_named,
    specialise,
    specialise_aggregate,
)
from skerry_engine.values import oids
from skerry_engine.values.types import find_type, format_type, type_by_name

VARIADIC_FORM = "variadic"
"""The `form` of functions that `with_array` made."""

__all__ = [
    "can_coerce",
    "coercion_target",
    "common_type",
    "resolve_function",
    "resolve_operator",
]

UNKNOWN = oids.UNKNOWN
_CAST_HINT = "You might need to add explicit type casts."


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A function or operator with its argument types laid out for the call at hand."""

    types: tuple[int, ...]
    target: AnyFunction | Operator
    is_expanded: bool = False


def can_coerce(source: int, target: int, context: str = "i") -> bool:
    """Whether a value of `source` may stand where `target` is wanted, in context 'i', 'a' or 'e'."""
    if source == target or target in (oids.ANY, *POLYMORPHIC):
        return True
    if source == UNKNOWN:
        return True
    if _is_row_type(source) and target == oids.RECORD:
        return True
    return find_coercion(source, target, context) is not None


def resolve_function(
    name: str,
    arg_types: Sequence[int],
    schema: str | None = None,
    position: int | None = None,
    variadic_array: bool = False,
    arg_names: Sequence[str | None] = (),
) -> tuple[AnyFunction, tuple[int, ...], int]:
    """The function that `name(arg_types)` calls, the type to coerce each argument to, and the return type.

    `schema` is a written qualification: pg_catalog, or the schema of Skerry's own functions.  `variadic_array`: the
    last argument is written VARIADIC.  `arg_names` gives the name of each argument in named notation (None:
    positional); then the result's argument types are in the function's own order, for `argument_order`.

    Raises UndefinedFunction, AmbiguousFunction, DatatypeMismatch, and NotSupportedError for a function that
    exists in PostgreSQL but not here.
    """
    if any(arg_names):
        return _resolve_named(name, arg_types, schema, position, arg_names)
    given = tuple(arg_types)
    candidates = _function_candidates(name, given, schema, variadic_array)
    chosen = _choose(candidates, given)
    if chosen is None:
        raise _function_error(name, given, candidates, schema, position)
    function = chosen.target
    assert not isinstance(function, Operator)
    return _call_of(function, chosen, given, position, variadic_array)


def resolve_operator(
    name: str, left: int | None, right: int, position: int | None = None
) -> tuple[Operator, tuple[int, ...], int]:
    """The operator for these operand types (`left` None: prefix), its operand types, and the result type.

    The operator handed out is concrete: its `function` has the actual types.  Raises UndefinedFunction,
    AmbiguousFunction, and NotSupportedError for an operator that PostgreSQL has but Skerry does not.
    """
    given = (right,) if left is None else (left, right)
    operator = _exact_operator(name, left, right)
    chosen = None if operator is None else _Candidate(_operand_types(operator), operator)
    if chosen is None:
        candidates = [
            _Candidate(_operand_types(operator), operator)
            for operator in operators_named(name)
            if (operator.left == 0) == (left is None)
        ]
        chosen = _choose(candidates, given)
        if chosen is None:
            raise _operator_error(name, given, candidates, position)
    operator = _operator_of(chosen)
    types, result = _concrete_call(chosen.types, given, operator.result, position)
    if not operator.function.is_implemented:
        raise NotSupportedError(f"operator {_operator_text(name, types)} is not supported", position=position)
    if operator.function.variadic:  # an operator hands over the array as it is
        function = with_array(operator.function, types, result)
    else:
        function = specialise(operator.function, types, result)
    left_type = types[0] if operator.left else 0
    concrete = replace(operator, left=left_type, right=types[-1], result=result, function=function)
    return concrete, types, result


def coercion_target(name: str, arg_types: Sequence[int]) -> int | None:
    """The type that `name(x)` casts to when it is a cast in function's clothing, as `int4('1')`; else None.

    Called before resolve_function.  As in PostgreSQL it is a cast only when no function matches exactly, and
    the argument is an unknown literal, or the types are binary-coercible,
    or go by text I/O to or from a string type.
    """
    if len(arg_types) != 1:
        return None
    source = arg_types[0]
    if any(function.arg_types == (source,) for function in functions_named(name)):
        return None
    info = None if name.startswith("_") or " " in name else type_by_name(name)
    if info is None or info.name != name or info.is_pseudo:
        return None
    if source == UNKNOWN:
        return info.oid
    coercion = find_coercion(source, info.oid, "e")
    return info.oid if coercion is not None and coercion.kind in ("relabel", "io") else None


def argument_order(function: AnyFunction, arg_names: Sequence[str | None]) -> list[int]:
    """For a call in named notation: which written argument (by index) each of the function's arguments takes,
    -1 for a default."""
    assert isinstance(function, Function)
    order = [index for index, arg_name in enumerate(arg_names) if arg_name is None]
    for declared in function.arg_names[len(order) :]:
        order.append(list(arg_names).index(declared) if declared in arg_names else -1)
    return order


# --- candidates ---------------------------------------------------------------------------------------------


def _function_candidates(
    name: str, given: tuple[int, ...], schema: str | None, variadic_array: bool
) -> list[_Candidate]:
    candidates = []
    for function in functions_named(name, schema):
        types = _laid_out(function, len(given), variadic_array)
        if types is not None:
            expanded = bool(function.variadic) and not variadic_array
            candidates.append(_Candidate(types, function, expanded))
    plain = {candidate.types for candidate in candidates if not candidate.is_expanded}
    return [item for item in candidates if not item.is_expanded or item.types not in plain]


def _laid_out(function: AnyFunction, count: int, variadic_array: bool) -> tuple[int, ...] | None:
    """The function's argument types for a call with `count` arguments; None if it does not take so many."""
    declared = function.arg_types
    if function.variadic and not variadic_array:
        fixed = len(declared) - 1
        return (*declared[:fixed], *(function.variadic,) * (count - fixed)) if count > fixed else None
    if variadic_array and not function.variadic:
        return None
    if count == len(declared):
        return declared
    if isinstance(function, Function) and len(declared) - function.defaults <= count < len(declared):
        return declared[:count]
    return None


def _operand_types(operator: Operator) -> tuple[int, ...]:
    return (operator.left, operator.right) if operator.left else (operator.right,)


def _operator_of(candidate: _Candidate) -> Operator:
    assert isinstance(candidate.target, Operator)
    return candidate.target


def _exact_operator(name: str, left: int | None, right: int) -> Operator | None:
    """The operator declared for the operand types; an unknown literal counts as the other operand's type."""
    if left is None:
        return find_operator(name, 0, right)
    if left == UNKNOWN != right:
        return find_operator(name, right, right)
    if right == UNKNOWN != left:
        return find_operator(name, left, left)
    return find_operator(name, left, right)


# --- choosing -----------------------------------------------------------------------------------------------


def _choose(candidates: list[_Candidate], given: tuple[int, ...]) -> _Candidate | None:
    for candidate in candidates:
        if candidate.types == given:
            return candidate
    fitting = [candidate for candidate in candidates if _fits(candidate.types, given)]
    if len(fitting) <= 1:
        return fitting[0] if fitting else None
    return _select(fitting, given)


def _fits(declared: tuple[int, ...], given: tuple[int, ...]) -> bool:
    if not all(can_coerce(source, target, "i") for source, target in zip(given, declared, strict=True)):
        return False
    return is_consistent(declared, given)


def _select(candidates: list[_Candidate], given: tuple[int, ...]) -> _Candidate | None:
    remaining = _best(candidates, [_exact_matches(item.types, given) for item in candidates])
    if len(remaining) > 1:
        remaining = _best(remaining, [_preferred_matches(item.types, given) for item in remaining])
    if len(remaining) == 1:
        return remaining[0]
    if UNKNOWN not in given:
        return None
    remaining = _by_category(remaining, given)
    if len(remaining) == 1:
        return remaining[0]
    return _by_shared_type(remaining, given)


def _best(candidates: list[_Candidate], scores: list[int]) -> list[_Candidate]:
    highest = max(scores)
    return [item for item, score in zip(candidates, scores, strict=True) if score == highest]


def _exact_matches(types: tuple[int, ...], given: tuple[int, ...]) -> int:
    pairs = zip(types, given, strict=True)
    return sum(source != UNKNOWN and source == target for target, source in pairs)


def _preferred_matches(types: tuple[int, ...], given: tuple[int, ...]) -> int:
    score = 0
    for target, source in zip(types, given, strict=True):
        if source != UNKNOWN and (source == target or _is_preferred(target, _category(source))):
            score += 1
    return score


def _by_category(candidates: list[_Candidate], given: tuple[int, ...]) -> list[_Candidate]:
    """The candidates that fit the category which the unknown literals take;
    all of them if none can be told."""
    wanted: dict[int, tuple[str, bool]] = {}
    for index, source in enumerate(given):
        if source == UNKNOWN:
            choice = _unknown_category([item.types[index] for item in candidates])
            if choice is None:
                return candidates
            wanted[index] = choice
    kept = [item for item in candidates if _suits(item.types, wanted)]
    return kept or candidates


def _unknown_category(types: list[int]) -> tuple[str, bool] | None:
    """(category, whether only its preferred type will do) for an unknown literal;
    None if the candidates disagree."""
    categories = {_category(target) for target in types}
    category = "S" if "S" in categories else next(iter(categories))
    if len(categories) > 1 and category != "S":
        return None
    return category, any(_is_preferred(target, category) for target in types)


def _suits(types: tuple[int, ...], wanted: dict[int, tuple[str, bool]]) -> bool:
    for index, (category, preferred) in wanted.items():
        target = types[index]
        if _category(target) != category or (preferred and not _is_preferred(target, category)):
            return False
    return True


def _by_shared_type(candidates: list[_Candidate], given: tuple[int, ...]) -> _Candidate | None:
    known = {source for source in given if source != UNKNOWN}
    if len(known) != 1:
        return None
    shared = tuple(known) * len(given)
    fitting = [item for item in candidates if _fits(item.types, shared)]
    return fitting[0] if len(fitting) == 1 else None


def _category(type_oid: int) -> str:
    info = find_type(type_oid)
    return info.category if info is not None else "C"


def _is_preferred(type_oid: int, category: str) -> bool:
    info = find_type(type_oid)
    return info is not None and info.preferred and info.category == category


def _is_row_type(type_oid: int) -> bool:
    return find_type(type_oid) is None


# --- the call -----------------------------------------------------------------------------------------------


def _call_of(
    function: AnyFunction,
    chosen: _Candidate,
    given: tuple[int, ...],
    position: int | None,
    variadic_array: bool,
) -> tuple[AnyFunction, tuple[int, ...], int]:
    types, result = _concrete_call(chosen.types, given, function.return_type, position)
    if not function.is_implemented:
        raise NotSupportedError(
            f"function {_call_text(function.name, types)} is not supported", position=position
        )
    if isinstance(function, AggregateFunction):
        return specialise_aggregate(function, types, result), types, result
    if variadic_array:
        return with_array(function, types, result), types, result
    return specialise(function, types, result), types, result


def _concrete_call(
    declared: tuple[int, ...], given: tuple[int, ...], return_type: int, position: int | None
) -> tuple[tuple[int, ...], int]:
    try:
        types, result = concrete_types(declared, given, return_type)
    except DatabaseError as error:
        error.position = error.position or position
        raise
    actual = [
        _for_any(source) if target == oids.ANY else target
        for target, source in zip(types, given, strict=True)
    ]
    return tuple(actual), result


def _for_any(source: int) -> int:
    return oids.TEXT if source == UNKNOWN else source


def with_array(function: Function, types: tuple[int, ...], result: int) -> Function:
    """The function for a call with VARIADIC: its last argument is an array,
    spread out for the implementation."""
    spread_types = (*types[:-1], element_type(types[-1]) or types[-1])
    concrete = specialise(function, spread_types, result)
    inner = concrete.implementation
    assert inner is not None

    def spread(*args: object) -> object:
        items = args[-1]
        return inner(*args[:-1], *(items if isinstance(items, tuple) else ()))

    return replace(
        concrete, arg_types=types, implementation=spread, template=None, factory=None, form=VARIADIC_FORM
    )


def _resolve_named(
    name: str,
    arg_types: Sequence[int],
    schema: str | None,
    position: int | None,
    arg_names: Sequence[str | None],
) -> tuple[AnyFunction, tuple[int, ...], int]:
    """Named notation: only for functions whose arguments have names, and with one candidate."""
    fitting: list[Function] = []
    for function in functions_named(name, schema):
        if isinstance(function, Function) and _takes_names(function, arg_names):
            fitting.append(function)
    if not fitting:
        raise _function_error(name, tuple(arg_types), [], schema, position)
    if len(fitting) > 1:
        raise NotSupportedError(
            f"named notation for overloaded function {name} is not supported", position=position
        )
    function = fitting[0]
    if not function.is_implemented:
        text = _call_text(name, function.arg_types)
        raise NotSupportedError(f"function {text} is not supported", position=position)
    return function, function.arg_types, function.return_type


def _takes_names(function: Function, arg_names: Sequence[str | None]) -> bool:
    positional = sum(arg_name is None for arg_name in arg_names)
    required = function.arg_names[positional : len(function.arg_names) - function.defaults]
    available = function.arg_names[positional:]
    written = [arg_name for arg_name in arg_names if arg_name is not None]
    return all(item in available for item in written) and all(item in written for item in required)


# --- errors -------------------------------------------------------------------------------------------------


def _function_error(
    name: str, given: tuple[int, ...], candidates: list[_Candidate], schema: str | None, position: int | None
) -> DatabaseError:
    text = _call_text(name if schema is None else f"{schema}.{name}", given)
    if any(_fits(item.types, given) for item in candidates):
        hint = f"Could not choose a best candidate function. {_CAST_HINT}"
        return AmbiguousFunction(f"function {text} is not unique", hint=hint, position=position)
    hint = f"No function matches the given name and argument types. {_CAST_HINT}"
    return UndefinedFunction(f"function {text} does not exist", hint=hint, position=position)


def _operator_error(
    name: str, given: tuple[int, ...], candidates: list[_Candidate], position: int | None
) -> DatabaseError:
    text = _operator_text(name, given)
    if any(_fits(item.types, given) for item in candidates):
        hint = f"Could not choose a best candidate operator. {_CAST_HINT}"
        return AmbiguousFunction(f"operator is not unique: {text}", hint=hint, position=position)
    if len(given) == 1:
        hint = "No operator matches the given name and argument type. You might need to add an explicit type cast."
    else:
        hint = f"No operator matches the given name and argument types. {_CAST_HINT}"
    return UndefinedFunction(f"operator does not exist: {text}", hint=hint, position=position)


def _call_text(name: str, types: Sequence[int]) -> str:
    return f"{name}({', '.join(_type_text(oid) for oid in types)})"


def _operator_text(name: str, types: Sequence[int]) -> str:
    if len(types) == 1:
        return f"{name} {_type_text(types[0])}"
    return f"{_type_text(types[0])} {name} {_type_text(types[1])}"


def _type_text(oid: int) -> str:
    return format_type(oid)
