"""Sequences' current values: state of the engine, outside the catalog and outside transactions.

    catalog    SequenceDef: increment, bounds, start      transactional, by oid
    here       (last value, is it used up?) by oid        nextval and setval are never rolled back

`nextval` gives each value out once, whatever becomes of the transaction that asked.  Only what a definition
does to the value (CREATE, DROP, RESTART) follows its transaction: those calls return how to undo them.
CACHE counts as 1: a value costs no lock and no log record here,
so there is nothing to save by taking several.

What a session got last (currval, lastval) is the session's own affair.
"""

from __future__ import annotations

from collections.abc import Callable

from skerry_engine import errors
from skerry_engine.catalog.objects import SequenceDef


class SequenceState:
    """`last_value` was given out if `is_called`, else it comes next."""

    __slots__ = ("last_value", "is_called")

    def __init__(self, last_value: int, is_called: bool) -> None:
        self.last_value: int = last_value
        self.is_called: bool = is_called


class Sequences:
    """The values of all sequences of an engine."""

    def __init__(self) -> None:
        self._states: dict[int, SequenceState] = {}

    # --- values -----------------------------------------------------------------------------------

    def nextval(self, definition: SequenceDef) -> int:
        """The next value.  Raises SequenceGeneratorLimitExceeded at the end of one that does not cycle."""
        state = self._state(definition)
        value = state.last_value
        if state.is_called:
            value = _following(definition, value)
        state.last_value = value
        state.is_called = True
        return value

    def setval(self, definition: SequenceDef, value: int, is_called: bool = True) -> None:
        """Set the value.  Raises NumericValueOutOfRange beyond the sequence's bounds."""
        if not definition.minimum <= value <= definition.maximum:
            raise errors.NumericValueOutOfRange(
                f'setval: value {value} is out of bounds for sequence "{definition.name}"'
                f" ({definition.minimum}..{definition.maximum})"
            )
        state = self._state(definition)
        state.last_value = value
        state.is_called = is_called

    def state(self, oid: int, definition: SequenceDef | None = None) -> tuple[int, bool]:
        """(last_value, is_called), as a SELECT from the sequence shows them."""
        state = self._states.get(oid)
        if state is None:
            return (1 if definition is None else definition.start), False
        return state.last_value, state.is_called

    def _state(self, definition: SequenceDef) -> SequenceState:
        state = self._states.get(definition.oid)
        if state is None:
            state = self._states[definition.oid] = SequenceState(definition.start, False)
        return state

    # --- definitions ------------------------------------------------------------------------------

    def create(self, definition: SequenceDef) -> Callable[[], None]:
        """Begin at the definition's start; the result undoes it."""
        return self.restart(definition, definition.start)

    def restart(self, definition: SequenceDef, value: int, is_called: bool = False) -> Callable[[], None]:
        """Set the value whatever the bounds say (the definition is about to change); the result undoes it."""
        oid = definition.oid
        before = self._states.get(oid)
        self._states[oid] = SequenceState(value, is_called)

        def undo() -> None:
            if before is None:
                self._states.pop(oid, None)
            else:
                self._states[oid] = before

        return undo

    def forget(self, oid: int) -> None:
        """Let a dropped sequence's value go."""
        self._states.pop(oid, None)


def _following(definition: SequenceDef, value: int) -> int:
    """The value after `value`, around the corner where the sequence cycles."""
    following = value + definition.increment
    if definition.increment > 0 and following > definition.maximum:
        return _wrapped(definition, "maximum", definition.maximum, definition.minimum)
    if definition.increment < 0 and following < definition.minimum:
        return _wrapped(definition, "minimum", definition.minimum, definition.maximum)
    return following


def _wrapped(definition: SequenceDef, what: str, limit: int, other_end: int) -> int:
    if definition.cycle:
        return other_end
    raise errors.SequenceGeneratorLimitExceeded(
        f'nextval: reached {what} value of sequence "{definition.name}" ({limit})'
    )
