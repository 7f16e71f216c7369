"""A path pattern as an automaton that is made while it is walked.

A *state* is what is left of the pattern: a list of frames, the next one first.  What a state can do next, its *moves*,
is found when it is first asked for: frames that consume nothing are taken apart until a segment stands in front.

    frames                           taken apart
    ------                           -----------
    Segment, rest                    a move: along the segment, to the state `rest`
    Sequence(a, b), rest             a, b, rest
    Choice(a, b), rest               a, rest   and   b, rest
    Repeat(a, 2, 5) count 1, rest    a, count 2, rest;   once 2 are done, also: rest
    Group(a), rest                   open the group; a, close, rest
    close, rest                      close the group: a condition may have to be asked; rest
    (nothing)                        accepted

Two equal lists of frames are one state; counts beyond what matters are not counted.  So `{2,}` has three states, and
`{1,1000}` as many as are ever reached.

A pattern is walked *backward* by turning it around before: sequences and segments from behind, what a group opens
closes it.  Only a tag of `|+|` stays at the alternative's first node, which is then its last.

What the walk needs to know of each edge it takes is a `Hop`: the variables to note, the groups it is in.  The search
itself (path_search.py) sees states, moves and hops, and neither frames nor patterns.
"""

from __future__ import annotations

from typing import Final

from skerry_engine.algebra import paths as pt
from skerry_engine.algebra.paths import is_fixed, shortest

WALK: Final = 0
TRAIL: Final = 1
ACYCLIC: Final = 2
SIMPLE: Final = 3

TAGS: Final = 1_000_000
"""How many alternatives one `|+|` can have at most."""

MODE_NUMBERS: Final = {"walk": WALK, "trail": TRAIL, "acyclic": ACYCLIC, "simple": SIMPLE}


class Group:
    """What holds for a stretch of the path: the parentheses of a PathGroup, or (number 0) the whole path.

    `condition` is the number under which to ask whether its content fits, -1 for none.  `joined` are the variables
    that mean one element in it; `remembered` are these, and those that the condition is about.  `asks_paths`: it is
    about stretches of the path, so that all of it matters.
    """

    __slots__ = ("number", "mode", "joined", "condition", "remembered", "asks_paths")

    def __init__(
        self,
        number: int,
        mode: int,
        joined: tuple[int, ...],
        condition: int,
        asked: tuple[int, ...] = (),
        asks_paths: bool = False,
    ) -> None:
        self.number: int = number
        self.mode: int = mode
        self.joined: tuple[int, ...] = joined
        self.condition: int = condition
        self.remembered: tuple[int, ...] = tuple(sorted({*joined, *asked}))
        self.asks_paths: bool = asks_paths


class Hop:
    """One edge (or, in a segment without edges, none) of a move, the same for all paths that take it.

    `first` are the variables noted at the node before it, `on_edge` and `on_node` at what it comes to; `tags` at the
    node before it which alternatives of `|+|` begin (walking backward: end) there.  `opened` are the numbers of the
    groups that begin with it, `groups` all those it is in that restrict it as it is made, the inmost last.
    """

    __slots__ = ("first", "on_edge", "on_node", "tags", "opened", "groups", "is_joined")

    def __init__(
        self,
        first: tuple[int, ...],
        on_edge: tuple[int, ...],
        on_node: tuple[int, ...],
        tags: tuple[int, ...],
        opened: tuple[int, ...],
        groups: tuple[Group, ...],
    ) -> None:
        self.first: tuple[int, ...] = tuple(sorted(first))
        self.on_edge: tuple[int, ...] = tuple(sorted(on_edge))
        self.on_node: tuple[int, ...] = tuple(sorted(on_node))
        self.tags: tuple[int, ...] = tags
        self.opened: tuple[int, ...] = opened
        self.groups: tuple[Group, ...] = groups
        noted = {*first, *on_edge, *on_node}
        self.is_joined: bool = any(noted.intersection(group.joined) for group in groups)


class Check:
    """A group that closes where a path stands, and whose condition must be true of what it matched.

    `is_empty` when it has also been opened there.
    """

    __slots__ = ("group", "is_empty")

    def __init__(self, group: Group, is_empty: bool) -> None:
        self.group: Group = group
        self.is_empty: bool = is_empty


class Accept:
    """A way to end: after `checks`, with what `hop` notes at the last node (None: nothing)."""

    __slots__ = ("checks", "hop")

    def __init__(self, checks: tuple[Check, ...], hop: Hop | None) -> None:
        self.checks: tuple[Check, ...] = checks
        self.hop: Hop | None = hop


