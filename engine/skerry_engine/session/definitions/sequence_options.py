"""A sequence's definition from its options, for CREATE and ALTER SEQUENCE, serial and identity columns.

The checks and their order are PostgreSQL's, since several options can be wrong at once.
"""

from __future__ import annotations

from dataclasses import replace

from skerry_engine import errors
from skerry_engine.catalog.objects import SequenceDef
from skerry_engine.session.definitions.context import DefinitionContext
from skerry_engine.session.definitions.names import type_of
from skerry_engine.sql.statements import SequenceOptions
from skerry_engine.values import oids
from skerry_engine.values.types import format_type

BOUNDS = {
    oids.INT2: (-(2**15), 2**15 - 1),
    oids.INT4: (-(2**31), 2**31 - 1),
    oids.INT8: (-(2**63), 2**63 - 1),
}


def new_sequence(context: DefinitionContext, empty: SequenceDef, options: SequenceOptions) -> SequenceDef:
    """A new sequence: `empty` (its name, place and, for columns, type) with options and defaults."""
    type_oid = empty.type_oid if options.data_type is None else _sequence_type(context, options)
    ascending = options.increment is None or options.increment > 0
    low, high = BOUNDS[type_oid]
    fresh = replace(
        empty,
        type_oid=type_oid,
        minimum=1 if ascending else low,
        maximum=high if ascending else -1,
    )
    changed = _with_options(fresh, options, is_new=True)
    start = options.start
    if start is None:
        start = changed.minimum if changed.increment > 0 else changed.maximum
    return _checked_start(replace(changed, start=start))


def altered_sequence(context: DefinitionContext, old: SequenceDef, options: SequenceOptions) -> SequenceDef:
    """An existing sequence with options changed."""
    changed = old
    if options.data_type is not None:
        changed = _retyped(old, _sequence_type(context, options))
    changed = _with_options(changed, options, is_new=False)
    if options.start is not None:
        changed = replace(changed, start=options.start)
    return _checked_start(changed)


def restart_value(changed: SequenceDef, options: SequenceOptions) -> int | None:
    """The value that RESTART sets, None without RESTART.  Raises InvalidParameterValue out of bounds."""
    if not options.is_restart:
        return None
    value = changed.start if options.restart is None else options.restart
    check_value(changed, value, "RESTART")
    return value


def check_value(sequence: SequenceDef, value: int, what: str) -> None:
    """Raise InvalidParameterValue when a value (START, RESTART) lies beyond the sequence's bounds."""
    if value < sequence.minimum:
        raise errors.InvalidParameterValue(
            f"{what} value ({value}) cannot be less than MINVALUE ({sequence.minimum})"
        )
    if value > sequence.maximum:
        raise errors.InvalidParameterValue(
            f"{what} value ({value}) cannot be greater than MAXVALUE ({sequence.maximum})"
        )


def _sequence_type(context: DefinitionContext, options: SequenceOptions) -> int:
    assert options.data_type is not None
    oid = type_of(context, options.data_type).oid
    if oid not in BOUNDS:
        raise errors.InvalidParameterValue("sequence type must be smallint, integer, or bigint")
    return oid


def _retyped(old: SequenceDef, type_oid: int) -> SequenceDef:
    """Bounds that were the old type's own follow the new type."""
    old_low, old_high = BOUNDS[old.type_oid]
    low, high = BOUNDS[type_oid]
    changed = replace(old, type_oid=type_oid)
    if (old.increment > 0 and old.maximum == old_high) or (old.increment < 0 and old.maximum == old_high):
        changed = replace(changed, maximum=high)
    if old.increment < 0 and old.minimum == old_low:
        changed = replace(changed, minimum=low)
    return changed


def _with_options(sequence: SequenceDef, options: SequenceOptions, is_new: bool) -> SequenceDef:
    increment = sequence.increment if options.increment is None else options.increment
    if increment == 0:
        raise errors.InvalidParameterValue("INCREMENT must not be zero")
    changed = replace(
        sequence,
        increment=increment,
        cycle=sequence.cycle if options.cycle is None else options.cycle,
        cache=sequence.cache if options.cache is None else options.cache,
    )
    changed = _with_bounds(changed, options)
    if changed.cache < 1:
        raise errors.InvalidParameterValue(f"CACHE ({changed.cache}) must be greater than zero")
    return changed


def _with_bounds(sequence: SequenceDef, options: SequenceOptions) -> SequenceDef:
    low, high = BOUNDS[sequence.type_oid]
    type_name = format_type(sequence.type_oid)
    maximum, minimum = sequence.maximum, sequence.minimum
    if options.maximum is not None:
        maximum = options.maximum
    elif options.no_maximum:
        maximum = high if sequence.increment > 0 else -1
    if not low <= maximum <= high:
        raise errors.InvalidParameterValue(
            f"MAXVALUE ({maximum}) is out of range for sequence data type {type_name}"
        )
    if options.minimum is not None:
        minimum = options.minimum
    elif options.no_minimum:
        minimum = 1 if sequence.increment > 0 else low
    if not low <= minimum <= high:
        raise errors.InvalidParameterValue(
            f"MINVALUE ({minimum}) is out of range for sequence data type {type_name}"
        )
    if minimum >= maximum:
        raise errors.InvalidParameterValue(f"MINVALUE ({minimum}) must be less than MAXVALUE ({maximum})")
    return replace(sequence, minimum=minimum, maximum=maximum)


def _checked_start(sequence: SequenceDef) -> SequenceDef:
    check_value(sequence, sequence.start, "START")
    return sequence
