"""Workflows as data: nodes, what flows between them, and what is checked before anything runs.

    work = WorkflowBuilder("order", models=[Customer, Order])
    work.add_node("TransactionScopeNode", "tx", {"isolation_level": "SERIALIZABLE"})
    work.add_node("CustomerCreateNode", "customer", {"name": "Ann"})
    work.add_node("OrderCreateNode", "order", {"customer_id": "${customer.id}", "total": 250})
    work.add_node("TransactionCommitNode", "commit")
    work.add_connection("order", "result", "commit", "input")
    workflow = work.build()                             immutable; any number of runs, in any number of threads
    results = workflow.run(db)                          results["order"]["id"]

The same with types in place of names:

    with work.transaction("tx", isolation_level="SERIALIZABLE"):
        customer = work.create(Customer, id="customer", values={"name": "Ann"})
        work.create(Order, id="order", values={"customer_id": customer["id"], "total": 250})

A connection says what a reference says: the target's input is the source's output.  The input `input`, of a node that
has none of that name, only says what comes first.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from skerry.flow.workflows.fields import check_expressions, fields_template
from skerry.flow.workflows.model import Model
from skerry.flow.workflows.nodes import CONTROLS, ORDER_ONLY, SQL, Action, FunctionCall, Node
from skerry.flow.workflows.operations import OPERATIONS, Operation
from skerry.flow.workflows.plan import plan
from skerry.flow.workflows.references import (
    INPUTS,
    WHOLE,
    Reference,
    Template,
    reference_of,
    sketch,
)
from skerry.flow.workflows.workflow import Workflow
from skerry_engine.errors import WorkflowError

Condition: TypeAlias = "str | bool | Reference"
_RESERVED = (INPUTS, "excluded")
_FUNCTION_KINDS = ("FunctionNode", "PythonFunctionNode")


class NodeHandle:
    """A node that was added; `handle["field"]` is the reference to a field of its output."""

    __slots__ = ("id",)

    def __init__(self, id: str) -> None:
        self.id = id

    def __getitem__(self, field: str) -> Reference:
        return reference_of(self.id, field)


@dataclass(slots=True)
class _Draft:
    """A node as the author has given it."""

    id: str
    kind: str
    action: Operation | SQL | FunctionCall | None
    given: dict[str, object]
    when: Condition | None
    joined: dict[str, Reference] = field(default_factory=dict)


class WorkflowBuilder:
    """See the module.  Raises WorkflowError, which names node and field, as early as something can be known."""

    def __init__(self, name: str = "workflow", models: Iterable[object] = ()) -> None:
        """`models`: dataclasses, classes and tables of SQLAlchemy, models from `reflect`."""
        self.name = name
        self._models: dict[str, Model] = {}
        self._drafts: dict[str, _Draft] = {}
        self._edges: list[tuple[str, str]] = []
        self._connections: list[tuple[str, Reference, str, str]] = []
        self._numbers = itertools.count(1)
        self._typed: dict[object, Model] = {}
        for each in models:
            self.register(each)

    def register(self, source: object, name: str | None = None) -> Model:
        """Make a model known, by its own name or another: `User` gives UserCreateNode and its kin."""
        model = Model.of(source, name)
        known = self._models.setdefault(model.name, model)
        if known is not model and known.table != model.table:
            raise WorkflowError(f"two models are called {model.name}: give one another name")
        return known

    # --- by names ---------------------------------------

    def add_node(
        self,
        kind: str | Callable[..., object],
        id: str | None = None,
        parameters: Mapping[str, object] | None = None,
        *,
        when: Condition | None = None,
    ) -> NodeHandle:
        """Add a node of a kind (`UserCreateNode`, `TransactionScopeNode`, `SQLNode`), or a function.

        It is skipped when `when` is false, and so is every node that takes something from one that was skipped.
        """
        given = dict(parameters or {})
        if callable(kind):
            action: Operation | SQL | FunctionCall | None = FunctionCall(kind)
            kind = "FunctionNode"
        else:
            action = self._action(kind, id, given)
        if id is None:
            id = f"{kind.removesuffix('Node').lower()}_{next(self._numbers)}"
        self._check_id(id)
        for name in given:
            if not isinstance(name, str):
                raise WorkflowError(f"node {id}: {name!r} is not the name of a parameter")
        self._drafts[id] = _Draft(id, kind, action, given, when)
        return NodeHandle(id)

    def _check_id(self, id: object) -> None:
        if not isinstance(id, str) or not id.isidentifier() or id in _RESERVED:
            raise WorkflowError(
                f"{id!r} can't be a node's id: use letters, digits and _, but not {_RESERVED}"
            )
        if id in self._drafts:
            raise WorkflowError(f"node {id}: there are two of them")

    def _action(
        self, kind: str, id: str | None, given: dict[str, object]
    ) -> Operation | SQL | FunctionCall | None:
        if kind in CONTROLS:
            return None
        if kind in ("SQLNode", "SQLDatabaseNode"):
            return SQL()
        if kind in _FUNCTION_KINDS:
            function = given.pop("function", None)
            if not callable(function):
                raise WorkflowError(f"node {id}, field function: {function!r} can't be called")
            return FunctionCall(function)
        for suffix, make in OPERATIONS.items():
            name = kind.removesuffix(f"{suffix}Node")
            if name != kind and name in self._models:
                return make(self._models[name])
        raise WorkflowError(
            f"node {id}: there is no kind of node {kind!r}",
            hint=f"Models are {', '.join(self._models) or 'not given yet'}; kinds {', '.join(OPERATIONS)} each with the"
            f" model's name before and Node behind; and {', '.join(CONTROLS)}, SQLNode, FunctionNode.",
        )

    def add_connection(self, source: str, output: str, target: str, input: str) -> None:
        """The target's input is the source's output (`id`, `records[0].id`, `result` for all of it).

        The nodes may be added later.
        """
        try:
            reference = reference_of(source, output)
        except WorkflowError as problem:
            raise WorkflowError(f"node {source}, field {output}: {problem}") from problem
        self._connections.append((source, reference, target, input))

    # --- with types -------------------------------------

    def _typed_node(
        self,
        operation: str,
        model: object,
        id: str | None,
        when: Condition | None,
        given: Mapping[str, object],
    ) -> NodeHandle:
        known = self._typed.get(model) if isinstance(model, type | Model) else None
        if known is None:
            known = self.register(model)
            if isinstance(model, type | Model):
                self._typed[model] = known
        parameters = {name: value for name, value in given.items() if value is not None}
        id = id or f"{operation.lower()}_{known.name.lower()}_{next(self._numbers)}"
        return self.add_node(f"{known.name}{operation}Node", id, parameters, when=when)

    def create(
        self, model: object, *, values: object, id: str | None = None, when: Condition | None = None
    ) -> NodeHandle:
        """Insert a row."""
        return self._typed_node("Create", model, id, when, {"values": values})

    def read(
        self, model: object, *, filter: object, id: str | None = None, when: Condition | None = None
    ) -> NodeHandle:
        """Find a row."""
        return self._typed_node("Read", model, id, when, {"filter": filter})

    def update(
        self,
        model: object,
        *,
        filter: object,
        fields: object,
        id: str | None = None,
        when: Condition | None = None,
    ) -> NodeHandle:
        """Change the row with a key."""
        return self._typed_node("Update", model, id, when, {"filter": filter, "fields": fields})

    def delete(
        self, model: object, *, filter: object, id: str | None = None, when: Condition | None = None
    ) -> NodeHandle:
        """Delete the row with a key."""
        return self._typed_node("Delete", model, id, when, {"filter": filter})

    def find(
        self,
        model: object,
        *,
        filter: object = None,
        order_by: str | Sequence[str] | None = None,
        limit: int | None = None,
        offset: int | None = None,
        id: str | None = None,
        when: Condition | None = None,
    ) -> NodeHandle:
        """List rows: a node of the kind `List`."""
        given = {"filter": filter, "order_by": order_by, "limit": limit, "offset": offset}
        return self._typed_node("List", model, id, when, given)

    def upsert(
        self,
        model: object,
        *,
        values: object,
        conflict_on: str | Sequence[str] | None = None,
        update: object = None,
        id: str | None = None,
        when: Condition | None = None,
    ) -> NodeHandle:
        """Insert a row, or change the one that is there."""
        given = {"values": values, "conflict_on": conflict_on, "update": update}
        return self._typed_node("Upsert", model, id, when, given)

    def bulk_create(
        self,
        model: object,
        *,
        data: object,
        batch_size: int | None = None,
        on_conflict: str | None = None,
        conflict_on: str | Sequence[str] | None = None,
        return_records: bool | None = None,
        id: str | None = None,
        when: Condition | None = None,
    ) -> NodeHandle:
        """Insert many rows."""
        given = {
            "data": data,
            "batch_size": batch_size,
            "on_conflict": on_conflict,
            "conflict_on": conflict_on,
            "return_records": return_records,
        }
        return self._typed_node("BulkCreate", model, id, when, given)

    def bulk_update(
        self,
        model: object,
        *,
        filter: object = None,
        fields: object = None,
        data: object = None,
        id: str | None = None,
        when: Condition | None = None,
    ) -> NodeHandle:
        """Change many rows."""
        given = {"filter": filter, "fields": fields, "data": data}
        return self._typed_node("BulkUpdate", model, id, when, given)

    def bulk_delete(
        self, model: object, *, filter: object, id: str | None = None, when: Condition | None = None
    ) -> NodeHandle:
        """Delete many rows."""
        return self._typed_node("BulkDelete", model, id, when, {"filter": filter})

    def call(
        self,
        function: Callable[..., object],
        *,
        id: str | None = None,
        inputs: Mapping[str, object] | None = None,
        when: Condition | None = None,
    ) -> NodeHandle:
        """Call a function."""
        return self.add_node(function, id or f"{_name_of(function)}_{next(self._numbers)}", inputs, when=when)

    @contextlib.contextmanager
    def transaction(self, id: str = "tx", **parameters: object) -> Iterator[NodeHandle]:
        """A scope around the nodes that are added in the block, committed by a node `<id>_commit`."""
        scope = self.add_node("TransactionScopeNode", id, parameters)
        yield scope
        self.add_node("TransactionCommitNode", f"{id}_commit", {"scope": id})

    # --- build ------------------------------------------

    @staticmethod
    def from_data(document: Mapping[str, Any], models: Iterable[object] = ()) -> WorkflowBuilder:
        """A builder filled from plain data (JSON, say): `name`, `nodes` (`type`, `id`, `parameters`, `when`) and
        `connections` (`source`, `output`, `target`, `input`)."""
        builder = WorkflowBuilder(document.get("name", "workflow"), models)
        try:
            for node in document.get("nodes", ()):
                builder.add_node(node["type"], node["id"], node.get("parameters"), when=node.get("when"))
            for each in document.get("connections", ()):
                builder.add_connection(each["source"], each["output"], each["target"], each["input"])
        except KeyError as problem:
            raise WorkflowError(f"a node or connection lacks {problem}") from problem
        return builder

    def build(self) -> Workflow:
        """Check everything and fix the order.  What is built does not change any more."""
        drafts = self._connected()
        nodes: dict[str, Node] = {}
        for draft in drafts.values():
            try:
                nodes[draft.id] = _built(draft)
            except WorkflowError as problem:
                if str(problem).startswith("node "):
                    raise
                raise WorkflowError(
                    f"node {draft.id}, {_field_named(problem)}", hint=problem.hint
                ) from problem
            except RecursionError:
                raise WorkflowError(f"node {draft.id}: a parameter is nested too deeply") from None
        for node in nodes.values():
            _check_references(node, nodes)
        edges = [(source, target) for source, _, target, _ in self._connections]
        edges += [(name, node.id) for node in nodes.values() for name in node.takes if name != INPUTS]
        return Workflow(self.name, nodes, plan(nodes, edges))

    def _connected(self) -> dict[str, _Draft]:
        """The drafts with their connections."""
        drafts = {
            each.id: _Draft(each.id, each.kind, each.action, dict(each.given), each.when)
            for each in self._drafts.values()
        }
        for source, reference, target, input in self._connections:
            if source not in drafts:
                raise WorkflowError(
                    f"node {source}, field {reference.field}: a connection from a node that is not there"
                )
            if target not in drafts:
                raise WorkflowError(f"node {target}, field {input}: a connection to a node that is not there")
            draft = drafts[target]
            if input == ORDER_ONLY and not _has_input(draft.action, input):
                _check_field(drafts[source], reference)
                continue
            if input in draft.joined:
                raise WorkflowError(f"node {target}, field {input}: two connections lead there")
            draft.joined[input] = reference
        return drafts


def _name_of(function: Callable[..., object]) -> str:
    name = getattr(function, "__name__", "call")
    return name if name.isidentifier() else "call"


def _has_input(action: Action | None, name: str) -> bool:
    if isinstance(action, Operation):
        return name in action.parameters or (action.flat is not None and name in action.model.by_name)
    if isinstance(action, FunctionCall):
        return action.takes(name)
    return False


def _check_field(source: _Draft, reference: Reference) -> None:
    """The output of a connection that only says what comes first must be there all the same."""
    if isinstance(source.action, Operation) and reference.field not in (*source.action.fields, WHOLE):
        raise WorkflowError(f"node {source.id}, field {reference.field}: it gives no such thing")


def _field_named(problem: WorkflowError) -> str:
    """The message with `field` before the field that it begins with."""
    text = str(problem)
    head = text.partition(":")[0]
    return f"field {text}" if head.replace(".", "_").isidentifier() else text


def _built(draft: _Draft) -> Node:
    """Read a node's parameters and check them."""
    action = draft.action
    when = None if draft.when is None else Template.of(draft.when)
    if action is None:
        return _built_control(draft, when)
    given = _with_connections(draft)
    if isinstance(action, Operation):
        return _built_operation(draft, action, given, when)
    parameters = {name: Template.of(value) for name, value in given.items()}
    raw = {name: sketch(value) for name, value in given.items()}
    if isinstance(action, FunctionCall):
        action.check(raw)
    else:
        _check_sql(raw)
    return Node(draft.id, draft.kind, action, parameters, when)