class Move:
    """A way to go on: after `checks`, along `segment`, one hop for each of its edges, to the state `target`."""

    __slots__ = ("checks", "segment", "length", "hops", "target", "is_free")

    def __init__(
        self, checks: tuple[Check, ...], segment: int, length: int, hops: tuple[Hop, ...], target: State
    ) -> None:
        self.checks: tuple[Check, ...] = checks
        self.segment: int = segment
        self.length: int = length
        self.hops: tuple[Hop, ...] = hops
        self.target: State = target
        self.is_free: bool = not any(hop.groups for hop in hops)


class State:
    """What is left of the pattern.

    How a path has come here may matter for what it can become.  `is_restricted`: anything may, for it is within a
    group with a mode, or with a condition about paths.  Else `memory` are the groups and their variables of which it
    matters what they have been bound to.

    `moves` and `accepts` are there once `Program.explore` has been asked.
    """

    __slots__ = ("number", "frames", "is_restricted", "memory", "explored", "moves", "accepts")

    def __init__(
        self, number: int, frames: tuple[Frame, ...], closing: list[Group], around: list[Group]
    ) -> None:
        self.number: int = number
        self.frames: tuple[Frame, ...] = frames
        self.is_restricted: bool = any(group.mode != WALK for group in around) or any(
            group.asks_paths for group in (*closing, *around)
        )
        self.memory: list[tuple[int, int]] = [
            (group.number, variable) for group in (*closing, *around) for variable in group.remembered
        ]
        self.explored: bool = False
        self.moves: list[Move] = []
        self.accepts: list[Accept] = []


class Frame:
    """A part of the pattern that is still to come, or what follows one: `kind` 'part', 'again' (part is a PathRepeat,
    `count` times done), 'close' (a group), 'tag'."""

    __slots__ = ("kind", "part", "count", "group")

    def __init__(
        self, kind: str, part: pt.PathPart | None, count: int = 0, group: Group | None = None
    ) -> None:
        self.kind: str = kind
        self.part: pt.PathPart | None = part
        self.count: int = count
        self.group: Group | None = group


class _Way:
    """What was met on the way to a segment: groups opened and not closed again, checks, tags."""

    __slots__ = ("opened", "checks", "tags")

    def __init__(self, opened: tuple[Group, ...], checks: tuple[Check, ...], tags: tuple[int, ...]) -> None:
        self.opened: tuple[Group, ...] = opened
        self.checks: tuple[Check, ...] = checks
        self.tags: tuple[int, ...] = tags


