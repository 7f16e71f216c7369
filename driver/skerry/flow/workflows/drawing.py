"""A workflow as a picture.

level 0   ┌ customers ──┐   ┃ tx: serializable, 60 s        units of a level side by side
          └─────────────┘   ┃ ┌ customer ───────────┐       a transaction is a band, an inner one a band in it
                 │          ┃ └─────────────────────┘
                 │          ┃ ┌ order ──────────────┐       nodes in their order, with what they take from others
                 │          ┃ │ customer.id         │
                 │          ┃ └─────────────────────┘
                 │          ◆ commit                       a diamond: it commits; an open one: it rolls back
level 1   ┌ report ─────┐
          └─────────────┘
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from skerry.flow.svg import CODE_PX, Canvas, Drawing, scope_class, text_width
from skerry.flow.workflows.nodes import Node, SavepointEnd, SavepointNode, ScopeEnd
from skerry.flow.workflows.plan import ScopeUnit, Unit

if TYPE_CHECKING:
    from skerry.flow.workflows.workflow import Workflow

_MARGIN = 18
_TOP = 54
_LEVEL = 56
_BESIDE = 28
_GAP = 18
_BETWEEN = 36
_PADDING = 12
_STRIPE = 20
_HEADER = 30
_LINE = 17
_LEDGE = 22
"""Beside a scope's boxes, for the arrows that pass others."""


def draw_workflow(workflow: Workflow) -> Drawing:
    """The picture of a workflow."""
    layout = _Layout()
    has_levels = len(workflow.levels) > 1
    left = _MARGIN + (_LEVEL if has_levels else 0)
    y: float = _MARGIN + _TOP - 18
    right = left + max(len(f"workflow {workflow.name}") * 9.1 - (left - _MARGIN), 220.0)
    canvas = Canvas()
    canvas.text(_MARGIN, _MARGIN + 16, f"workflow {workflow.name}", "head ink")
    for number, level in enumerate(workflow.levels):
        if has_levels:
            canvas.text(_MARGIN, y + 18, f"level {number}", "tiny soft")
        x: float = left
        bottom = y
        for unit in level:
            width = _width(unit)
            bottom = max(bottom, layout.unit(unit, x, y, width))
            x += width + _BESIDE
        right = max(right, x - _BESIDE)
        y = bottom + _BETWEEN
    layout.draw(canvas, workflow.nodes.values())
    return canvas.drawing(right + _MARGIN, y - _BETWEEN + _MARGIN, f"workflow {workflow.name}")


# --- what is said ---------------------------------------------------------------------------------------------------


def _lines(node: Node) -> list[str]:
    """Below a node's name: its kind, and what it takes from where."""
    lines = [node.kind]
    if node.when is not None:
        conditions = [_bare(str(reference)) for reference in node.when.references]
        lines.append(f"if {', '.join(conditions)}" if conditions else "on a condition")
    for name, template in node.parameters.items():
        taken = dict.fromkeys(_bare(str(reference)) for reference in template.references)
        if taken:
            lines.append(f"{name} ← {', '.join(taken)}")
    return lines


def _bare(reference: str) -> str:
    return reference.removeprefix("${").removesuffix("}")


def _title(node: Node) -> str:
    """Of a node that is no box: what it does."""
    action = node.action
    if isinstance(action, ScopeEnd):
        return "commit" if action.commits else "rollback"
    if isinstance(action, SavepointNode):
        return f"savepoint {node.id}"
    assert isinstance(action, SavepointEnd)
    return f"back to {action.savepoint}" if action.undoes else f"release {action.savepoint}"


def _header(unit: ScopeUnit, is_inner: bool) -> str:
    spec = unit.spec
    parts = ["savepoint"] if is_inner else [str(spec.modes)]
    if spec.timeout_s is not None:
        parts.append(f"{spec.timeout_s:g} s")
    if spec.retries:
        parts.append(f"retries={spec.retries}")
    if not spec.rollback_on_error:
        parts.append("left open after an error")
    return ", ".join(parts)


def _is_mark(node: Node) -> bool:
    return isinstance(node.action, ScopeEnd | SavepointNode | SavepointEnd)


def _width(unit: Unit, is_inner: bool = False) -> float:
    if isinstance(unit, Node):
        if _is_mark(unit):
            return len(_title(unit)) * CODE_PX + 3 * _PADDING
        lines = [text_width(line) for line in _lines(unit)]
        return max(len(unit.id) * CODE_PX, *lines) + 2 * _PADDING
    header = (len(unit.start.id) + 2) * CODE_PX + text_width(_header(unit, is_inner)) + _STRIPE + _PADDING
    inside = max(_width(part, is_inner=True) for part in unit.body)
    return max(header, inside + _STRIPE + _LEDGE)


# --- where it is ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Box:
    """Where a node is, the how manieth it is, and in which outermost unit; or where a unit is."""

    x: float
    y: float
    width: float
    height: float
    unit: int
    number: int


