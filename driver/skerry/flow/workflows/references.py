"""`${node.field}`: what a node takes from another node, or from the workflow's inputs.

A parameter is any value: numbers, texts, lists and mappings of them.  Wherever a text in it says `${node.field}` the
output of that node stands there when the node runs, with its type if the text is nothing else, as text within a
longer one.  `${list.records[0].id}` goes deeper, `${inputs.name}` is what the run was given, and `$${` is a `${` that
is none of this.  What can't be resolved is an error, never literal text.

    parameter ── Template.of ──> Template ── fill(outputs) ──> value
                 once, at build              at each run

Values that come in at run time are never looked into: only what the workflow's author wrote is.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from skerry_engine.errors import WorkflowError

INPUTS = "inputs"
"""The name under which nodes find what the run was given."""

WHOLE = "result"
"""The field that stands for all of a node's output, where it has no field of that name."""

_TEXT = re.compile(r"\$\$\{|\$\{([^{}]*)\}|\$\{")
_PATH = re.compile(r"\s*([A-Za-z_]\w*)((?:\.[A-Za-z_]\w*|\[-?\d+\])+)\s*")
_STEP = re.compile(r"\.(\w+)|\[(-?\d+)\]")

Output: TypeAlias = Mapping[str, object]
Outputs: TypeAlias = Mapping[str, Output | None]
"""By node, None for one that was skipped; the run's own inputs under `inputs`."""


class _Unknown:
    """What stands for a value that only a run will know."""

    def __repr__(self) -> str:
        return "a value that is not known yet"


UNKNOWN = _Unknown()


class Reference(NamedTuple):
    """A field of a node's output, and the way into it."""

    node: str
    path: tuple[str | int, ...]

    @property
    def field(self) -> str:
        """The field."""
        return str(self.path[0])

    def __str__(self) -> str:
        steps = "".join(f"[{each}]" if isinstance(each, int) else f".{each}" for each in self.path)
        return f"${{{self.node}{steps}}}"

    def resolve(self, outputs: Outputs) -> object:
        """What it stands for.  Raises WorkflowError where there is no such thing."""
        found: object = outputs.get(self.node)
        path = self.path
        if path[0] == WHOLE and isinstance(found, Mapping) and WHOLE not in found:
            path = path[1:]
        for step in path:
            if type(found) is dict and step in found:
                found = found[step]
            else:
                found = self._step(found, step)
        return found

    def _step(self, value: object, step: str | int) -> object:
        if isinstance(step, int):
            if isinstance(value, Sequence) and not isinstance(value, str | bytes):
                if -len(value) <= step < len(value):
                    return value[step]
        elif isinstance(value, Mapping) and step in value:
            return value[step]
        raise WorkflowError(f"{self} can't be resolved: there is no {step!r} in what {self.node} gave")


def reference_of(node: str, field: str) -> Reference:
    """The reference that a connection's source is: a field, or a way into it.  Raises WorkflowError."""
    match = _PATH.fullmatch(f"{node}.{field}")
    if match is None:
        raise WorkflowError(f"{field!r} is not the name of an output: use field, field.part or field[0]")
    return _reference(match)


def parse_reference(text: str) -> Reference | None:
    """The reference that the inside of `${...}` is; None where it is something else."""
    match = _PATH.fullmatch(text)
    return None if match is None else _reference(match)


def _reference(match: re.Match[str]) -> Reference:
    steps = (int(step[2]) if step[2] else step[1] for step in _STEP.finditer(match[2]))
    return Reference(match[1], tuple(steps))


Fill: TypeAlias = Callable[[Outputs], object]


class Template:
    """A parameter's value, once it is known; see the module."""

    __slots__ = ("references", "value", "_fill")

    def __init__(
        self, value: object, fill: Fill | None = None, references: tuple[Reference, ...] = ()
    ) -> None:
        self.value = value
        self.references = references
        self._fill = fill

    @property
    def is_known(self) -> bool:
        """Whether it is the same in every run: `value`."""
        return self._fill is None

    def fill(self, outputs: Outputs) -> object:
        """The value for a run.  Raises WorkflowError where a reference can't be resolved."""
        return self.value if self._fill is None else self._fill(outputs)

    @staticmethod
    def of(value: object) -> Template:
        """Read what the author wrote.  Raises WorkflowError for a `${...}` that is not a reference."""
        if isinstance(value, Reference):
            return Template(None, value.resolve, (value,))
        if isinstance(value, str):
            return _of_text(value) if "${" in value else Template(value)
        if isinstance(value, Mapping):
            return of_mapping({key: Template.of(each) for key, each in value.items()})
        if isinstance(value, list | tuple):
            return _of_list([Template.of(each) for each in value])
        return Template(copy.deepcopy(value) if isinstance(value, set | bytearray) else value)


def of_mapping(parts: Mapping[str, Template]) -> Template:
    """A mapping some of whose values may have to be filled in."""
    open_parts = {key: each for key, each in parts.items() if not each.is_known}
    known = {key: each.value for key, each in parts.items()}
    if not open_parts:
        return Template(known)

    def fill(outputs: Outputs) -> object:
        return {**known, **{key: each.fill(outputs) for key, each in open_parts.items()}}

    return Template(None, fill, _all(list(parts.values())))


def sketch(value: object) -> object:
    """What an author wrote, with UNKNOWN for all that only a run will know: for checks before it."""
    if isinstance(value, Reference):
        return UNKNOWN
    if isinstance(value, str):
        return UNKNOWN if "${" in value.replace("$${", "") else value.replace("$${", "${")
    if isinstance(value, Mapping):
        return {key: sketch(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [sketch(each) for each in value]
    return value


def _of_list(parts: list[Template]) -> Template:
    if all(each.is_known for each in parts):
        return Template([each.value for each in parts])
    return Template(None, lambda outputs: [each.fill(outputs) for each in parts], _all(parts))


def _of_text(text: str) -> Template:
    parts: list[str | Reference] = []
    end = 0
    for match in _TEXT.finditer(text):
        parts.append(text[end : match.start()])
        end = match.end()
        parts.append(_part(match, text))
    parts.append(text[end:])
    parts = [each for each in parts if each != ""]
    references = tuple(each for each in parts if isinstance(each, Reference))
    if not references:
        return Template("".join(str(each) for each in parts))
    if len(parts) == 1:
        return Template(None, references[0].resolve, references)
    return Template(
        None,
        lambda outputs: "".join(
            str(each.resolve(outputs)) if isinstance(each, Reference) else each for each in parts
        ),
        references,
    )


def _part(match: re.Match[str], text: str) -> str | Reference:
    if match[0] == "$${":
        return "${"
    if match[1] is None:
        raise WorkflowError(f"a ${{ without its }} in {text!r}", hint="Write $${ for one that is text.")
    found = parse_reference(match[1])
    if found is None:
        raise WorkflowError(
            f"{match[0]} is not a reference to a node's output: use ${{node.field}}",
            hint="Write $${ for a ${ that is text.",
        )
    return found


def _all(parts: Sequence[Template]) -> tuple[Reference, ...]:
    return tuple(reference for each in parts for reference in each.references)
