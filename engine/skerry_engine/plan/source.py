"""Building Python source text: lines, indentation, fresh names, and the values that the text refers to.

A plan becomes one module of source: a generator function per query block.  Values (constants, functions,
codecs) are never written into the text: they are bound to names in the namespace in which the source
is executed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager

MAX_NESTED_LOOPS = 12
"""CPython refuses more than 20 statically nested blocks;
deeper pipelines are cut into functions of their own."""


class Module:
    """The source of one plan: its functions' text and the namespace that it runs in."""

    def __init__(self) -> None:
        self.functions: list[list[str]] = []
        self.namespace: dict[str, object] = {}
        self._names_by_identity: dict[tuple[str, int], str] = {}
        self._kept: list[object] = []
        self._named: dict[tuple[str, Hashable], str] = {}
        self._counter = 0

    def fresh(self, prefix: str) -> str:
        """A name that occurs nowhere else in the module."""
        self._counter += 1
        return f"{prefix}{self._counter}"

    def bind(self, prefix: str, value: object) -> str:
        """The name under which generated code finds `value`; one name per object."""
        identity = (prefix, id(value))
        name = self._names_by_identity.get(identity)
        if name is None:
            name = self.fresh(prefix)
            self._names_by_identity[identity] = name
            self._kept.append(value)
            self.namespace[name] = value
        return name

    def keep(self, prefix: str, key: Hashable, make: Callable[[], object]) -> str:
        """The name under which generated code finds what `make()` gives, made once per `key`."""
        name = self._named.get((prefix, key))
        if name is None:
            name = self._named[(prefix, key)] = self.fresh(prefix)
            self.namespace[name] = make()
        return name

    def text(self) -> str:
        """The whole source, functions in the order in which they were finished."""
        text = "\n\n".join("\n".join(lines) for lines in self.functions) + "\n"
        return _without_unread_ids(text) if _ID_OF_ROW.search(text) else text


_ID_OF_ROW = re.compile(r"^( +)(id\d+) = \w+\[\d+\]\n(?=\1)", re.MULTILINE)
"""A row's id taken out of another row: whether anybody reads it shows only in the end."""


def _without_unread_ids(text: str) -> str:
    uses = Counter(re.findall(r"\bid\d+\b", text))
    return _ID_OF_ROW.sub(lambda found: found[0] if uses[found[2]] > 1 else "", text)


class Block:
    """The lines of one function under construction."""

    def __init__(self, module: Module, name: str, arguments: list[str]) -> None:
        self.module = module
        self.name = name
        self.header = f"def {name}({', '.join(['ctx', *arguments])}):"
        self.prologue: list[str] = []
        self.lines: list[str] = []
        self.depth = 1
        self.loops = 0
        self._declared: set[str] = set()

    def emit(self, line: str) -> None:
        """Append a line at the current indentation."""
        self.lines.append("    " * self.depth + line)

    def declare(self, name: str, expression: str) -> str:
        """Assign `name` once, before everything else in the function."""
        if name not in self._declared:
            self._declared.add(name)
            self.prologue.append(f"    {name} = {expression}")
        return name

    @contextmanager
    def indented(self, line: str) -> Iterator[None]:
        """`line`, with what is emitted inside indented below it."""
        self.emit(line)
        is_loop = line.startswith(("for ", "while "))
        self.depth += 1
        self.loops += is_loop
        mark = len(self.lines)
        yield
        if len(self.lines) == mark:
            self.emit("pass")
        self.depth -= 1
        self.loops -= is_loop

    @contextmanager
    def each_batch(self, batch: str, source: str) -> Iterator[None]:
        """A loop over what the generator `source` yields: steps are passed on, a list of rows is `batch`."""
        with self.indented(f"for {batch} in {source}:"):
            with self.indented(f"if type({batch}) is not list:"):
                self.emit(f"yield {batch}")
                self.emit("continue")
            yield

    def finish(self) -> None:
        """Hand the function's text to the module.  An unreachable yield makes every function a generator."""
        self.module.functions.append(
            [self.header, *self.prologue, *self.lines, "    if False:", "        yield None"]
        )


class CountRows:
    """What a pipeline ends with where nothing is asked but how many rows there are: loops are written as one sum."""

    def __init__(self, block: Block, counters: list[str]) -> None:
        self.block = block
        self.counters = counters

    def __call__(self) -> None:
        for counter in self.counters:
            self.block.emit(f"{counter} += 1")

    def rows_of(self, item: str, source: str, tests: list[str]) -> None:
        """Count the items for which all tests hold; without tests `source` is a list, or several zipped."""
        rows = source.removeprefix("zip(").split(",")[0].removesuffix(")") if not tests else ""
        amount = f"len({rows})" if rows.isidentifier() else self._amount(item, source, tests)
        if len(self.counters) == 1:
            self.block.emit(f"{self.counters[0]} += {amount}")
            return
        name = self.block.module.fresh("n")
        self.block.emit(f"{name} = {amount}")
        for counter in self.counters:
            self.block.emit(f"{counter} += {name}")

    def _amount(self, item: str, source: str, tests: list[str]) -> str:
        where = f" if {' and '.join(tests)}" if tests else ""
        if ":=" in source:  # Python takes none in what a comprehension iterates over
            name = self.block.module.fresh("z")
            self.block.emit(f"{name} = {source}")
            source = name
        return f"len([None for {item} in {source}{where}])"


class ThenJoin:
    """What a pipeline goes on with for each row of a join's left side: all that it does is to produce the right side,
    which may be done for several rows at once."""

    def __init__(self, each_left: Callable[[], None], right: object, consume: Callable[[], None]) -> None:
        self.each_left = each_left
        self.right = right
        self.consume = consume

    def __call__(self) -> None:
        self.each_left()


class AppendRow:
    """What a pipeline ends with where each row gives one output row, and nothing else happens: loops may be written as
    comprehensions then, which take half the time."""

    def __init__(self, block: Block, text: Callable[[], str]) -> None:
        self.block = block
        self.text = text

    def __call__(self) -> None:
        self.block.emit(f"out.append({self.text()})")

    def rows_of(self, item: str, source: str, tests: list[str], text: str = "") -> None:
        """Write the loop: a row for each item for which all tests hold."""
        where = f" if {' and '.join(tests)}" if tests else ""
        if ":=" in source:  # Python takes none in what a comprehension iterates over
            name = self.block.module.fresh("z")
            self.block.emit(f"{name} = {source}")
            source = name
        self.block.emit(f"out += [{text or self.text()} for {item} in {source}{where}]")