def _built_control(draft: _Draft, when: Template | None) -> Node:
    if draft.joined:
        name = next(iter(draft.joined))
        raise WorkflowError(f"{name}: a {draft.kind} takes nothing but `{ORDER_ONLY}`")
    control = CONTROLS[draft.kind]({name: sketch(value) for name, value in draft.given.items()})
    return Node(draft.id, draft.kind, control, {}, when)


def _with_connections(draft: _Draft) -> dict[str, object]:
    """The parameters with references where connections lead; `fields.total` leads into one."""
    given = dict(draft.given)
    for path, reference in draft.joined.items():
        name, _, inner = path.partition(".")
        if not inner:
            given[name] = reference
            continue
        outer = given.get(name, {})
        if not isinstance(outer, Mapping):
            raise WorkflowError(f"{path}: {name} is not a mapping")
        given[name] = {**outer, inner: reference}
    return given


def _built_operation(
    draft: _Draft, action: Operation, given: dict[str, object], when: Template | None
) -> Node:
    given = _gathered(action, given)
    parameters: dict[str, Template] = {}
    for name, value in given.items():
        try:
            if name in action.computed and isinstance(value, Mapping):
                for each in value.values():
                    check_expressions(each, action.model, name == "update")
                parameters[name] = fields_template(value)
            else:
                parameters[name] = Template.of(value)
        except WorkflowError as problem:
            raise WorkflowError(f"{name}: {problem}", hint=problem.hint) from problem
    action.check({name: sketch(value) for name, value in given.items()})
    return Node(draft.id, draft.kind, action, parameters, when)


