"""Flows: functions and stages that share, or deliberately do not share, one transaction.

    from skerry import flow
    from skerry.flow import each, stage

    db = flow.open("skerry://user@host:5433/db")          or a path, an engine of SQLAlchemy, a way to connect

    @stage(tx=True)
    def load(row): db.execute("INSERT INTO t VALUES (%s, %s)", row)

    @flow.flow(db)
    def imp(rows): each(rows, load, commit_every=1000)

The same in asyncio, with `async def` and `flow.open_async`.
"""

from __future__ import annotations

from skerry.flow.aio.blocks import AsyncTransactionBlock
from skerry.flow.aio.database import AsyncFlowDatabase
from skerry.flow.aio.resources import AsyncResource
from skerry.flow.aio.scope import AsyncTransactionScope
from skerry.flow.ambient import current_scope
from skerry.flow.blocks import TransactionBlock
from skerry.flow.branch import (
    FlowTransaction,
    FlowTransactionMetrics,
    ViewChange,
    ViewInterceptor,
    intercept_views,
)
from skerry.flow.database import FlowDatabase
from skerry.flow.layouts import Field, Layout, StateRow
from skerry.flow.no_tx import no_tx, resource
from skerry.flow.opening import open, open_async
from skerry.flow.outline import Outline
from skerry.flow.parallel import parallel, parallel_async
from skerry.flow.report import RunReport, StageReport
from skerry.flow.resources import Resource
from skerry.flow.scope import TransactionScope
from skerry.flow.scope_state import ScopeState
from skerry.flow.stage import Flow, FlowRun, Stage, each, flow, stage
from skerry.flow.svg import Drawing
from skerry_engine.errors import CommitIncomplete, ConcurrentUse, FlowError, WorkflowError

__all__ = [
    "Field",
    "FlowTransaction",
    "FlowTransactionMetrics",
    "Layout",
    "StateRow",
    "ViewChange",
    "ViewInterceptor",
    "intercept_views",
    "parallel",
    "parallel_async",
    "AsyncFlowDatabase",
    "AsyncResource",
    "AsyncTransactionBlock",
    "AsyncTransactionScope",
    "CommitIncomplete",
    "ConcurrentUse",
    "Drawing",
    "Flow",
    "FlowDatabase",
    "FlowError",
    "FlowRun",
    "Outline",
    "Resource",
    "RunReport",
    "ScopeState",
    "Stage",
    "StageReport",
    "TransactionBlock",
    "TransactionScope",
    "WorkflowError",
    "current_scope",
    "each",
    "flow",
    "no_tx",
    "open",
    "open_async",
    "resource",
    "stage",
]
