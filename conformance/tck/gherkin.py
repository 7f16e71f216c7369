"""Feature files: the part of Gherkin that the suites use.

A file has scenarios, each a list of steps; a background's steps come before every scenario's own; an outline is
one scenario for every row of its examples, with `<name>` replaced everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

_KEYWORD = re.compile(r"^(Feature|Background|Scenario Outline|Scenario|Examples):\s*(.*)$")
_STEP = re.compile(r"^(Given|When|Then|And|But)\s+(.*)$")
_CELL = re.compile(r"((?:[^|\\]|\\.)*)\|")


@dataclass(frozen=True)
class Step:
    """One step: its words without the keyword, its block of text, its table."""

    words: str
    text: str | None = None
    table: tuple[tuple[str, ...], ...] = ()

    def filled(self, values: dict[str, str]) -> Step:
        """The step with an outline's values in it."""
        return Step(
            _fill(self.words, values),
            None if self.text is None else _fill(self.text, values),
            tuple(tuple(_fill(cell, values) for cell in row) for row in self.table),
        )


@dataclass(frozen=True)
class Scenario:
    """A scenario with all of its steps, the background's first."""

    feature: str
    name: str
    steps: tuple[Step, ...]


@dataclass
class _Block:
    kind: str
    name: str
    steps: list[Step] = field(default_factory=list)
    examples: list[tuple[str, ...]] = field(default_factory=list)


def read_features(directory: Path) -> list[Scenario]:
    """Every scenario of every feature file below a directory, in the files' order."""
    found: list[Scenario] = []
    for path in sorted(directory.rglob("*.feature")):
        found += read_feature(path.read_text(encoding="utf-8"), path.stem)
    return found


def read_feature(text: str, stem: str) -> list[Scenario]:
    """The scenarios of one file; `stem` names it.  Raises ValueError for what is no feature file."""
    background: tuple[Step, ...] = ()
    scenarios: list[Scenario] = []
    for block in _blocks(text):
        steps = tuple(block.steps)
        if block.kind == "Background":
            background = steps
        elif block.kind == "Scenario":
            scenarios.append(Scenario(stem, block.name, background + steps))
        elif block.kind == "Scenario Outline":
            heading, *rows = block.examples
            for number, row in enumerate(rows, start=1):
                values = dict(zip(heading, row, strict=True))
                filled = tuple(step.filled(values) for step in background + steps)
                scenarios.append(Scenario(stem, f"{block.name} #{number}", filled))
    return scenarios


def _blocks(text: str) -> Iterator[_Block]:
    lines = iter(text.splitlines())
    block: _Block | None = None
    in_examples = False
    for line in lines:
        stripped = line.strip()
        if not stripped or stripped.startswith(("#", "@")):
            continue
        keyword = _KEYWORD.match(stripped)
        if keyword is not None and keyword[1] == "Examples":
            in_examples = True
        elif keyword is not None:
            if block is not None:
                yield block
            block, in_examples = _Block(keyword[1], keyword[2]), False
        elif block is None:
            raise ValueError(f"not in a feature: {stripped}")
        elif stripped.startswith("|"):
            _add_row(block, _cells(stripped), in_examples)
        elif stripped.startswith('"""'):
            block.steps[-1] = replace(block.steps[-1], text=_doc_string(lines, line.index('"')))
        elif (step := _STEP.match(stripped)) is not None:
            block.steps.append(Step(step[2]))
    if block is not None:
        yield block


def _add_row(block: _Block, cells: tuple[str, ...], in_examples: bool) -> None:
    if in_examples:
        block.examples.append(cells)
        return
    step = block.steps[-1]
    block.steps[-1] = replace(step, table=(*step.table, cells))


def _cells(line: str) -> tuple[str, ...]:
    return tuple(_unescaped(cell.strip()) for cell in _CELL.findall(line[1:]))


def _unescaped(cell: str) -> str:
    """A cell's bars and backslashes."""
    return re.sub(r"\\([|\\])", r"\1", cell)


def _doc_string(lines: Iterator[str], indent: int) -> str:
    content: list[str] = []
    for line in lines:
        if line.strip() == '"""':
            break
        content.append(line[indent:] if not line[:indent].strip() else line)
    return "\n".join(content)


def _fill(text: str, values: dict[str, str]) -> str:
    return re.sub(r"<([^<>\s]+)>", lambda match: values.get(match[1], match[0]), text)