def _gathered(action: Operation, given: dict[str, object]) -> dict[str, object]:
    """Columns that stand beside the parameters belong to one of them.  Raises WorkflowError for unknown names."""
    found: dict[str, object] = {}
    flat: dict[str, object] = {}
    for name, value in given.items():
        if name in action.parameters:
            found[name] = value
        elif action.flat is not None and name in action.model.by_name:
            flat[name] = value
        else:
            known = [*action.parameters, *(action.model.by_name if action.flat is not None else ())]
            raise WorkflowError(f"{name}: no such parameter", hint=f"It has {', '.join(known)}.")
    if flat and action.flat is not None:
        inner = found.get(action.flat, {})
        if not isinstance(inner, Mapping):
            raise WorkflowError(f"{action.flat}: columns stand beside it")
        found[action.flat] = {**inner, **flat}
    return found


def _check_sql(raw: Mapping[str, object]) -> None:
    for name in raw:
        if name not in SQL.parameters:
            raise WorkflowError(f"{name}: no such parameter", hint=f"It has {', '.join(SQL.parameters)}.")
    if not isinstance(raw.get("statement"), str):
        raise WorkflowError(
            "statement: a text that is the same in every run", hint="Values go into `parameters`, for %s."
        )


def _check_references(node: Node, nodes: Mapping[str, Node]) -> None:
    """Raise WorkflowError for references to nodes, or to outputs, that there are not."""
    templates = [*node.parameters.items(), *([("when", node.when)] if node.when is not None else [])]
    for name, template in templates:
        for reference in template.references:
            if reference.node == INPUTS:
                continue
            source = nodes.get(reference.node)
            if source is None:
                raise WorkflowError(
                    f"node {node.id}, field {name}: {reference} refers to a node that is not there",
                    hint=f"Nodes are {', '.join(nodes)}; what a run is given is ${{{INPUTS}.name}}.",
                )
            if source.fields is not None and reference.field not in source.fields:
                raise WorkflowError(
                    f"node {node.id}, field {name}: {reference} can't be resolved: {reference.node} gives no"
                    f" {reference.field}",
                    hint=f"It gives {', '.join(source.fields)}.",
                )
