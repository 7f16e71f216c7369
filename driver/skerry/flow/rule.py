"""The rule by which flows begin and commit transactions (see `run`), applied to a flow's source instead of to a run.

What is open at a moment is a set of possibilities, each of them nothing, or a transaction that was opened at a certain
place and may be doomed.  A condition goes all ways, and their possibilities are put together; a loop is gone through
until nothing new comes; a failure may come anywhere in a `try`.

    lane      what `run` calls a lane: stages open and commit here
    inside    within a transaction: whatever comes joins it

What is given here is what can happen as far as conditions go, all of them being taken for undecided.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from skerry.flow.definitions import FlowSpec, StageSpec
from skerry.flow.outline import Effect, Kind, Moment, Open, Outline, Place, Rounds
from skerry.flow.reading import Begins, Code, Reading, read_flow


class _Scope(NamedTuple):
    """A transaction, by the place that opened it."""

    origin: int
    is_doomed: bool = False


State = frozenset[_Scope | None]
"""What may be open; None is nothing.  Empty where nothing gets to."""

NOTHING: State = frozenset([None])
NEVER: State = frozenset()


def outline(flow: FlowSpec, owner: type | None = None) -> Outline:
    """What a flow will do.  Raises InterfaceError where its source can't be read."""
    reading = Reading()
    body = (*read_flow(flow, owner, reading), Code(Kind.END))
    rule = _Rule()
    rule.lane_of_its_own(body, ())
    return Outline(flow.name, _about(flow), rule.places(body), tuple(reading.unseen))


def _about(flow: FlowSpec) -> tuple[str, ...]:
    name = getattr(flow.database, "name", None)
    found = [f"on {name}"] if name is not None else []
    found.append(str(flow.modes))
    if flow.timeout_s is not None:
        found.append(f"{flow.timeout_s:g} s for each transaction")
    if flow.retries:
        found.append(f"retries={flow.retries}")
    return tuple(found)


@dataclass(slots=True)
class _Exits:
    """With what is open the code is left otherwise than at its end."""

    returns: set[_Scope | None] = field(default_factory=set)
    breaks: set[_Scope | None] = field(default_factory=set)
    continues: set[_Scope | None] = field(default_factory=set)
    raises: set[_Scope | None] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Around:
    """What surrounds the code.  `ends`: whether a return is the end of a lane; `blocks`: how many blocks that joined
    the lane's transaction are open."""

    exits: _Exits
    rounds: Rounds = ()
    is_inside: bool = False
    ends: bool = False
    blocks: int = 0

    def fresh(self, **changes: object) -> _Around:
        """For code of its own: what leaves it is looked at by whoever asked."""
        return replace(self, exits=_Exits(), **changes)  # type: ignore[arg-type]


@dataclass(slots=True)
class _Notes:
    """What was found at a place."""

    effects: dict[Rounds, set[Effect]] = field(default_factory=dict)
    before: set[_Scope | None] = field(default_factory=set)
    after: set[_Scope | None] = field(default_factory=set)
    scopes: set[int] = field(default_factory=set)


