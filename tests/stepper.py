"""Several sessions in one thread, stepped in a fixed order, and goldenscripts that tell what they saw.

A *session* runs commands as generators of steps (`skerry_engine.session.steps`) that return lines of output.
The stepper runs a command until it ends or waits for another session.  A waiting session is resumed as soon
as its wait is over, after the command that ended it, in the order of session names.  So one text of commands
has one outcome, whatever waits.

A goldenscript is a text file of blocks.  A block is commands, a line `---`, and the output that they gave:

    A: begin
    B: get t 1
    ---
    A: ok
    B: 1 10

Lines with `#` are comments.  Commands without a session's name go to the session `main`.  To write the output
anew after an intended change, run the tests with SKERRY_REGENERATE=1 and read the difference.

The commands' language is a plug: `run_goldenscript(path,
open_session)` gets sessions from `open_session(name)`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Protocol

from skerry_engine.errors import DatabaseError
from skerry_engine.session.steps import Step, Wait, Waiting

Output = Generator[Step, None, list[str]]


class ScriptSession(Protocol):
    """What a command language provides: one session."""

    def run(self, command: str) -> Output:
        """Run one command, yielding steps; return its lines of output.  May raise DatabaseError."""
        ...


class Runner(Protocol):
    """Who runs a script's commands: a Stepper, or threads that drive sessions elsewhere."""

    def run(self, name: str, command: str) -> list[str]:
        """Run a command in a session; returns the lines to print, with session names."""
        ...


class Stepper:
    """Steps sessions deterministically."""

    def __init__(self, open_session: Callable[[str], ScriptSession]) -> None:
        self._open_session = open_session
        self._sessions: dict[str, ScriptSession] = {}
        self._waiting: dict[str, tuple[Output, Waiting]] = {}

    def run(self, name: str, command: str) -> list[str]:
        """Run a command in a session, then whatever it set free; returns the lines to print,
        with session names."""
        if name in self._waiting:
            raise AssertionError(f"{name} still waits and can't run: {command}")
        session = self._sessions.get(name)
        if session is None:
            session = self._open_session(name)
            self._sessions[name] = session
        lines = self._step(name, session.run(command))
        return lines + self.resume()

    def resume(self) -> list[str]:
        """Resume every session whose wait is over, until none is."""
        lines: list[str] = []
        while True:
            ready = [name for name in sorted(self._waiting) if self._waiting[name][1].is_over()]
            if not ready:
                return lines
            generator, _ = self._waiting.pop(ready[0])
            lines += self._step(ready[0], generator)

    def waiting(self) -> list[str]:
        """The names of the sessions that wait."""
        return sorted(self._waiting)

    def _step(self, name: str, generator: Output) -> list[str]:
        try:
            while True:
                step = next(generator)
                if isinstance(step, Wait) and not step.waiting.is_over():
                    self._waiting[name] = (generator, step.waiting)
                    return [f"{name}: (waits)"]
        except StopIteration as end:
            lines: list[str] = end.value
            return [f"{name}: {line}" for line in lines]
        except DatabaseError as error:
            return [f"{name}: {line}" for line in describe_error(error)]


def describe_error(error: DatabaseError) -> list[str]:
    """An error as lines of output."""
    code = f"{error.sqlstate} {error.code}" if error.code else error.sqlstate
    lines = [f"ERROR {code}: {error.message}"]
    if error.detail:
        lines += [f"DETAIL: {line}" for line in error.detail.splitlines()]
    return lines


_COMMAND = re.compile(r"(?:(\w+): *)?(.*)")


def run_script(text: str, open_session: Callable[[str], ScriptSession]) -> str:
    """Run a goldenscript's commands; returns the script with the output that they gave."""
    return play_script(text, Stepper(open_session))


def play_script(text: str, stepper: Runner) -> str:
    """Run a goldenscript's commands by any runner; returns the script with the output that they gave."""
    blocks = [block for block in re.split(r"\n{2,}", text.strip("\n")) if block.strip()]
    return "\n\n".join([_run_block(block, stepper) for block in blocks]) + "\n"


def _run_block(block: str, stepper: Runner) -> str:
    commands: list[str] = []
    for line in block.splitlines():
        if line == "---":
            break
        commands.append(line)
    if all(line.startswith("#") for line in commands):
        return "\n".join(commands)
    output: list[str] = []
    for line in commands:
        if line.startswith("#"):
            continue
        match = _COMMAND.fullmatch(line)
        assert match is not None
        output += stepper.run(match[1] or "main", match[2])
    return "\n".join([*commands, "---", *output])


def run_goldenscript(path: Path, open_session: Callable[[str], ScriptSession]) -> None:
    """Run the script and compare with the output it holds, or write it (SKERRY_REGENERATE=1)."""
    expected = path.read_text(encoding="utf-8")
    actual = run_script(expected, open_session)
    if os.environ.get("SKERRY_REGENERATE"):
        path.write_text(actual, encoding="utf-8")
        return
    assert actual == expected
