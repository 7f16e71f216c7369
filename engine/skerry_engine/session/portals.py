"""Prepared statements and portals: a statement waiting for values, and one with values,
perhaps partly run."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass

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

    @property
    def shown_oids(self) -> tuple[int, ...]:
        """The parameters' types as clients are told: domains by their own OIDs."""
        return (self.plan.shown_types if self.plan is not None else ()) or self.parameter_oids


class Portal:
    """A bound statement, perhaps partly executed.

    `pending` are rows computed but not yet asked for, `row_count` is how many were given out; `is_active` while
    Execute or FETCH steps it, which may not happen within itself.
    """

    __slots__ = (
        "name",
        "prepared",
        "values",
        "result_formats",
        "steps",
        "pending",
        "held_epoch",
        "row_count",
        "is_done",
        "is_active",
        "created_at_us",
    )

    def __init__(
        self,
        name: str,
        prepared: Prepared,
        values: list[object],
        result_formats: Sequence[int],
        created_at_us: int,
    ) -> None:
        self.name: str = name
        self.prepared: Prepared = prepared
        self.values: list[object] = values
        self.result_formats: Sequence[int] = result_formats
        self.steps: Steps | None = None
        self.pending: list[Row] = []
        self.held_epoch: int | None = None
        self.row_count: int = 0
        self.is_done: bool = False
        self.is_active: bool = False
        self.created_at_us: int = created_at_us

    def has_begun(self) -> bool:
        """Whether part of it has been executed, and the rest is steps."""
        return self.steps is not None