class _Rule:
    """Goes through the code and notes what may be at each place."""

    def __init__(self) -> None:
        self._notes: dict[int, _Notes] = {}
        self._same: dict[int, int] = {}
        self._kept: list[Code] = []
        self._ends: dict[int, Code] = {}

    # --- sequences --------------------------------------

    def lane_of_its_own(self, body: tuple[Code, ...], rounds: Rounds) -> None:
        """A flow's body, or that of a stage which is not transactional."""
        around = _Around(_Exits(), rounds, ends=True)
        self._sequence(body, NOTHING, around)

    def _sequence(self, codes: Iterable[Code], state: State, around: _Around) -> State:
        for code in codes:
            if not state:
                break
            around.exits.raises |= state
            notes = self._at(code)
            notes.before |= state
            state = _STEPS[code.kind](self, code, state, around)
            notes.after |= state
            around.exits.raises |= state
            self._join(notes.before)
            self._join(notes.after)
        return state

    def _at(self, code: Code) -> _Notes:
        found = self._notes.get(id(code))
        if found is None:
            found = self._notes[id(code)] = _Notes()
            self._kept.append(code)  # so that its id stays its own
        return found

    def _say(self, code: Code, around: _Around, effect: Effect) -> None:
        self._at(code).effects.setdefault(around.rounds, set()).add(effect)

    def _join(self, state: Iterable[_Scope | None]) -> None:
        """What may be open at one moment is drawn as one transaction."""
        origins = sorted(self._root(scope.origin) for scope in state if scope is not None)
        for origin in origins[1:]:
            self._same[self._root(origin)] = self._root(origins[0])

    def _root(self, origin: int) -> int:
        while origin in self._same and self._same[origin] != origin:
            origin = self._same[origin]
        return origin

    # --- stages and flows -------------------------------

    def _stage(self, code: Code, state: State, around: _Around) -> State:
        assert isinstance(code.spec, StageSpec)
        if around.is_inside:
            return self._joined(code, state, around, Effect.JOINS)
        if not code.spec.tx:
            return self._commit_point(code, state, around)
        inside: set[_Scope | None] = set()
        for scope in state:
            if scope is None:
                self._say(code, around, Effect.OPENS)
                inside.add(_Scope(id(code)))
            elif scope.is_doomed:
                self._say(code, around, Effect.REFUSED)
                around.exits.raises.add(scope)
            else:
                self._say(code, around, Effect.JOINS)
                inside.add(scope)
        return self._within(code, frozenset(inside), around)

    def _commit_point(self, code: Code, state: State, around: _Around) -> State:
        is_reached = False
        for scope in state:
            if scope is None:
                self._say(code, around, Effect.RUNS)
                is_reached = True
            elif scope.is_doomed:
                self._say(code, around, Effect.REFUSED)
            elif around.blocks:
                self._say(code, around, Effect.NESTED)
            else:
                self._say(code, around, Effect.COMMITS)
                is_reached = True
        around.exits.raises.add(None)
        if not is_reached:
            return NEVER
        self.lane_of_its_own(self._with_end(code), around.rounds)
        return NOTHING

    def _with_end(self, code: Code) -> tuple[Code, ...]:
        """The body of a lane of its own, with the commit at its end."""
        if not code.parts:
            return ()
        end = self._ends.setdefault(id(code), Code(Kind.END, line=code.line))
        return (*code.parts, end)

    def _joined(self, code: Code, state: State, around: _Around, effect: Effect) -> State:
        """What is in a transaction already, and stays there."""
        open_here = frozenset(scope for scope in state if scope is not None)
        if open_here:
            self._say(code, around, effect)
        return self._within(code, open_here, around, is_undone=effect is Effect.SAVEPOINT)

    def _within(self, code: Code, state: State, around: _Around, is_undone: bool = False) -> State:
        """A part that is inside a transaction.  If it fails, it is undone to its savepoint, or the whole is doomed."""
        if not state:
            return NEVER
        self._at(code).scopes |= {scope.origin for scope in state if scope is not None}
        inner = around.fresh(is_inside=True, ends=False, blocks=0)
        after = self._sequence(code.parts, state, inner) | inner.exits.returns
        doomed = {scope and scope._replace(is_doomed=True) for scope in state | after}
        around.exits.raises |= state if is_undone else doomed
        return after

    def _flow(self, code: Code, state: State, around: _Around) -> State:
        if around.is_inside:
            return self._joined(code, state, around, Effect.SAVEPOINT)
        after: State = NEVER
        if None in state:
            self._say(code, around, Effect.PART)
            inner = around.fresh(ends=False)
            after |= self._sequence(code.parts, NOTHING, inner) | inner.exits.returns
            around.exits.raises.add(None)  # what it has begun is rolled back if it fails
        within = state - NOTHING
        if within:
            after |= self._joined(code, within, around, Effect.SAVEPOINT)
        return after

    def _block(self, code: Code, state: State, around: _Around) -> State:
        """`db.transaction()`: joins what is open, or is a transaction of its own."""
        if code.begins in (Begins.BY_HAND, Begins.ALWAYS):
            self._own(code, around, Effect.BY_HAND if code.begins is Begins.BY_HAND else Effect.OWN)
            return state
        effect = Effect.SAVEPOINT if code.is_savepoint else Effect.JOINS
        if around.is_inside:
            return self._joined(code, state, around, effect)
        after: State = NEVER
        if None in state and code.begins is Begins.NEVER:
            self._say(code, around, Effect.LACKING)
        elif None in state and code.begins is Begins.OF_ITS_OWN:
            self._say(code, around, Effect.ITS_OWN)
            after |= NOTHING
        elif None in state:
            self._own(code, around, Effect.OWN)
            after |= NOTHING
        within = state - NOTHING
        if within:  # its stages are still those of the lane
            self._say(code, around, effect)
            self._at(code).scopes |= {scope.origin for scope in within if scope is not None}
            exits = replace(around.exits, raises=set())
            inner = replace(around, exits=exits, blocks=around.blocks + code.is_savepoint, ends=False)
            after |= self._sequence(code.parts, within, inner)
            doomed = {scope and scope._replace(is_doomed=True) for scope in within}
            around.exits.raises |= within if code.is_savepoint else doomed
        return after

    def _own(self, code: Code, around: _Around, effect: Effect) -> None:
        self._say(code, around, effect)
        self._at(code).scopes.add(id(code))
        inner = around.fresh(is_inside=True, ends=False, blocks=0)
        self._sequence(code.parts, frozenset([_Scope(id(code))]), inner)

    def _call(self, code: Code, state: State, around: _Around) -> State:
        """A function that is no stage: as if its body stood here."""
        inner = around.fresh(ends=False)
        after = self._sequence(code.parts, state, inner) | inner.exits.returns
        around.exits.raises |= inner.exits.raises
        return after

    def _unseen(self, code: Code, state: State, around: _Around) -> State:
        """It may open a transaction, or commit one."""
        if around.is_inside:
            return state
        return state | NOTHING | {_Scope(id(code))}

    # --- loops ------------------------------------------

    def _loop(self, code: Code, state: State, around: _Around) -> State:
        arms = {part.label: part for part in code.parts}
        body, orelse = arms.get(""), arms.get("else")
        breaks: set[_Scope | None] = set()

        def round_of(entry: State, is_first: bool) -> State:
            exits = replace(around.exits, breaks=breaks, continues=set())
            inner = replace(around, exits=exits, rounds=(*around.rounds, is_first))
            after = self._sequence((body,), entry, inner) if body is not None else entry
            return after | exits.continues

        after = self._rounds(state, round_of, code.is_sure)
        if code.is_endless:
            after = NEVER
        if orelse is not None:
            after = self._sequence((orelse,), after, around)
        return after | breaks

    def _each(self, code: Code, state: State, around: _Around) -> State:
        is_committing = code.commit_every is not None
        if is_committing and around.is_inside:
            self._say(code, around, Effect.LEFT)
            is_committing = False

        def round_of(entry: State, is_first: bool) -> State:
            inner = replace(around, rounds=(*around.rounds, is_first))
            after = self._sequence(code.parts, entry, inner)
            if not is_committing or not after:
                return after
            if after == NOTHING:
                return after
            self._say(code, around, Effect.NESTED if around.blocks else Effect.EVERY)
            around.exits.raises.add(None)
            return NOTHING if code.commit_every == 1 else after | NOTHING

        return self._rounds(state, round_of, code.is_sure)

    def _rounds(self, state: State, round_of: Callable[[State, bool], State], is_sure: bool) -> State:
        """What is open after a number of rounds."""
        after = round_of(state, True)
        while True:
            more = after | round_of(after, False) if after else after
            if more == after:
                return after if is_sure else after | state
            after = more

    # --- conditions -------------------------------------

    def _if(self, code: Code, state: State, around: _Around) -> State:
        after: State = NEVER if code.is_sure else state
        for arm in code.parts:
            after |= self._sequence((arm,), state, around)
        return after

    def _arm(self, code: Code, state: State, around: _Around) -> State:
        return self._sequence(code.parts, state, around)

    def _try(self, code: Code, state: State, around: _Around) -> State:
        arms = {part.label: part for part in code.parts}
        final = arms.get("finally")
        exits = _Exits() if final is not None else replace(around.exits, raises=set())
        inside = replace(around, exits=exits, ends=around.ends and final is None)
        after = self._sequence((arms["try"],), state, inside)
        failed = frozenset(exits.raises)
        handlers = [part for part in code.parts if part.label.startswith("except")]
        if "else" in arms:
            after = self._sequence((arms["else"],), after, inside)
        for handler in handlers:
            after |= self._sequence((handler,), failed, inside)
        if final is None:
            around.exits.raises |= exits.raises
            return after
        return self._finally(final, after, exits, around)

    def _finally(self, final: Code, after: State, exits: _Exits, around: _Around) -> State:
        """It runs whichever way the rest is left, and that way is gone on then."""
        ways = (
            (exits.returns, around.exits.returns),
            (exits.breaks, around.exits.breaks),
            (exits.continues, around.exits.continues),
            (exits.raises, around.exits.raises),
        )
        for left, onward in ways:
            onward |= self._sequence((final,), frozenset(left), around)
        return self._sequence((final,), after, around)

    # --- jumps and ends ---------------------------------

    def _return(self, code: Code, state: State, around: _Around) -> State:
        if around.ends:
            self._end(code, state, around)
        around.exits.returns |= state
        return NEVER

    def _end(self, code: Code, state: State, around: _Around) -> State:
        for scope in state:
            if scope is None:
                self._say(code, around, Effect.NOTHING)
            else:
                self._say(code, around, Effect.REFUSED if scope.is_doomed else Effect.ENDS)
        return NEVER

    def _raise(self, code: Code, state: State, around: _Around) -> State:
        around.exits.raises |= state
        return NEVER

    def _break(self, code: Code, state: State, around: _Around) -> State:
        around.exits.breaks |= state
        return NEVER

    def _continue(self, code: Code, state: State, around: _Around) -> State:
        around.exits.continues |= state
        return NEVER

    # --- what was found ---------------------------------

    def places(self, codes: Iterable[Code]) -> tuple[Place, ...]:
        """The code as places, with what was noted there."""
        return _Placing(self._notes, self._root, self._ends).places(codes)


