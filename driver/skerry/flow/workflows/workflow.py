"""A workflow that has been built: it can be run, blocking or in asyncio, and says what it would do."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TextIO

from skerry.flow.report import RunReport
from skerry.flow.workflows.nodes import Node
from skerry.flow.workflows.plan import Unit
from skerry.flow.workflows.references import INPUTS
from skerry_engine.errors import FlowError, WorkflowError

if TYPE_CHECKING:
    from skerry.flow.aio.database import AsyncFlowDatabase
    from skerry.flow.database import FlowDatabase
    from skerry.flow.svg import Drawing

Handler = Callable[[FlowError], object]
"""Asked when a node, or a scope, has failed: true has the run go on without it; it may be `async def` in asyncio."""


class Results(dict[str, Any]):
    """What each node gave, by its id: a mapping, or None for a node that was skipped.  `report` says what the run did,
    by node."""

    report: RunReport


class Workflow:
    """See the module; made by `WorkflowBuilder.build`.  Threads and tasks may share it."""

    __slots__ = ("name", "nodes", "levels", "inputs")

    def __init__(self, name: str, nodes: Mapping[str, Node], levels: tuple[tuple[Unit, ...], ...]) -> None:
        self.name = name
        self.nodes = MappingProxyType(dict(nodes))
        self.levels = levels
        self.inputs = frozenset(
            reference.field
            for node in nodes.values()
            for template in (*node.parameters.values(), *([node.when] if node.when is not None else []))
            for reference in template.references
            if reference.node == INPUTS
        )

    def run(
        self,
        database: FlowDatabase,
        inputs: Mapping[str, object] | None = None,
        *,
        on_error: Handler | None = None,
    ) -> Results:
        """Run it; `inputs` are what `${inputs.name}` stands for.

        Raises FlowError, which names the node and gives the cause, when one fails: the other units of its level still
        run, later levels do not.  `on_error(error)` is asked first, after the failed scope was rolled back, or within
        it where it says rollback_on_error=False; if it returns true the run goes on, without what failed.
        """
        from skerry.flow.workflows.runner import run

        return run(self, database, self.checked_inputs(inputs), on_error)

    async def run_async(
        self,
        database: AsyncFlowDatabase,
        inputs: Mapping[str, object] | None = None,
        *,
        on_error: Handler | None = None,
    ) -> Results:
        """As `run`; the units of a level run at the same time, the nodes of a scope one after the other."""
        from skerry.flow.workflows.aio.runner import run

        return await run(self, database, self.checked_inputs(inputs), on_error)

    def checked_inputs(self, inputs: Mapping[str, object] | None) -> Mapping[str, object]:
        """What a run was given.  Raises WorkflowError where that is not what the nodes take."""
        given = inputs if inputs is not None else {}
        missing = sorted(self.inputs - given.keys())
        if missing:
            node = next(node for node in self.nodes.values() if _takes(node, missing[0]))
            raise WorkflowError(
                f"node {node.id}: ${{{INPUTS}.{missing[0]}}} can't be resolved: the run was not given {missing[0]!r}"
            )
        surplus = sorted(given.keys() - self.inputs)
        if surplus:
            raise WorkflowError(f"no node of {self.name} takes the input {surplus[0]!r}")
        return given

    def explain(self, file: TextIO | None = None) -> None:
        """Print the outline, to standard output by default."""
        print(self.outline(), file=file)

    def draw(self, path: str | os.PathLike[str] | None = None) -> Drawing:
        """The workflow as a picture, which a notebook shows; written to an SVG file if a path is given."""
        from skerry.flow.workflows.drawing import draw_workflow

        drawing = draw_workflow(self)
        if path is not None:
            drawing.save(path)
        return drawing

    def outline(self) -> str:
        """The order in which nodes run, level by level, and the scopes that they belong to."""
        lines = [f"workflow {self.name}"]
        for number, level in enumerate(self.levels):
            lines.append(f"level {number}")
            for unit in level:
                lines += [f"  {line}" for line in _explained(unit)]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<workflow {self.name}, {len(self.nodes)} nodes>"


def _takes(node: Node, name: str) -> bool:
    templates = (*node.parameters.values(), *([node.when] if node.when is not None else []))
    return any(
        reference.node == INPUTS and reference.field == name
        for template in templates
        for reference in template.references
    )


def _explained(unit: Unit) -> list[str]:
    if isinstance(unit, Node):
        condition = " (on a condition)" if unit.when is not None else ""
        return [f"{unit.id}: {unit.kind}{condition}"]
    spec = unit.spec
    timeout = "" if spec.timeout_s is None else f", {spec.timeout_s} s"
    lines = [f"{unit.start.id}: transaction, {spec.modes}{timeout}"]
    return lines + [f"  {line}" for part in unit.body for line in _explained(part)]
