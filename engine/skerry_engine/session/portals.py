"""Prepared statements and portals: a statement waiting for values, and one with values,
perhaps partly run."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field

from skerry_engine.session.plans import Plan
from skerry_engine.session.steps import ResultColumn, Step
from skerry_engine.sql import statements as st
from skerry_engine.values.io import IoContext, TextDecoder

Steps = Generator[Step, object, None]
Row = tuple[object, ...]


@dataclass(slots=True)
class Prepared:
    """A prepared statement.  `plan` is None for commands and for the empty statement."""

    name: str
    text: str
    statement: st.Statement | None
    declared_oids: tuple[int, ...]
    parameter_oids: tuple[int, ...]
    columns: tuple[ResultColumn, ...] | None
    plan: Plan | None
    prepared_at_us: int
    from_sql: bool = False
    decoders: list[TextDecoder] | None = None
    decoders_io: IoContext | None = None


@dataclass(slots=True)
class Portal:
    """A bound statement, perhaps partly executed.  `pending` are rows computed but not yet asked for."""

    name: str
    prepared: Prepared
    values: list[object]
    result_formats: Sequence[int]
    steps: Steps | None = None
    pending: list[Row] = field(default_factory=list)
    held_epoch: int | None = None
    row_count: int = 0
    is_done: bool = False