class Program:
    """A pattern, its segments numbered in written order, ready to be walked in one direction."""

    def __init__(
        self, pattern: pt.PathPart, mode: str, joined: tuple[int, ...], backward: bool = False
    ) -> None:
        self.backward: bool = backward
        self.segments: list[pt.PathSegment] = []
        self.conditions: list[pt.PathGroup] = []
        self.whole: Group = Group(0, MODE_NUMBERS[mode], joined, -1)
        self.ambiguous: bool = is_ambiguous(pattern)
        self._numbers: dict[int, int] = {}
        self._groups: dict[int, Group] = {}
        self._tags: dict[int, int] = {}
        self._frames: dict[tuple[str, int, int], Frame] = {}
        self._states: dict[tuple[int, ...], State] = {}
        self._prepare(pattern)
        self.step: pt.PathRepeat | None = _repeated_step(pattern) if not joined else None
        """The pattern, if it is one step of a fixed length repeated: then a search can be made from both ends."""
        self.start: State = self._state((self._frame("part", pattern),))

    # --- preparation ----------------------------------------

    def _prepare(self, part: pt.PathPart) -> None:
        if isinstance(part, pt.PathSegment):
            if id(part) not in self._numbers:
                self._numbers[id(part)] = len(self.segments)
                self.segments.append(part)
        elif isinstance(part, pt.PathGroup):
            if id(part) not in self._groups:
                self._groups[id(part)] = self._group(part)
            self._prepare(part.part)
        elif isinstance(part, pt.PathRepeat):
            assert part.most is None or part.least <= part.most
            assert shortest(part.part) > 0 or part.most == 1, "a repeated part must have an edge"
            self._prepare(part.part)
        elif isinstance(part, (pt.PathSequence, pt.PathChoice)):
            for each in part.parts:
                self._prepare(each)
            if isinstance(part, pt.PathChoice) and part.kind == "multiset":
                self._tags.setdefault(id(part), len(self._tags) * TAGS)

    def _group(self, part: pt.PathGroup) -> Group:
        condition = -1
        if part.condition is not None:
            condition = len(self.conditions)
            self.conditions.append(part)
        asked = tuple([output.variable for output in part.outputs if output.variable >= 0])
        mode = MODE_NUMBERS[part.mode]
        asks_paths = any(output.kind in ("subpath", "subpaths") for output in part.outputs)
        return Group(len(self._groups) + 1, mode, part.joined, condition, asked, asks_paths)

    def _frame(
        self, kind: str, part: pt.PathPart | None, count: int = 0, group: Group | None = None
    ) -> Frame:
        key = (kind, id(part) if group is None else group.number, count)
        frame = self._frames.get(key)
        if frame is None:
            frame = self._frames[key] = Frame(kind, part, count, group)
        return frame

    def _state(self, frames: tuple[Frame, ...]) -> State:
        key = tuple([id(frame) for frame in frames])
        state = self._states.get(key)
        if state is None:
            closing, around = _groups_of(frames)
            state = self._states[key] = State(len(self._states), frames, closing, [*around, self.whole])
        return state

    # --- exploring ----------------------------------------

    def explore(self, state: State) -> None:
        """Find the state's moves, and how it can end."""
        if not state.explored:
            state.explored = True
            self._take_apart(state, state.frames, _Way((), (), ()))

    def _take_apart(self, state: State, frames: tuple[Frame, ...], way: _Way) -> None:
        if not frames:
            self._accept(state, way)
            return
        frame, rest = frames[0], frames[1:]
        if frame.kind == "again":
            assert isinstance(frame.part, pt.PathRepeat)
            self._repeat(state, frame.part, frame.count, rest, way)
        elif frame.kind == "close":
            assert frame.group is not None
            self._take_apart(state, rest, _closed(way, frame.group))
        elif frame.kind == "tag":
            self._take_apart(state, rest, _Way(way.opened, way.checks, (*way.tags, frame.count)))
        else:
            assert frame.part is not None
            self._part(state, frame.part, rest, way)

    def _part(self, state: State, part: pt.PathPart, rest: tuple[Frame, ...], way: _Way) -> None:
        if isinstance(part, pt.PathSegment):
            self._move(state, part, rest, way)
        elif isinstance(part, pt.PathSequence):
            parts = part.parts[::-1] if self.backward else part.parts
            self._take_apart(state, (*(self._frame("part", each) for each in parts), *rest), way)
        elif isinstance(part, pt.PathChoice):
            for number, each in enumerate(part.parts):
                frames: tuple[Frame, ...] = (self._frame("part", each), *rest)
                if part.kind == "multiset":
                    tag = self._frame("tag", part, self._tags[id(part)] + number)
                    frames = (frames[0], tag, *rest) if self.backward else (tag, *frames)
                self._take_apart(state, frames, way)
        elif isinstance(part, pt.PathRepeat):
            self._repeat(state, part, 0, rest, way)
        else:
            assert isinstance(part, pt.PathGroup)
            group = self._groups[id(part)]
            frames = (self._frame("part", part.part), self._frame("close", None, 0, group), *rest)
            self._take_apart(state, frames, _Way((*way.opened, group), way.checks, way.tags))

    def _repeat(
        self, state: State, part: pt.PathRepeat, count: int, rest: tuple[Frame, ...], way: _Way
    ) -> None:
        if part.most is None or count < part.most:
            done = min(count + 1, part.least) if part.most is None else count + 1
            again = self._frame("again", part, done)
            frames = (again, *rest) if part.most is None or done < part.most else rest
            self._take_apart(state, (self._frame("part", part.part), *frames), way)
        if count >= part.least:
            self._take_apart(state, rest, way)

    def _move(self, state: State, segment: pt.PathSegment, rest: tuple[Frame, ...], way: _Way) -> None:
        around = [f.group for f in rest if f.kind == "close" and f.group is not None]
        groups = (self.whole, *reversed(around))
        restricting = tuple([g for g in groups if g.mode != WALK or g.joined])
        opened = tuple([group.number for group in way.opened])
        hops = _hops(segment, self.backward, way.tags, opened, restricting)
        length = len(segment.elements) // 2
        state.moves.append(Move(way.checks, self._numbers[id(segment)], length, hops, self._state(rest)))

    def _accept(self, state: State, way: _Way) -> None:
        hop = Hop((), (), (), way.tags, (), ()) if way.tags else None
        state.accepts.append(Accept(way.checks, hop))


