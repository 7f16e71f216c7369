"""Bringing deferred views up to date, in one transaction.

    feed ── changes after the view's epoch, net by row ──> operators ──> branch of view 1 ──┐
        └──                                            ──> operators ──> branch of view 2 ──┴─ merged ──> commit

Views do not read each other's branches, nor anything that is not published: each goes from its own epoch to the
transaction's snapshot.  The branches take turns, a unit each; merging is writing the rows and states that they have
gathered, and one commit publishes them all, with their epochs.

Whoever calls has locked the views (EXCLUSIVE: they can be read, and nobody else brings them up to date) and their
states, and taken a snapshot since.

A view is computed anew (filling.py), and what differs is written, when the feed does not reach back to its epoch any
more, when a table has got other rows altogether, or when a view that it reads means something else now.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import cast

from skerry_engine import errors
from skerry_engine.catalog.catalog import Catalog, Database
from skerry_engine.catalog.objects import MaterializedView
from skerry_engine.session.deferred.filling import contents_of, fill, write_difference
from skerry_engine.session.deferred.marks import Mark, mark_in, present_mark
from skerry_engine.session.deferred.stored_state import ROWS_PER_UNIT, Branch
from skerry_engine.session.definitions.context import DefinitionContext
from skerry_engine.session.definitions.waiting import wait_for
from skerry_engine.session.steps import PAUSE, Step
from skerry_engine.storage.heap import Row
from skerry_engine.views.compiling import compile_view
from skerry_engine.views.operators import DataFlow, Difference, Output, claim, place

Steps = Generator[Step, object, None]
NetChanges = dict[tuple[int, int], list[Row | None]]
"""By storage and row id: the row as it was, and as it is."""

CHANGES_PER_READ = 1000
CHANGES_PER_UNIT = 1000


class ViewFailed(Exception):
    """A view can't be brought up to date."""

    def __init__(self, view: MaterializedView, error: errors.DatabaseError) -> None:
        super().__init__(error.message)
        self.view = view
        self.error = error


class _OutOfStep(Exception):
    """The view's rows or its state are not what they must be: it is to be computed anew."""


class Flows:
    """The operators of views, compiled once for each meaning of a query."""

    def __init__(self) -> None:
        self._flows: dict[int, tuple[bytes, DataFlow]] = {}

    def of(self, database: Database, view: MaterializedView, mark: Mark) -> DataFlow:
        """The operators of a view whose query is the one of the mark."""
        found = self._flows.get(view.oid)
        if found is None or found[0] != mark.query:
            found = self._flows[view.oid] = (mark.query, compile_view(view.query, database))
        return found[1]

    def forget_others(self, oids: set[int]) -> None:
        """Keep those of these views only."""
        self._flows = {oid: each for oid, each in self._flows.items() if oid in oids}


def follow(context: DefinitionContext, oids: Sequence[int]) -> Steps:
    """Bring views up to date, to the statement's snapshot.

    Raises ViewFailed, nothing of any use being written: the transaction is to be rolled back.
    """
    database = published_database(context)
    branches: list[_Following] = []
    for oid in oids:
        view = database.relation(oid)
        if isinstance(view, MaterializedView) and view.is_deferred:
            branches.append(_Following(context, database, view))
    turns = [branch.computed() for branch in branches]
    while turns:
        for turn in list(turns):
            try:
                yield next(turn)
            except StopIteration:
                turns.remove(turn)
    for branch in branches:
        yield from branch.merged()


def published_database(context: DefinitionContext) -> Database:
    """The database as commits have it that the statement's snapshot sees, without what the transaction defines."""
    catalog = cast(Catalog, context.manager.catalog_at(context.transaction.snapshot))
    return catalog.databases[context.database_oid]


