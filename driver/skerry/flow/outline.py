"""What a flow will do, as data: its stages, loops and conditions, and at each of them what becomes of the transaction.

    reading    the flow's source, with what its names mean  ──>  Code
    rule       the rule of `run`, with what may be open instead of what is  ──>  Outline       `outline()`
    here       Outline: text by str(), a drawing by `drawing`

A place is met in the first round of its loops, or in later ones, and often not to the same effect: `effects` has them
by round.  Where several are possible at one meeting, all are there.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

Rounds = tuple[bool, ...]
"""For each loop around a place, the outermost first: whether this is its first round."""


class Kind(enum.Enum):
    """What a place is."""

    STAGE = "stage"
    FLOW = "flow"
    EACH = "each"
    LOOP = "loop"
    IF = "if"
    TRY = "try"
    ARM = "arm"
    BLOCK = "block"
    CALL = "call"
    RETURN = "return"
    RAISE = "raise"
    BREAK = "break"
    CONTINUE = "continue"
    UNSEEN = "?"
    END = "end"


_UNTITLED = (Kind.LOOP, Kind.ARM, Kind.BLOCK)
"""Their labels say what they are."""


class Effect(enum.Enum):
    """What becomes of the transaction at a place; the value is how that is said."""

    OPENS = "opens a transaction"
    JOINS = "goes on in the transaction"
    SAVEPOINT = "goes on in the transaction, behind a savepoint"
    OWN = "is a transaction of its own, which commits at its end"
    BY_HAND = "is a transaction of its own; without commit() it rolls back"
    ITS_OWN = "has the transactions that its nodes say"
    PART = "is part of the flow: opens and commits nothing itself"
    COMMITS = "commits, then runs"
    RUNS = "runs outside any transaction"
    ENDS = "commits"
    NOTHING = "has nothing to commit"
    EVERY = "commits every so many rows"
    LEFT = "commits nothing on the way: that is up to the transaction around it"
    ROLLS_BACK = "rolls back"
    REFUSED = "fails if the transaction is doomed"
    LACKING = "fails: no transaction is open"
    NESTED = "fails: it would commit inside a block of the transaction"

    @property
    def is_commit(self) -> bool:
        """Whether a transaction commits here."""
        return self in (Effect.COMMITS, Effect.ENDS, Effect.OWN)

    @property
    def is_inside(self) -> bool:
        """Whether what is here belongs to a transaction."""
        return self in (Effect.OPENS, Effect.JOINS, Effect.SAVEPOINT, Effect.OWN, Effect.BY_HAND)


_EITHER = (
    ({Effect.OPENS, Effect.JOINS}, "opens a transaction if none is open"),
    ({Effect.COMMITS, Effect.RUNS}, "commits what is open, then runs"),
    ({Effect.ENDS, Effect.NOTHING}, "commits what is open"),
    ({Effect.ROLLS_BACK, Effect.NOTHING}, "rolls back what is open"),
    ({Effect.PART, Effect.SAVEPOINT}, "goes on in the transaction, behind a savepoint, if one is open"),
    (
        {Effect.OWN, Effect.SAVEPOINT},
        "is a savepoint in the transaction, or a transaction of its own if none is open",
    ),
)


class Open(enum.Enum):
    """Whether a transaction is open at a moment."""

    NO = "no"
    MAYBE = "maybe"
    YES = "yes"


@dataclass(frozen=True, slots=True)
class Moment:
    """Before or after a place: whether a transaction is open, and which; `scope` counts those of a flow from 1, one
    that a loop may find open from its round before having the same number."""

    is_open: Open = Open.NO
    scope: int | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Something that a flow comes to.

    `label` is as the source has it; `facts` what was said of a stage (`tx`, its retries); `commit_every` that of an
    `each`; `effects` as in the module, without those that can't happen; `scope` which transaction it belongs to.
    `parts` are inside it: the body of a loop, the arms of a condition, stages that a stage calls.
    """

    kind: Kind
    label: str
    line: int
    facts: tuple[str, ...] = ()
    is_tx: bool = False
    commit_every: int | str | None = None
    effects: tuple[tuple[Rounds, tuple[Effect, ...]], ...] = ()
    before: Moment = Moment()
    after: Moment = Moment()
    scope: int | None = None
    is_reached: bool = True
    parts: tuple[Place, ...] = ()

    def effects_at(self, rounds: Rounds) -> tuple[Effect, ...]:
        """What may happen there in those rounds of the loops around it."""
        return dict(self.effects).get(rounds, ())

    @property
    def all_effects(self) -> frozenset[Effect]:
        """What may happen there at all."""
        return frozenset(effect for _, effects in self.effects for effect in effects)

    def said(self) -> str:
        """What becomes of the transaction there, as a sentence about it; empty where there is nothing to say."""
        if not self.is_reached:
            return "is never reached"
        if self.kind is Kind.UNSEEN:
            return ", ".join(self.facts)
        first = frozenset(self.effects[0][1]) if self.effects and all(self.effects[0][0]) else frozenset()
        later = frozenset(effect for rounds, effects in self.effects if not all(rounds) for effect in effects)
        if first and later and first != later and len(first) == 1 and len(later) == 1:
            return f"{_said(first)}; in later rounds {_said(later).replace('the transaction', 'it')}"
        return _said(first | later)

    @property
    def title(self) -> str:
        """What it is, with what was said of it."""
        is_said = self.facts and self.kind is not Kind.UNSEEN
        facts = f" ({', '.join(self.facts)})" if is_said else ""
        kind = "" if self.kind in _UNTITLED else self.kind.value
        return f"{kind} {self.label}".strip() + facts

    def every(self) -> str:
        """Of an `each` that commits on the way: when."""
        if Effect.EVERY not in self.all_effects:
            return (
                Effect.LEFT.value if Effect.LEFT in self.all_effects else "has nothing to commit on the way"
            )
        number = self.commit_every
        if number == 1:
            return "commits after every row"
        return f"commits every {number:,} rows" if isinstance(number, int) else f"commits every {number} rows"


