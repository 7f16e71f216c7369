"""How to make a function again: what the catalog keeps of the functions that its expressions call.

A `Function` in a bound expression holds Python code, which can't be kept.  Its *recipe* can: the OID in the
registry and the types that the call was resolved for, or how the function was made of others.

    form          made by                  of
    ''            the registry, specialised   OID, argument types, result type
    'variadic'    resolve.with_array       the same, for a call with VARIADIC array
    'rows'        json_building            json_agg and jsonb_agg over rows: OID and types
    'object'      json_building            the fields' names
    'text'        casts.io_cast            source and target type
    'dynamic'     dynamic.dynamic_function   the name and the number of arguments
    'composite'   casts.composite_maker    the composite type
    'attribute'   casts.attribute_getter   the composite type, the attribute's number, name and type
    'fields'      casts.record_of          the composite type; of each attribute its number, type and modifier
    'tidy'        casts.tidied             the type
    'domain'      casts.domain_check       base type, and as the result type the domain's OID
    'elements'    casts.element_wise       source and target type, and the function for an element (`base`)

What has no recipe is refused when it is to be kept, not when it is read back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from skerry_engine.errors import DatabaseError, IncompatibleFormat, NotSupportedError
from skerry_engine.functions.casts import (
    ATTRIBUTE_FORM,
    BLANK_PADDING,
    DOMAIN_FORM,
    ELEMENTS_FORM,
    FIELDS_FORM,
    MAKER_FORM,
    TEXT_FORM,
    TIDY_FORM,
    attribute_getter,
    composite_maker,
    domain_check,
    element_wise,
    find_coercion,
    io_cast,
    length_coercion,
    record_of,
    tidied,
)
from skerry_engine.functions.dynamic import DYNAMIC_FORM, dynamic_function
from skerry_engine.functions.json_building import OBJECT_FORM, ROWS_FORM, json_object_of, over_json_rows
from skerry_engine.functions.registry import (
    AggregateFunction,
    AnyFunction,
    Function,
    function_by_oid,
    specialise,
    specialise_aggregate,
)
from skerry_engine.functions.resolve import VARIADIC_FORM, with_array

_UNNAMED = {BLANK_PADDING.oid: BLANK_PADDING}
"""Functions that SQL has no name for, by OID; no OID is used twice, nor one of `own_functions.tsv`."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What makes a function.  `oid` and `name` are the registry's (0 and a mere description where `form` needs
    none); the types are those of the call.

    `number` tells aggregates of one query apart: calls are the same aggregate if they share the function."""

    oid: int
    name: str
    arg_types: tuple[int, ...]
    return_type: int
    form: str = ""
    field_names: tuple[str, ...] = ()
    base: Function | None = None
    number: int = 0


_NAMED_FORMS = (OBJECT_FORM, ATTRIBUTE_FORM, FIELDS_FORM)
"""Forms of functions whose `arg_names` tell what they are made of."""


def recipe_of(function: AnyFunction, number: int = 0) -> Recipe:
    """The recipe of a function.  Raises NotSupportedError when it has none."""
    recipe = Recipe(
        function.oid,
        function.name,
        function.arg_types,
        function.return_type,
        function.form,
        function.arg_names if isinstance(function, Function) and function.form in _NAMED_FORMS else (),
        function.base if isinstance(function, Function) else None,
        number,
    )
    if recipe.form not in _MAKERS or not _is_known(function):
        raise NotSupportedError(
            f"the function {function.name} (OID {function.oid}) can't be kept in the catalog"
        )
    return recipe


def make_function(recipe: Recipe) -> AnyFunction:
    """The function of a recipe.

    Raises IncompatibleFormat for a function or a form that this version does not have, ValueError for a recipe
    that can't be followed.
    """
    maker = _MAKERS.get(recipe.form)
    if maker is None:
        raise IncompatibleFormat(f'the function {recipe.name} has a form that is not known: "{recipe.form}"')
    try:
        return maker(recipe)
    except IncompatibleFormat:
        raise
    except (DatabaseError, ArithmeticError, AssertionError, LookupError, TypeError) as error:
        raise ValueError(f"the function {recipe.name} (OID {recipe.oid}) can't be made: {error}") from error


def _is_known(function: AnyFunction) -> bool:
    """Whether the registry has the function under its OID, where the recipe speaks of the registry."""
    if function.form not in ("", VARIADIC_FORM, ROWS_FORM):
        return True
    found = _UNNAMED.get(function.oid) or function_by_oid(function.oid)
    return type(found) is type(function) and found.name == function.name


def _registered(recipe: Recipe) -> AnyFunction:
    found = _UNNAMED.get(recipe.oid) or function_by_oid(recipe.oid)
    if found is None or found.name != recipe.name or not found.is_implemented:
        raise IncompatibleFormat(f"there is no function {recipe.name} with OID {recipe.oid} in this version")
    return found


def _registered_function(recipe: Recipe) -> Function:
    found = _registered(recipe)
    if not isinstance(found, Function):
        raise ValueError(f"{recipe.name} (OID {recipe.oid}) is an aggregate")
    return found


def _make_plain(recipe: Recipe) -> AnyFunction:
    found = _registered(recipe)
    _check_count(found, recipe)
    if isinstance(found, AggregateFunction):
        return specialise_aggregate(found, recipe.arg_types, recipe.return_type)
    return specialise(found, recipe.arg_types, recipe.return_type)


def _check_count(found: AnyFunction, recipe: Recipe) -> None:
    """Raise ValueError for a number of arguments that the function does not take."""
    declared, given = len(found.arg_types), len(recipe.arg_types)
    least = declared - (found.defaults if isinstance(found, Function) else 0)
    if given < least - (1 if found.variadic else 0) or (given > declared and not found.variadic):
        raise ValueError(f"{recipe.name} (OID {recipe.oid}) does not take {given} arguments")


def _make_variadic(recipe: Recipe) -> Function:
    found = _registered_function(recipe)
    if not recipe.arg_types:
        raise ValueError(f"{recipe.name} (OID {recipe.oid}) has no array")
    return with_array(found, recipe.arg_types, recipe.return_type)


def _make_over_rows(recipe: Recipe) -> AggregateFunction:
    made = _make_plain(recipe)
    if not isinstance(made, AggregateFunction):
        raise ValueError(f"{recipe.name} (OID {recipe.oid}) is no aggregate")
    return over_json_rows(made)


def _make_object(recipe: Recipe) -> Function:
    made = json_object_of(recipe.field_names)
    if recipe.arg_types != made.arg_types:
        raise ValueError("a row's fields have names and types")
    return made


def _make_text_cast(recipe: Recipe) -> Function:
    (source,) = _source(recipe)
    return io_cast(source, recipe.return_type)


def _make_element_wise(recipe: Recipe) -> Function:
    """The cast that the binder would find, if it is that: it is shared."""
    if recipe.base is None or not recipe.arg_types:
        raise ValueError(f"{recipe.name} has no function for elements")
    source, target = recipe.arg_types[0], recipe.return_type
    if source == target:
        shared = length_coercion(target)
    else:
        coercion = find_coercion(source, target, "e")
        shared = None if coercion is None else coercion.function
    if shared is not None and recipe_of(shared) == recipe:
        return shared
    made = element_wise(recipe.base, source, target)
    if made.arg_types != recipe.arg_types:
        raise ValueError(f"{recipe.name} does not take these arguments")
    return made


def _make_dynamic(recipe: Recipe) -> Function:
    if not recipe.name:
        raise ValueError("a function by name has a name")
    return dynamic_function(recipe.name, len(recipe.arg_types), recipe.return_type)


def _source(recipe: Recipe) -> tuple[int]:
    if len(recipe.arg_types) != 1:
        raise ValueError(f"a cast takes one value: {recipe.name}")
    return (recipe.arg_types[0],)


def _make_domain_check(recipe: Recipe) -> AnyFunction:
    (base,) = recipe.arg_types
    return domain_check(base, recipe.return_type)


def _make_attribute_getter(recipe: Recipe) -> AnyFunction:
    (composite,), (number,) = recipe.arg_types, recipe.field_names
    return attribute_getter(composite, int(number), recipe.name, recipe.return_type)


def _make_record_of(recipe: Recipe) -> AnyFunction:
    (composite,) = recipe.arg_types
    fields: list[tuple[int, int, int]] = []
    for name in recipe.field_names:
        number, type_oid, typmod = map(int, name.split(" "))
        fields.append((number, type_oid, typmod))
    return record_of(composite, tuple(fields))


_MAKERS: dict[str, Callable[[Recipe], AnyFunction]] = {
    "": _make_plain,
    VARIADIC_FORM: _make_variadic,
    ROWS_FORM: _make_over_rows,
    OBJECT_FORM: _make_object,
    TEXT_FORM: _make_text_cast,
    DOMAIN_FORM: _make_domain_check,
    MAKER_FORM: lambda recipe: composite_maker(recipe.return_type),
    ATTRIBUTE_FORM: _make_attribute_getter,
    FIELDS_FORM: _make_record_of,
    TIDY_FORM: lambda recipe: tidied(recipe.return_type),
    ELEMENTS_FORM: _make_element_wise,
    DYNAMIC_FORM: _make_dynamic,
}
