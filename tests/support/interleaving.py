"""A story of several sessions, told in another order: all orders in which they follow one another, and random
mixtures.

Each session keeps the order of its own commands.  A session that waits is passed over until its wait is over.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import permutations

from stepper import Stepper

_COMMAND = re.compile(r"(\w+): *(.*)")


@dataclass
class Story:
    """Commands before, by session, and after; those before and after belong to the session `main`."""

    before: list[str] = field(default_factory=list)
    sessions: dict[str, list[str]] = field(default_factory=dict)
    after: list[str] = field(default_factory=list)

    def serial_orders(self) -> Iterator[list[str]]:
        """Every order in which one session after the other runs; as names, one for each command."""
        for names in permutations(self.sessions):
            yield [name for name in names for _ in self.sessions[name]]

    def random_order(self, seed: int) -> list[str]:
        """A mixture of all sessions' commands."""
        order = [name for name, commands in self.sessions.items() for _ in commands]
        random.Random(seed).shuffle(order)
        return order

    def play(self, order: list[str], stepper: Stepper) -> list[str]:
        """Run the story in an order; returns what the sessions printed."""
        printed = [line for command in self.before for line in stepper.run("main", command)]
        left = {name: list(commands) for name, commands in self.sessions.items()}
        pending = list(order)
        while pending:
            waiting = stepper.waiting()
            position = next((p for p, name in enumerate(pending) if name not in waiting), None)
            assert position is not None, f"all wait: {waiting}"
            name = pending.pop(position)
            printed += stepper.run(name, left[name].pop(0))
        assert not stepper.waiting(), f"still waiting: {stepper.waiting()}"
        return printed + [line for command in self.after for line in stepper.run("main", command)]


def read_story(lines: list[str]) -> Story:
    """The story that a goldenscript's lines tell: its commands, without their output."""
    story = Story()
    is_command = True
    for line in lines:
        if line == "---" or not line:
            is_command = not line
        elif is_command and not line.startswith("#"):
            _add(story, line)
    return story


def _add(story: Story, line: str) -> None:
    match = _COMMAND.fullmatch(line)
    if match is None:
        (story.after if story.sessions else story.before).append(line)
    else:
        assert not story.after, f"a session goes on after the end: {line}"
        story.sessions.setdefault(match[1], []).append(match[2])