@dataclass(frozen=True, slots=True)
class Outline:
    """What a flow will do.  `about` is said of it as a whole (database, modes, deadline); `unseen` are calls that
    could not be looked into."""

    name: str
    about: tuple[str, ...]
    body: tuple[Place, ...]
    unseen: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = list(_lines(self.body, 1))
        width = max((len(left) for left, right in lines if right), default=0)
        text = [f"flow {self.name}: {', '.join(self.about)}"]
        text += [f"{left.ljust(width)}   {right}" if right else left for left, right in lines]
        if self.unseen:
            text.append(f"taken for calls that are no stages: {', '.join(self.unseen)}")
        return "\n".join(text)

    __repr__ = __str__

    def places(self) -> Iterator[Place]:
        """All places, outer ones before those inside them."""
        return _walk(self.body)


def _walk(places: Iterable[Place]) -> Iterator[Place]:
    for place in places:
        yield place
        yield from _walk(place.parts)


def _lines(places: Iterable[Place], depth: int) -> Iterator[tuple[str, str]]:
    """A place's line, what is said of it, and then what is inside it."""
    for place in places:
        indent = "  " * depth
        if place.kind in (Kind.IF, Kind.TRY):  # their arms say what they are
            yield from _lines(place.parts, depth)
            continue
        yield f"{indent}{place.title}", "" if place.kind is Kind.EACH else place.said()
        orelse = [part for part in place.parts if part.label == "else" and place.kind is Kind.LOOP]
        yield from _lines([part for part in place.parts if part not in orelse], depth + 1)
        yield from _lines(orelse, depth)
        if place.commit_every is not None:
            yield f"{indent}  {place.every()}", ""


def _said(effects: frozenset[Effect]) -> str:
    for pair, words in _EITHER:
        if pair <= effects:
            return "; ".join([words, *(each.value for each in _in_order(effects - pair))])
    return "; ".join(each.value for each in _in_order(effects))


def _in_order(effects: Iterable[Effect]) -> list[Effect]:
    order = list(Effect)
    return sorted(effects, key=order.index)
