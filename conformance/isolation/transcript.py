"""Reads what isolationtester printed back into permutations and steps.

    Parsed test spec with 2 sessions

    starting permutation: w1 w2 c1        <- Permutation
    step w1: UPDATE …;                    <- Event; its lines follow
    step w2: UPDATE …; <waiting ...>      <- Event that waits
    step c1: COMMIT;
    step w2: <... completed>              <- that same step's answer
    ERROR:  could not serialize …

A step's SQL is known from the spec, so that a line of data is never taken for a step.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from isolation.spec import Spec

_START = "\nstarting permutation: "
_STEP = re.compile(r"^step ([^:\n]+): ", re.MULTILINE)
_WAITING = " <waiting ...>"
_COMPLETED = "<... completed>"
_FINAL_STATE = re.compile(r"^final_state *\n-+\n(.*?)^\(1 row\)\n", re.MULTILINE | re.DOTALL)
_FAILED_TEARDOWN = re.compile(r"^teardown of session (.*) failed: (ERROR:  .*)$", re.MULTILINE)


class TranscriptError(Exception):
    """The text is not what isolationtester prints for this spec."""


@dataclass
class Event:
    """One step as it ran: `lines` is all that the server answered to it, `waited` whether it had to wait."""

    step: str
    waited: bool = False
    is_complete: bool = False
    lines: list[str] = field(default_factory=list)

    @property
    def errors(self) -> list[str]:
        """The primary messages of its errors."""
        return [line.split(":  ", 1)[1] for line in self.lines if line.startswith(("ERROR:  ", "FATAL:  "))]


@dataclass
class Permutation:
    """One permutation: its steps in the order in which they were sent."""

    steps: list[str]
    events: list[Event] = field(default_factory=list)
    final_state: str | None = None
    cancelled: list[str] = field(default_factory=list)
    """Steps that isolationtester cancelled because they took too long."""
    failed_teardowns: dict[str, str] = field(default_factory=dict)
    """By session: the error line of its teardown."""


def parse_transcript(text: str, spec: Spec) -> list[Permutation]:
    """Read isolationtester's output for `spec`.  Raises TranscriptError."""
    chunks = ("\n" + text).split(_START)
    return [_permutation(chunk, spec) for chunk in chunks[1:]]


def _permutation(chunk: str, spec: Spec) -> Permutation:
    names, _, body = chunk.partition("\n")
    found = Permutation(names.split())
    state = _FINAL_STATE.search(body)
    if state is not None:
        found.final_state = "\n".join(line.rstrip() for line in state[1].splitlines())
        body = body[: state.start()]
    found.cancelled = re.findall(r"^isolationtester: canceling step (\S+) after", body, re.MULTILINE)
    found.failed_teardowns = dict(_FAILED_TEARDOWN.findall(body))
    body = body[: _teardown_start(body)]
    position = 0
    current: Event | None = None
    for match in _STEP.finditer(body):
        if match.start() < position or not _is_step(match[1], spec):
            continue
        if current is not None:
            current.lines += body[position : match.start()].splitlines()
        current, position = _event(found, body, match.end(), match[1], spec)
    if current is not None:
        current.lines += body[position:].splitlines()
    return found


def _teardown_start(body: str) -> int:
    match = _FAILED_TEARDOWN.search(body)
    return len(body) if match is None else match.start()


def _is_step(name: str, spec: Spec) -> bool:
    return any(name in session.steps for session in spec.sessions)


def _event(found: Permutation, body: str, position: int, name: str, spec: Spec) -> tuple[Event, int]:
    """The event that the text at `position` begins or ends, and where its answer starts."""
    if body.startswith(_COMPLETED, position):
        waiting = [event for event in found.events if event.step == name and not event.is_complete]
        if not waiting:
            raise TranscriptError(f"step {name} completed without having waited")
        waiting[0].is_complete = True
        return waiting[0], body.index("\n", position) + 1
    sql = spec.session_of(name).steps[name]
    if not body.startswith(sql, position):
        raise TranscriptError(f"step {name} shows another text than the spec has")
    position += len(sql)
    event = Event(name, waited=body.startswith(_WAITING, position))
    event.is_complete = not event.waited
    found.events.append(event)
    return event, body.index("\n", position) + 1