_STEPS: dict[Kind, Callable[[_Rule, Code, State, _Around], State]] = {
    Kind.STAGE: _Rule._stage,
    Kind.FLOW: _Rule._flow,
    Kind.EACH: _Rule._each,
    Kind.LOOP: _Rule._loop,
    Kind.IF: _Rule._if,
    Kind.TRY: _Rule._try,
    Kind.ARM: _Rule._arm,
    Kind.BLOCK: _Rule._block,
    Kind.CALL: _Rule._call,
    Kind.RETURN: _Rule._return,
    Kind.RAISE: _Rule._raise,
    Kind.BREAK: _Rule._break,
    Kind.CONTINUE: _Rule._continue,
    Kind.UNSEEN: _Rule._unseen,
    Kind.END: _Rule._end,
}


class _Placing:
    """Makes places of code and notes; transactions get their numbers in the order of the source."""

    def __init__(self, notes: dict[int, _Notes], root: Callable[[int], int], ends: dict[int, Code]) -> None:
        self._notes = notes
        self._root = root
        self._ends = ends
        self._numbers: dict[int, int] = {}

    def places(self, codes: Iterable[Code]) -> tuple[Place, ...]:
        """See the class."""
        return tuple(self._place(code) for code in codes)

    def _place(self, code: Code) -> Place:
        notes = self._notes.get(id(code))
        before = self._moment(notes.before if notes else ())
        scope = self._number(notes.scopes) if notes else None
        parts = code.parts
        if code.kind is Kind.LOOP:
            body = [part for part in parts if not part.label]
            parts = (
                *(inner for part in body for inner in part.parts),
                *(part for part in parts if part.label),
            )
        if id(code) in self._ends:
            parts = (*parts, self._ends[id(code)])
        inside = self.places(parts)
        effects = notes.effects if notes else {}
        in_order = sorted(effects.items(), key=lambda item: item[0], reverse=True)
        return Place(
            code.kind,
            code.label,
            code.line,
            code.facts,
            isinstance(code.spec, StageSpec) and code.spec.tx,
            code.commit_every,
            tuple((rounds, tuple(sorted(found, key=_ORDER.index))) for rounds, found in in_order),
            before,
            self._moment(notes.after if notes else ()),
            scope,
            notes is not None,
            inside,
        )

    def _moment(self, state: Iterable[_Scope | None]) -> Moment:
        found = list(state)
        scopes = {scope.origin for scope in found if scope is not None}
        if not scopes:
            return Moment()
        return Moment(Open.MAYBE if None in found else Open.YES, self._number(scopes))

    def _number(self, origins: Iterable[int]) -> int | None:
        roots = {self._root(origin) for origin in origins}
        if not roots:
            return None
        root = min(roots, key=lambda each: self._numbers.get(each, len(self._numbers) + 1))
        return self._numbers.setdefault(root, len(self._numbers) + 1)


_ORDER = list(Effect)