class _Following:
    """One view on its way from its epoch to the snapshot."""

    def __init__(self, context: DefinitionContext, database: Database, view: MaterializedView) -> None:
        self._context = context
        self._database = database
        self._view = view
        self._target = present_mark(database, view, context.transaction.snapshot)
        self._branch = self._new_branch()
        self._output = Output()
        self._has_changed = False
        self._is_to_be_filled = False

    def _new_branch(self) -> Branch:
        context = self._context
        table = context.database.table(self._view.state_oid)
        storage = context.stores.get(table.storage_id)
        return Branch(context.transaction.reader(storage), storage.indexes[table.indexes[0].oid])

    def computed(self) -> Steps:
        """What becomes of the view, into its branch; nothing is written.  Raises ViewFailed."""
        try:
            yield from self._computed()
        except errors.DatabaseError as error:
            raise ViewFailed(self._view, error) from error

    def _computed(self) -> Steps:
        mark = mark_in(self._branch)
        target = self._target
        if mark is None or (mark.storages, mark.query) != (target.storages, target.query):
            self._is_to_be_filled = True
            return
        try:
            changes = yield from self._changes_after(
                self._context.deferred_views.settled_until(self._view.oid, mark)
            )
        except errors.HistoryNotRetained:
            self._is_to_be_filled = True
            return
        if not changes:
            return
        if self._view.is_recomputed:
            self._is_to_be_filled = True
            return
        self._has_changed = True
        yield from self._applied(changes)

    def _changes_after(self, epoch: int) -> Generator[Step, object, NetChanges]:
        """What has happened to the view's tables since, net.  Raises HistoryNotRetained."""
        manager = self._context.manager
        watched = {storage_id for _, storage_id in self._target.storages}
        found: NetChanges = {}
        if epoch < min(self._target.epoch, manager.oldest_change()):
            raise errors.HistoryNotRetained("the changes since the view's epoch are not retained")
        while epoch < self._target.epoch:
            commits = manager.feed.source.read(epoch, self._target.epoch, CHANGES_PER_READ)
            if not commits:
                break
            for commit in commits:
                for number, (storage_id, row_id, old, new) in enumerate(commit.changes, 1):
                    if storage_id in watched:
                        found.setdefault((storage_id, row_id), [old, new])[1] = new
                    if number % CHANGES_PER_UNIT == 0:
                        yield PAUSE
            epoch = commits[-1].epoch
            yield PAUSE
        return found

    def _applied(self, changes: NetChanges) -> Steps:
        flow = self._context.deferred_views.flows.of(self._database, self._view, self._target)
        table_of = {storage_id: oid for oid, storage_id in self._target.storages}
        gathered: dict[int, Difference] = {oid: [] for oid in table_of.values()}
        for number, ((storage_id, _), (old, new)) in enumerate(changes.items(), 1):
            if number % CHANGES_PER_UNIT == 0:
                yield PAUSE
            if old is not None:
                gathered[table_of[storage_id]].append((old, -1))
            if new is not None:
                gathered[table_of[storage_id]].append((new, 1))
        for _ in flow.apply(gathered, self._branch, self._context.functions, self._output):
            yield PAUSE

    # --- merging ----------------------------------------

    def merged(self) -> Steps:
        """Write what the branch has gathered.  Raises ViewFailed."""
        try:
            if self._has_changed:
                try:
                    yield from self._written()
                    return
                except _OutOfStep:
                    self._is_to_be_filled = True
            if self._is_to_be_filled:
                yield from filled(self._context, self._view.oid)
        except errors.DatabaseError as error:
            raise ViewFailed(self._view, error) from error

    def _written(self) -> Steps:
        context = self._context
        yield from self._written_rows()
        self._target.keep(self._branch)
        state = context.database.table(self._view.state_oid)
        yield from self._branch.written(
            context.transaction.writer(context.stores.target(context.database, state))
        )

    def _written_rows(self) -> Steps:
        context = self._context
        table = context.database.table(self._view.oid)
        writer = context.transaction.writer(context.stores.target(context.database, table))
        reader = context.transaction.reader(writer.storage)
        changes = self._output.changes()
        gone: list[tuple[int, Row]] = []
        for number, (image, _, count) in enumerate(changes, 1):
            if number % ROWS_PER_UNIT == 0:
                yield PAUSE
            ids = claim(self._branch, image, -count) if count < 0 else []
            rows = reader.get_many(ids)
            if len(rows) != max(-count, 0):
                raise _OutOfStep
            gone += zip(ids, rows, strict=True)
        for number, (row_id, row) in enumerate(gone, 1):
            yield from wait_for(lambda at=(row_id, row): writer.delete(*at))  # type: ignore[misc]
            if number % ROWS_PER_UNIT == 0:
                yield PAUSE
        new = [(image, row) for image, row, count in changes for _ in range(count)]
        for first in range(0, len(new), ROWS_PER_UNIT):
            some = new[first : first + ROWS_PER_UNIT]
            added = [row for _, row in some]
            first_id = yield from wait_for(lambda rows=added: writer.insert_many(rows))  # type: ignore[misc]
            for row_id, (image, _) in enumerate(some, first_id):
                place(self._branch, image, row_id)
            yield PAUSE


def filled(context: DefinitionContext, oid: int) -> Generator[Step, object, int]:
    """Compute a view anew, as of the statement's snapshot, and give it the result; the number of rows.

    Raises what the query raises.
    """
    database = published_database(context)
    view = context.database.relation(oid)
    assert isinstance(view, MaterializedView)
    mark = present_mark(database, view, context.transaction.snapshot)
    contents = yield from contents_of(context, view, database)
    if not view.populated:
        return (yield from fill(context, view, contents, mark))
    yield from write_difference(context, view, contents, mark)
    return 0
