"""Giving expressions other types: implicit, assignment and explicit casts,
and typing what is still unknown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from skerry_engine import errors
from skerry_engine.algebra import expressions as ex
from skerry_engine.functions.casts import (
    composite_maker,
    domain_check,
    find_coercion,
    io_cast,
    is_string_type,
    length_coercion,
    record_of,
)
from skerry_engine.functions.polymorphism import common_type
from skerry_engine.sql.binder.context import Parameters
from skerry_engine.values import oids
from skerry_engine.values.io import IoContext, text_decoder
from skerry_engine.values.types import SqlType, format_type, type_info
from skerry_engine.values.user_types import is_composite, is_enum_or_array

BOOL = SqlType(oids.BOOL)
TEXT = SqlType(oids.TEXT)
INT4 = SqlType(oids.INT4)
INT8 = SqlType(oids.INT8)
UNKNOWN = SqlType(oids.UNKNOWN)

_SETTINGS_FREE = frozenset(
    {oids.BOOL, oids.INT2, oids.INT4, oids.INT8, oids.OID, oids.NUMERIC, oids.FLOAT4, oids.FLOAT8}
    | {
        oids.TEXT,
        oids.VARCHAR,
        oids.BPCHAR,
        oids.NAME,
        oids.CHAR,
        oids.UUID,
        oids.JSON,
        oids.JSONB,
        oids.BYTEA,
    }
)
"""Types whose input depends on no setting: constants of them are read when the statement is bound."""

_DIRECT_NUMBERS = frozenset(
    {oids.INT2, oids.INT4, oids.INT8, oids.NUMERIC, oids.FLOAT4, oids.FLOAT8, oids.OID}
)
_WIDER = {
    oids.INT4: frozenset({oids.INT8, oids.NUMERIC, oids.FLOAT4, oids.FLOAT8, oids.OID}),
    oids.INT8: frozenset({oids.NUMERIC, oids.FLOAT4, oids.FLOAT8, oids.OID}),
    oids.NUMERIC: frozenset({oids.FLOAT4, oids.FLOAT8}),
}
_STRINGS = frozenset({oids.TEXT, oids.VARCHAR, oids.BPCHAR, oids.NAME})


class Coercer:
    """Casts for one statement."""

    def __init__(
        self, parameters: Parameters, io: IoContext, type_name: Callable[[int], str] = format_type
    ) -> None:
        self.parameters = parameters
        self.io = io
        self.type_name = type_name
        """How messages name a type."""

    def coerce(
        self, expr: ex.Expr, target: SqlType, context: str, position: int | None = None
    ) -> ex.Expr | None:
        """`expr` as `target` in context 'i', 'a' or 'e'; None when there is no such cast."""
        if target.domain:
            return self._as_domain(expr, target, context, position)
        if target.oid == oids.INTERVAL and target.typmod >= 0 and isinstance(expr, ex.Const):
            if isinstance(expr.value, str) and expr.type.oid == oids.UNKNOWN:
                return ex.Const(
                    target, text_decoder(target, self.io)(expr.value)
                )  # the fields say how to read it
        converted = self._convert(expr, target, context, position)
        if converted is None:
            return None
        return self._sized(converted, target, context == "e")

    def _as_domain(
        self, expr: ex.Expr, target: SqlType, context: str, position: int | None
    ) -> ex.Expr | None:
        """`expr` as a value of a domain, or an array of such: of the base type, and then checked."""
        if expr.type.domain == target.domain and not isinstance(expr, ex.Const):
            return expr
        number = self.parameters.open_number(expr)
        converted = self.coerce(expr, SqlType(target.oid, target.typmod), context, position)
        if converted is None:
            return None
        if number is not None:
            self.parameters.domains[number] = target.domain
        return ex.Cast(target, _implied(converted), domain_check(target.oid, target.domain), context == "e")

    def _as_composite(
        self, row: ex.RowOf, target: SqlType, context: str, position: int | None
    ) -> ex.Expr | None:
        """ROW(...) as a value of a composite type: each field as its attribute.  Raises CannotCoerce for another number
        of fields."""
        composite = self.io.types.composite(target.oid)
        if len(composite.fields) != len(row.items):
            few_or_many = "few" if len(composite.fields) > len(row.items) else "many"
            raise errors.CannotCoerce(
                f"cannot cast type record to {self.type_name(target.oid)}",
                detail=f"Input has too {few_or_many} columns.",
                position=position,
            )
        items: list[ex.Expr] = [ex.Const(UNKNOWN, None)] * len(composite.types)
        for item, field in zip(row.items, composite.fields, strict=True):
            made = self.coerce(self._as_written(item), SqlType(field.type_oid, field.typmod), context)
            if made is None:
                return None
            items[field.number] = made
        return ex.Cast(target, ex.RowOf(row.type, tuple(items)), composite_maker(target.oid), True)

    def _as_record(self, expr: ex.Expr, context: str) -> ex.Expr:
        """A value of a composite type as a record."""
        fields = self.io.types.composite(expr.type.oid).fields
        function = record_of(expr.type.oid, tuple((f.number, f.type_oid, f.typmod) for f in fields))
        return ex.Cast(SqlType(oids.RECORD), expr, function, context == "e")

    def _as_written(self, item: ex.Expr) -> ex.Expr:
        """A literal in ROW(...), which has become text for want of anything better, as it was."""
        if item.type.oid != oids.TEXT:
            return item
        if isinstance(item, ex.Const):
            return ex.Const(UNKNOWN, item.value)
        if isinstance(item, ex.Param) and self.parameters.slots[item.index].source == "literal":
            return self.parameters.literal(self.parameters.slots[item.index].number)
        return item

    def _convert(
        self, expr: ex.Expr, target: SqlType, context: str, position: int | None = None
    ) -> ex.Expr | None:
        source = expr.type.oid
        if source == target.oid:
            return expr
        if target.oid in (oids.ANY, oids.ANYELEMENT, oids.ANYARRAY, oids.ANYNONARRAY):
            return expr
        if source == oids.UNKNOWN:
            return self._from_unknown(expr, target, context)
        direct = self._direct_number(expr, target)
        if direct is not None:
            return direct
        if is_composite(target.oid) and isinstance(expr, ex.RowOf):
            return self._as_composite(expr, target, context, position)
        if is_composite(source) and target.oid == oids.RECORD:
            return self._as_record(expr, context)
        if source == oids.RECORD:
            if not is_string_type(target.oid) or context == "i":
                return None
            return ex.Cast(SqlType(target.oid), expr, io_cast(source, target.oid), context == "e")
        coercion = find_coercion(source, target.oid, context)
        if coercion is None:
            return None
        function = coercion.function
        takes_modifier = function is not None and not function.form and len(function.arg_types) > 1
        made = target if takes_modifier else SqlType(target.oid)
        return ex.Cast(made, expr, function, context == "e")

    def _direct_number(self, expr: ex.Expr, target: SqlType) -> ex.Expr | None:
        """A lifted number read as a wider type at once, instead of a cast per execution."""
        if not isinstance(expr, ex.Param) or target.oid not in _WIDER.get(expr.type.oid, ()):
            return None
        if not self.parameters.is_number_literal(expr):
            return None
        return self.parameters.retype(expr, target)

    def _from_unknown(self, expr: ex.Expr, target: SqlType, context: str) -> ex.Expr | None:
        if isinstance(expr, ex.Const):
            if expr.value is None:
                return ex.Const(SqlType(target.oid), None)
            if target.oid in _SETTINGS_FREE or is_enum_or_array(target.oid):
                return ex.Const(
                    SqlType(target.oid), text_decoder(SqlType(target.oid), self.io)(str(expr.value))
                )
            if type_info(target.oid).category == "P" and target.oid not in (oids.RECORD, oids.CSTRING):
                return ex.Const(TEXT, expr.value)
            return ex.Cast(
                SqlType(target.oid),
                ex.Const(TEXT, expr.value),
                io_cast(oids.TEXT, target.oid),
                context == "e",
            )
        if isinstance(expr, ex.Param):
            retyped = self.parameters.retype(expr, target)
            if retyped is None or retyped.type.oid == target.oid:
                return retyped
            return self._convert(retyped, target, context)
        return ex.Cast(SqlType(target.oid), expr, io_cast(oids.TEXT, target.oid), context == "e")

    def _sized(self, expr: ex.Expr, target: SqlType, explicit: bool) -> ex.Expr:
        """Apply the target's modifier, if it has one that the expression has not."""
        if target.typmod < 0 or expr.type.typmod == target.typmod:
            return expr
        function = length_coercion(target.oid)
        if function is None:
            return expr
        return ex.Cast(target, expr, function, explicit)

    # --- with errors ----------------------------------------

    def cast(self, expr: ex.Expr, target: SqlType, position: int | None) -> ex.Expr:
        """An explicit cast.  Raises CannotCoerce."""
        done = self.coerce(expr, target, "e", position)
        if done is None:
            raise errors.CannotCoerce(
                f"cannot cast type {self.type_name(expr.type.oid)} to {self.type_name(target.oid)}",
                position=position,
            )
        if done is expr and expr.type != target and not isinstance(expr, ex.Const):
            return ex.Cast(target, expr, None, True)
        return done

    def implicit(self, expr: ex.Expr, oid: int, position: int | None = None) -> ex.Expr:
        """`expr` as an argument of type `oid`, which resolution has found possible."""
        done = self.coerce(expr, SqlType(oid), "i", position)
        if done is None:
            done = self.coerce(expr, SqlType(oid), "e", position)
        if done is None:
            raise errors.CannotCoerce(
                f"cannot cast type {self.type_name(expr.type.oid)} to {self.type_name(oid)}",
                position=position,
            )
        return done

    def assign(self, expr: ex.Expr, target: SqlType, column: str, position: int | None) -> ex.Expr:
        """`expr` as a new value of a column.  Raises DatatypeMismatch."""
        done = self.coerce(expr, target, "a", position)
        if done is None:
            raise errors.DatatypeMismatch(
                f'column "{column}" is of type {self.type_name(target.named_oid)}'
                f" but expression is of type {self.type_name(expr.type.oid)}",
                hint="You will need to rewrite or cast the expression.",
                position=position,
            )
        return done

    def boolean(self, expr: ex.Expr, construct: str, position: int | None) -> ex.Expr:
        """A condition.  Raises DatatypeMismatch naming `construct`."""
        done = self.coerce(expr, BOOL, "a")
        if done is None or done.type.oid != oids.BOOL:
            wanted, given = self.type_name(oids.BOOL), self.type_name(expr.type.oid)
            raise errors.DatatypeMismatch(
                f"argument of {construct} must be type {wanted}, not type {given}",
                position=position,
            )
        return done

    def common(
        self, exprs: Sequence[ex.Expr], construct: str, positions: Sequence[int | None] = ()
    ) -> tuple[int, list[ex.Expr]]:
        """All of `exprs`, which stand at `positions`, as their common type."""
        types = [e.type.oid for e in exprs]
        try:
            oid = common_type(types, construct)
        except errors.DatatypeMismatch as error:
            error.position = positions[first_mismatch(types)] if positions else None
            raise
        return oid, [self.implicit(e, oid, positions[n] if positions else None) for n, e in enumerate(exprs)]

    def known(self, expr: ex.Expr) -> ex.Expr:
        """What is still unknown becomes text, as in a final select list."""
        return self.implicit(expr, oids.TEXT) if expr.type.oid == oids.UNKNOWN else expr


def _implied(expr: ex.Expr) -> ex.Expr:
    """A cast as part of another: it is not printed, unless it needs to know that it is explicit."""
    if not isinstance(expr, ex.Cast) or (expr.function is not None and len(expr.function.arg_types) > 1):
        return expr
    return replace(expr, explicit=False)


def first_mismatch(types: Sequence[int]) -> int:
    """The number of the first type that has none in common with those before it."""
    for count in range(2, len(types)):
        try:
            common_type(types[:count])
        except errors.DatatypeMismatch:
            return count - 1
    return len(types) - 1
