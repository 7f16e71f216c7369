"""Workflows given as data, on the same transactions as flows: nodes, what flows between them, and scopes.

from skerry.flow.workflows import WorkflowBuilder

work = WorkflowBuilder("signup", models=[User])
with work.transaction("tx"):
    user = work.create(User, id="create_user", values={"name": "${inputs.name}"})
workflow = work.build()
results = workflow.run(db, {"name": "Ann"})          or `await workflow.run_async(db, ...)`
results["create_user"]["id"]
"""

from __future__ import annotations

from skerry.flow.workflows.aio.reflecting import reflect as reflect_async
from skerry.flow.workflows.builder import NodeHandle, WorkflowBuilder
from skerry.flow.workflows.model import Model, ModelColumn
from skerry.flow.workflows.references import Reference
from skerry.flow.workflows.reflecting import reflect
from skerry.flow.workflows.workflow import Results, Workflow

__all__ = [
    "Model",
    "ModelColumn",
    "NodeHandle",
    "Reference",
    "Results",
    "Workflow",
    "WorkflowBuilder",
    "reflect",
    "reflect_async",
]