class _Layout:
    """Puts units on the page; bands lie lowest, then arrows, then boxes."""

    def __init__(self) -> None:
        self._bands = Canvas()
        self._arrows = Canvas()
        self._boxes = Canvas()
        self._places: dict[str, _Box] = {}
        self._units: list[_Box] = []
        self._scopes = 0

    def draw(self, canvas: Canvas, nodes: Iterable[Node]) -> None:
        """All of it."""
        between: dict[tuple[int, int], None] = {}
        for node in nodes:
            for source in sorted(node.takes & self._places.keys()):
                first, then = self._places[source], self._places[node.id]
                if first.unit != then.unit:
                    between[first.unit, then.unit] = None
                elif then.number - first.number > 1:
                    self._around(first, then)
        for one, other in between:
            self._connect(self._units[one], self._units[other])
        for part in (self._bands, self._arrows, self._boxes):
            canvas.extend(part)

    def unit(self, unit: Unit, x: float, y: float, width: float) -> float:
        """An outermost unit; the height at which it ends."""
        if isinstance(unit, Node):
            bottom = self._node(unit, x, y, width)
        else:
            bottom = self._scope(unit, x, y, width, is_inner=False)
        self._units.append(_Box(x, y, width, bottom - y, len(self._units), 0))
        return bottom

    def _scope(self, unit: ScopeUnit, x: float, y: float, width: float, is_inner: bool) -> float:
        self._scopes += 1
        colour = scope_class(self._scopes)
        self._boxes.text(x + _STRIPE, y + 20, unit.start.id, f"code {colour}")
        beside = x + _STRIPE + (len(unit.start.id) + 2) * CODE_PX
        self._boxes.text(beside, y + 20, _header(unit, is_inner), "soft")
        inner = width - _STRIPE - _LEDGE
        bands = self._bands
        self._bands = Canvas()
        bottom = y + _HEADER
        end = bottom
        for number, part in enumerate(unit.body):
            if number:
                self._arrows.arrow(x + _STRIPE + 28, bottom, bottom + _GAP)
                bottom += _GAP
            top = bottom
            if isinstance(part, Node):
                bottom = self._node(part, x + _STRIPE, top, inner, colour)
            else:
                bottom = self._scope(part, x + _STRIPE, top, inner, is_inner=True)
            end = bottom
            if isinstance(part, Node) and isinstance(part.action, ScopeEnd):
                end = top + 14
                self._end(x + 3, end, part.action.commits, colour)
        inside, self._bands = self._bands, bands
        last = unit.body[-1]
        stops = isinstance(last, Node) and isinstance(last.action, ScopeEnd)
        self._bands.rect(x, y, width, bottom - y + 8, f"{colour} tint", 6)
        self._bands.rect(x, y, 6, (end if stops else bottom + 8) - y, colour, 3)
        self._bands.extend(inside)
        return bottom + 8

    def _end(self, x: float, y: float, commits: bool, colour: str) -> None:
        self._boxes.diamond(x, y, colour if commits else f"box line {colour}e")

    def _node(self, node: Node, x: float, y: float, width: float, colour: str | None = None) -> float:
        if _is_mark(node):
            title = _title(node)
            self._boxes.text(x + _PADDING, y + 18, title, f"code {colour or 'ink'}")
            needed = len(title) * CODE_PX + 2 * _PADDING
            self._boxes.rect(x, y, needed, 28, f"line {colour}e" if colour else "line edge", 14)
            self._note(node, x, y, needed, 28)
            return y + 28
        lines = _lines(node)
        height = 16 + _LINE * (len(lines) + 1)
        edge = f"{colour}e" if colour else "edge"
        dashed = " dashed" if node.when is not None else ""
        self._boxes.rect(x, y, width, height, "box", 6)
        self._boxes.rect(x, y, width, height, f"line {edge}{dashed}", 6)
        self._boxes.text(x + _PADDING, y + 21, node.id, "code ink")
        for number, line in enumerate(lines, start=1):
            self._boxes.text(x + _PADDING, y + 21 + _LINE * number, line, "soft")
        self._note(node, x, y, width, height)
        return y + height

    def _note(self, node: Node, x: float, y: float, width: float, height: float) -> None:
        self._places[node.id] = _Box(x, y, width, height, len(self._units), len(self._places))

    def _connect(self, source: _Box, target: _Box) -> None:
        """From one unit to another that takes something from it."""
        x, y = source.x + source.width / 2, source.y + source.height
        to_x, to_y = target.x + target.width / 2, target.y - 5
        bend = max((to_y - y) / 2, 12)
        self._arrows.path(
            f"M{x:.1f} {y:.1f}C{x:.1f} {y + bend:.1f} {to_x:.1f} {to_y - bend:.1f} {to_x:.1f} {to_y:.1f}",
            "line edge",
        )
        self._arrows.path(f"M{to_x - 4:.1f} {to_y - 1:.1f}h8l-4 6z", "arrow")

    def _around(self, source: _Box, target: _Box) -> None:
        """From one node to another, past what stands between them."""
        x, y = source.x + source.width, source.y + source.height / 2
        to_x, to_y = target.x + target.width + 5, target.y + target.height / 2
        out = max(x, to_x) + 11
        self._arrows.path(
            f"M{x:.1f} {y:.1f}C{out:.1f} {y:.1f} {out:.1f} {to_y:.1f} {to_x:.1f} {to_y:.1f}", "line edge"
        )
        self._arrows.path(f"M{to_x + 1:.1f} {to_y - 4:.1f}v8l-6 -4z", "arrow")