def _groups_of(frames: tuple[Frame, ...]) -> tuple[list[Group], list[Group]]:
    """The groups that a list of frames is in: those that end here, with a condition to ask, and the others."""
    closing: list[Group] = []
    around: list[Group] = []
    ends_here = True
    for frame in frames:
        if frame.kind == "close":
            assert frame.group is not None
            if not ends_here:
                around.append(frame.group)
            elif frame.group.condition >= 0:
                closing.append(frame.group)
        elif frame.kind != "tag":
            ends_here = False
    return closing, around


def _closed(way: _Way, group: Group) -> _Way:
    is_empty = group in way.opened
    opened = tuple([each for each in way.opened if each is not group])
    checks = (*way.checks, Check(group, is_empty)) if group.condition >= 0 else way.checks
    return _Way(opened, checks, way.tags)


def _hops(
    segment: pt.PathSegment,
    backward: bool,
    tags: tuple[int, ...],
    opened: tuple[int, ...],
    groups: tuple[Group, ...],
) -> tuple[Hop, ...]:
    elements = segment.elements[::-1] if backward else segment.elements
    first = elements[0].variables
    if len(elements) == 1:
        return (Hop(first, (), (), tags, opened, groups),)
    hops = []
    for position in range(1, len(elements), 2):
        on_edge, on_node = elements[position].variables, elements[position + 1].variables
        begins = position == 1
        hops.append(
            Hop(
                first if begins else (),
                on_edge,
                on_node,
                tags if begins else (),
                opened if begins else (),
                groups,
            )
        )
    return tuple(hops)


# --- what a pattern says of its matches ----------------------------------------


def _repeated_step(part: pt.PathPart) -> pt.PathRepeat | None:
    repeat = _bare(part)
    if not isinstance(repeat, pt.PathRepeat) or repeat.least > 1:
        return None
    inner = _bare(repeat.part)
    parts = inner.parts if isinstance(inner, pt.PathChoice) and inner.kind == "disjoint" else (inner,)
    if not all(isinstance(_bare(each), pt.PathSegment) for each in parts) or not is_fixed(inner):
        return None
    return repeat if shortest(inner) > 0 else None


def _bare(part: pt.PathPart) -> pt.PathPart:
    """The part of a sequence that has only one."""
    while isinstance(part, pt.PathSequence) and len(part.parts) == 1:
        part = part.parts[0]
    return part


def is_ambiguous(part: pt.PathPart) -> bool:
    """Whether a match may be read in more than one way, so that matches have to be compared.  True when in doubt."""
    if isinstance(part, pt.PathSegment):
        return False
    if isinstance(part, pt.PathGroup):
        return is_ambiguous(part.part)
    if isinstance(part, pt.PathChoice):
        return part.kind == "union" or any(is_ambiguous(each) for each in part.parts)
    if isinstance(part, pt.PathRepeat):
        once = part.most is not None and part.most <= 1
        return is_ambiguous(part.part) or not (once or is_fixed(part.part))
    assert isinstance(part, pt.PathSequence)
    if any(is_ambiguous(each) for each in part.parts):
        return True
    return not _is_divided(part.parts)


def _is_divided(parts: tuple[pt.PathPart, ...]) -> bool:
    """Whether path and notes tell where one part of a sequence ends and the next begins."""
    before: pt.PathPart | None = None
    marked_between = False
    for part in parts:
        if isinstance(part, pt.PathSegment):
            marked_between = marked_between or any(each.variables for each in part.elements)
        if is_fixed(part):
            continue
        if before is not None and not (marked_between or _marks_edges(before) or _marks_edges(part)):
            return False
        before, marked_between = part, False
    return True


def _marks_edges(part: pt.PathPart) -> bool:
    """Whether all edges that the part matches have variables, which nothing else in the pattern has."""
    if isinstance(part, pt.PathSegment):
        return all(each.variables for each in part.elements if each.is_edge)
    if isinstance(part, (pt.PathSequence, pt.PathChoice)):
        return all(_marks_edges(each) for each in part.parts)
    if isinstance(part, (pt.PathRepeat, pt.PathGroup)):
        return _marks_edges(part.part)
    return False
