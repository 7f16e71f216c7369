"""Sequences' current values: state of the engine, outside the catalog and outside transactions.

    catalog    SequenceDef: increment, bounds, start      transactional, by oid
    here       (last value, is it used up?) by oid        nextval and setval are never rolled back

`nextval` gives each value out once, whatever becomes of the transaction that asked.  Only what a definition
does to the value (CREATE, DROP, RESTART) follows its transaction: those calls return how to undo them.

The log is told what must never be given out again (`on_change`), a number of values ahead, so that most calls cost
no record: after a crash up to `VALUES_AHEAD` values are missing, as they are in PostgreSQL, and none comes twice.
CACHE counts as 1: a value costs no lock here, so there is nothing to save by taking several.

What a session got last (currval, lastval) is the session's own affair.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from skerry_engine import errors
from skerry_engine.catalog.objects import SequenceDef

VALUES_AHEAD: Final = 32
"""So many values are logged as given out before they are (ENGINE.md section 6)."""


class SequenceState:
    """`last_value` was given out if `is_called`, else it comes next.  `unlogged` values may follow before the log
    has to be told, which knows it as `logged`.  `is_pending`: a definition has set it whose commit, which logs it, is
    still to come; `before` is what it was until then.
    """

    __slots__ = ("last_value", "is_called", "unlogged", "is_pending", "logged", "before")

    def __init__(self, last_value: int, is_called: bool) -> None:
        self.last_value: int = last_value
        self.is_called: bool = is_called
        self.unlogged: int = 0
        self.is_pending: bool = False
        self.logged: tuple[int, bool] = (last_value, is_called)
        self.before: SequenceState | None = None


def _nobody(oid: int, last_value: int, is_called: bool) -> None:
    """Nobody is told."""


class Sequences:
    """The values of all sequences of an engine.

    `on_change(oid, last value, is it used up?)` is called with what a restart has to go on from.
    """

    def __init__(self) -> None:
        self._states: dict[int, SequenceState] = {}
        self.on_change: Callable[[int, int, bool], None] = _nobody

    # --- values -----------------------------------------------------------------------------------

    def nextval(self, definition: SequenceDef) -> int:
        """The next value.  Raises SequenceGeneratorLimitExceeded at the end of one that does not cycle."""
        state = self._state(definition)
        value = state.last_value
        if state.is_called:
            value = _following(definition, value)
        if state.unlogged > 0:
            state.unlogged -= 1
        elif not definition.is_temporary and not state.is_pending:
            self._log(definition.oid, state, _far_ahead(definition, value), True)
            state.unlogged = VALUES_AHEAD
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
        if not definition.is_temporary and not state.is_pending:
            self._log(definition.oid, state, value, is_called)
        state.last_value = value
        state.is_called = is_called
        state.unlogged = 0

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
        state = self._states[oid] = SequenceState(value, is_called)
        state.is_pending = not definition.is_temporary
        state.before = before

        def undo() -> None:
            if before is None:
                self._states.pop(oid, None)
            else:
                self._states[oid] = before

        return undo

    def relog(self, oid: int) -> None:
        """The definition has changed: how far the log reaches is to be asked anew."""
        state = self._states.get(oid)
        if state is not None:
            state.unlogged = 0

    def retain(self, oids: set[int]) -> None:
        """Forget the states of all sequences but these."""
        self._states = {oid: state for oid, state in self._states.items() if oid in oids}

    def _log(self, oid: int, state: SequenceState, value: int, is_called: bool) -> None:
        self.on_change(oid, value, is_called)
        state.logged = (value, is_called)

    def logged_states(self) -> list[tuple[int, int, bool]]:
        """What the log knows of all sequences, as `restore` takes it: no value beyond it was given out."""
        found: list[tuple[int, int, bool]] = []
        for oid, each in self._states.items():
            state: SequenceState | None = each
            while state is not None and state.is_pending:
                state = state.before
            if state is not None:
                found.append((oid, *state.logged))
        return found

    def take_unlogged(self) -> list[tuple[int, int, bool]]:
        """The states that the log knows only as something further ahead, as `restore` takes them."""
        found = [(oid, s.last_value, s.is_called) for oid, s in self._states.items() if s.unlogged]
        for oid, _, _ in found:
            self._states[oid].unlogged = 0
        return found

    def pending_states(self, oids: Iterable[int]) -> list[tuple[int, int, bool]]:
        """What the commit of definitions that set these sequences has to log, as `restore` takes it."""
        states = [(oid, self._states.get(oid)) for oid in dict.fromkeys(oids)]
        return [(oid, s.last_value, s.is_called) for oid, s in states if s is not None and s.is_pending]

    def take_pending(self, oids: Iterable[int]) -> list[tuple[int, int, bool]]:
        """As `pending_states`, for a commit record: from now on the log has to be told of values again."""
        found = self.pending_states(oids)
        for oid, _, _ in found:
            self.settle(oid)
        return found

    def settle(self, oid: int) -> None:
        """The definition that set it is committed, or its commit record is being made."""
        state = self._states.get(oid)
        if state is not None and state.is_pending:
            state.is_pending = False
            state.before = None
            state.logged = (state.last_value, state.is_called)

    def restore(self, oid: int, last_value: int, is_called: bool, is_pending: bool = False) -> None:
        """Take a state from log or base, which know of it already."""
        state = self._states[oid] = SequenceState(last_value, is_called)
        state.is_pending = is_pending

    def forget(self, oid: int) -> None:
        """Let a dropped sequence's value go."""
        self._states.pop(oid, None)


def _far_ahead(definition: SequenceDef, value: int) -> int:
    """The last of the values that are given out before the log is told again; at most to the sequence's end."""
    ahead = value + VALUES_AHEAD * definition.increment
    return max(definition.minimum, min(definition.maximum, ahead))


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
