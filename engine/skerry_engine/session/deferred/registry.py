"""Which deferred views there are, how far behind they are, and the work behind commits.

    commit ── note ──> is a view behind? ── on_due ──> host ── work() ──> steps ──> follow (following.py), commit
                                                        a server's loop, an embedded engine's thread

The engine does no work of its own accord: its host asks for `work` when `on_due` has told it to, and steps what it
gets, leaving the engine to others between units.  Without a host (an engine that is only stepped) views are brought up
to date by REFRESH alone.

Rules:
- While there are views, changes are recorded, and kept from the epoch of the view that is furthest behind, within the
  limit that history has in bytes.
- What is asked of the feed here is only whether something has changed; what, is for `following`.
- A view that failed is tried again when its tables change again, or when REFRESH asks for it.  It holds up no other.
- When the engine is closed, views that are up to date note that, so that the next opening finds them so.  After a crash
  views whose tables have changed since their epoch are computed anew (history, where it is on, has the changes).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from skerry_engine import errors
from skerry_engine.catalog.catalog import Catalog, Database
from skerry_engine.catalog.objects import BOOTSTRAP_ROLE, MaterializedView
from skerry_engine.catalog.system.context import DeferredViewInfo
from skerry_engine.session.deferred.following import Flows, ViewFailed, follow
from skerry_engine.session.deferred.marks import Mark, mark_at, present_mark
from skerry_engine.session.execution import finish_statement
from skerry_engine.session.steps import Step
from skerry_engine.txn.feed import Commit, Subscription
from skerry_engine.txn.modes import ACCESS_EXCLUSIVE, EXCLUSIVE_TABLE
from skerry_engine.values.clock import wall_clock

if TYPE_CHECKING:
    from skerry_engine.engine import Engine
    from skerry_engine.session.definition_context import SessionDefinitionContext
    from skerry_engine.session.session import Session

_logger = logging.getLogger("skerry.deferred_views")

Steps = Generator[Step, object, None]

DELAY_S: Final = 0.01
"""So long after a commit the work begins, so that commits that come together are taken in together."""
READ_AT_ONCE: Final = 1000
_PASSING: Final = ("40", "55")
"""Classes of errors that say nothing of the view: a deadlock with a definition, say.  It is tried again."""


def _nobody() -> None:
    """Nobody works."""


@dataclass(slots=True)
class _Known:
    """What is known of a view beside what its state says: through `checked` nothing has changed since its epoch."""

    epoch: int
    checked: int
    error: str | None = None
    failed_at: int = 0


class DeferredViews:
    """The deferred views of all databases of an engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.on_due: Callable[[], None] = _nobody
        self.flows = Flows()
        self._known: dict[int, _Known] = {}
        self._catalog: Catalog | None = None
        self._views: list[tuple[int, MaterializedView]] = []  # of the catalog, with their databases' OIDs
        self._watched: frozenset[int] = frozenset()
        self._subscription: Subscription | None = None
        self._is_due = False
        self._is_working = False
        self._base_epoch = 0

    # --- which there are ----------------------------------------

    def begin(self, base_epoch: int) -> None:
        """The engine was opened; storages know when they were changed last, if that was after `base_epoch`."""
        self._base_epoch = base_epoch
        self._look()
        self._is_due = bool(self._views)

    def expect_one(self) -> int:
        """A view is about to be made: changes are recorded from now on; the epoch after which they are."""
        manager = self._engine.manager
        if self._subscription is None:
            self._subscription = manager.subscribe(None)
        return manager.oldest_change()

    def _look(self) -> None:
        """See which views there are in the newest catalog."""
        catalog = self._engine.published_catalog()
        if catalog is self._catalog:
            return
        self._catalog = catalog
        self._views = [
            (database.oid, view)
            for database in catalog.databases.values()
            for view in database.of_type(MaterializedView)
            if view.is_deferred
        ]
        marks = [present_mark(catalog.databases[oid], view, 0) for oid, view in self._views]
        self._watched = frozenset(storage_id for mark in marks for _, storage_id in mark.storages)
        present = {view.oid for _, view in self._views}
        self._known = {oid: known for oid, known in self._known.items() if oid in present}
        self.flows.forget_others(present)
        if self._views:
            self.expect_one()

    def _all(self) -> Iterator[tuple[Database, MaterializedView]]:
        catalog = self._engine.published_catalog()
        for database_oid, view in self._views:
            yield catalog.databases[database_oid], view

    # --- how far behind ----------------------------------------

    def note(self, commit: Commit) -> None:
        """A commit can be read."""
        if self._is_due or (self._subscription is None and not self._views):
            return
        watched = self._watched
        is_new = self._engine.manager.newest_catalog() is not self._catalog
        if is_new or any(change.storage_id in watched for change in commit.changes):
            self._is_due = True
            if not self._is_working:
                self.on_due()

    def _mark(self, database: Database, view: MaterializedView) -> Mark | None:
        """Where a view stands; None where it is to be computed anew."""
        published = self._engine.manager.published
        mark = mark_at(self._engine.stores, database, view, published)
        present = present_mark(database, view, published)
        if mark is None or (mark.storages, mark.query) != (present.storages, present.query):
            return None
        return Mark(self.settled_until(view.oid, mark), mark.storages, mark.query)

    def settled_until(self, oid: int, mark: Mark) -> int:
        """The epoch up to which nothing is known to have changed in a view's tables since its mark."""
        known = self._known.setdefault(oid, _Known(0, 0))
        if known.epoch != mark.epoch:
            known.epoch = known.checked = mark.epoch
        if known.checked >= self._base_epoch:
            storages = [self._engine.stores.find(storage_id) for _, storage_id in mark.storages]
            if all(each is not None and each.changed_epoch <= known.checked for each in storages):
                known.checked = max(known.checked, self._engine.manager.newest_change())
        return known.checked

    def _pending(self, mark: Mark, newest: int) -> Iterator[tuple[Commit, int]]:
        """The commits after a mark, up to an epoch, that have changed its tables, with how many rows of them.

        Raises HistoryNotRetained.
        """
        manager = self._engine.manager
        watched = {storage_id for _, storage_id in mark.storages}
        if mark.epoch < min(newest, manager.oldest_change()):
            raise errors.HistoryNotRetained("the changes since the view's epoch are not retained")
        epoch = mark.epoch
        while epoch < newest:
            commits = manager.feed.source.read(epoch, newest, READ_AT_ONCE)
            for commit in commits:
                count = sum(change.storage_id in watched for change in commit.changes)
                if count:
                    yield commit, count
                epoch = commit.epoch
            if not commits:
                return

    def _is_behind(self, database: Database, view: MaterializedView) -> bool:
        mark = self._mark(database, view)
        if mark is None:
            return True
        try:
            return next(self._pending(mark, self._engine.manager.newest_change()), None) is not None
        except errors.HistoryNotRetained:
            return True

    def infos(self, database_oid: int, epoch: int) -> list[DeferredViewInfo]:
        """The deferred views of a database as a snapshot at an epoch sees them, for skerry.deferred_views."""
        self._look()
        database = cast(Catalog, self._engine.manager.catalog_at(epoch)).databases[database_oid]
        views = [view for view in database.of_type(MaterializedView) if view.is_deferred]
        return [self._info(database, view, epoch) for view in views]

    def _mark_then(self, database: Database, view: MaterializedView, epoch: int) -> Mark | None:
        """As `_mark`, at an epoch."""
        mark = mark_at(self._engine.stores, database, view, epoch)
        present = present_mark(database, view, epoch)
        if mark is None or (mark.storages, mark.query) != (present.storages, present.query):
            return None
        known = self._known.get(view.oid)
        if known is None or known.epoch != mark.epoch:
            return mark
        return Mark(min(self.settled_until(view.oid, mark), epoch), mark.storages, mark.query)

    def _info(self, database: Database, view: MaterializedView, until: int) -> DeferredViewInfo:
        manager, stores = self._engine.manager, self._engine.stores
        newest = min(until, manager.newest_change())
        mark = self._mark_then(database, view, until)
        epoch: int | None = newest
        commits: int | None = 0
        changes: int | None = 0
        lag_us = 0
        try:
            for commit, count in self._pending(mark, newest) if mark is not None else ():
                if not commits:
                    epoch, lag_us = commit.epoch - 1, wall_clock() - commit.time_us
                commits, changes = cast(int, commits) + 1, cast(int, changes) + count
        except errors.HistoryNotRetained:
            mark = None
        if mark is None:
            epoch = commits = changes = None
        known = self._known.get(view.oid)
        return DeferredViewInfo(
            view.schema_oid,
            view.name,
            "full" if view.is_recomputed else "incremental",
            epoch,
            newest,
            commits,
            lag_us,
            changes,
            max(stores.row_count(database.table(view.state_oid)) - 1, 0),
            None if known is None else known.error,
        )

    # --- the work ----------------------------------------

    def look_at_once(self) -> None:
        """A host has come: tell it if there is something to do already."""
        if self._is_due:
            self.on_due()

    def work(self) -> Steps | None:
        """The steps of bringing views up to date that are behind; None where none is, or it is being done.

        The steps never fail: what goes wrong is noted with the view.
        """
        if not self._is_due or self._is_working or self._engine.closed or self._engine.read_only:
            return None
        self._is_due = False
        self._is_working = True
        return self._work()

    def _work(self) -> Steps:
        try:
            self._look()
            behind: dict[int, list[int]] = {}
            for database, view in self._all():
                if self._is_to_be_tried(database, view):
                    behind.setdefault(database.oid, []).append(view.oid)
            for database_oid, oids in behind.items():
                while oids:
                    failed = yield from self._tried(database_oid, oids)
                    oids = [] if failed is None else [oid for oid in oids if oid != failed]
            self._look()
            self._move_subscription()
        except Exception:
            _logger.exception("deferred views were not brought up to date")
        finally:
            self._is_working = False
        if self._is_due:
            self.on_due()

    def _is_to_be_tried(self, database: Database, view: MaterializedView) -> bool:
        known = self._known.get(view.oid)
        if (
            known is not None
            and known.error is not None
            and known.failed_at == self._newest_change_of(view, database)
        ):
            return False
        if self._is_behind(database, view):
            return True
        if known is not None:
            known.checked = max(known.checked, self._engine.manager.newest_change())
        return False

    def _newest_change_of(self, view: MaterializedView, database: Database) -> int:
        """When a table that the view reads was changed last; a new meaning counts."""
        stores = self._engine.stores
        mark = present_mark(database, view, 0)
        storages = [stores.find(storage_id) for _, storage_id in mark.storages]
        return hash((mark.query, mark.storages, *[s.changed_epoch for s in storages if s is not None]))

    def _tried(self, database_oid: int, oids: list[int]) -> Generator[Step, object, int | None]:
        """One transaction for some views of a database; the one that failed, without which the others may do."""
        session = self._session(database_oid)
        try:
            locked = yield from _followed(session, oids)
            yield from session.commit()
            self._is_due = self._is_due or len(locked) < len(
                oids
            )  # somebody else has one, and may leave it as it is
            for oid in locked:
                self._note_success(oid)
        except ViewFailed as failure:
            if failure.error.sqlstate[:2] in _PASSING:
                self._is_due = True
            else:
                self._note_failure(database_oid, failure.view, failure.error)
            return failure.view.oid
        except errors.DatabaseError as error:
            _logger.warning("deferred views were not brought up to date: %s", error.message)
        finally:
            session.close()
        return None

    def _session(self, database_oid: int) -> Session:
        """A session of the engine's own, which nobody sees among the others."""
        from skerry_engine.session.session import Session

        role = self._engine.published_catalog().roles[BOOTSTRAP_ROLE]
        return Session(self._engine, database_oid, role.name, {}, 0)

    def _note_success(self, oid: int) -> None:
        known = self._known.get(oid)
        if known is not None:
            known.error = None

    def _note_failure(self, database_oid: int, view: MaterializedView, error: errors.DatabaseError) -> None:
        known = self._known.setdefault(view.oid, _Known(0, 0))
        known.error = error.message
        database = self._engine.published_catalog().databases[database_oid]
        known.failed_at = self._newest_change_of(view, database)
        _logger.warning('materialized view "%s" was not brought up to date: %s', view.name, error.message)

    def _move_subscription(self) -> None:
        """Nobody needs changes any more that all views have taken in."""
        subscription = self._subscription
        if subscription is None:
            return
        if not self._views:
            self._engine.manager.unsubscribe(subscription)
            self._subscription = None
            return
        newest = self._engine.manager.newest_change()
        marks = [self._mark(database, view) for database, view in self._all()]
        position = min([newest, *[mark.epoch for mark in marks if mark is not None]])
        subscription.position = max(subscription.position, position)

    # --- the end ----------------------------------------

    def end(self) -> None:
        """The engine is about to be closed, no session being left: let views that are up to date say so."""
        self.on_due = _nobody
        if self._engine.durable is None or self._engine.durable.log.failure is not None:
            return
        self._look()
        for database_oid in {oid for oid, _ in self._views}:
            self._note_up_to_date(database_oid)

    def _note_up_to_date(self, database_oid: int) -> None:
        """In one unit, so that the commit's epoch is known."""
        session = self._session(database_oid)
        try:
            transaction = session.need_transaction()
            transaction.start_statement()
            for database, view in self._all():
                if database.oid != database_oid or self._is_behind(database, view):
                    continue
                state = database.table(view.state_oid)
                storage = self._engine.stores.get(state.storage_id)
                mark = present_mark(database, view, self._engine.manager.last_epoch + 1)
                key, row = mark.entry()
                reader = transaction.reader(storage)
                ids, rows = reader.lookup_ids(storage.indexes[state.indexes[0].oid], key)
                if rows[0][1] != row:
                    writer = transaction.writer(self._engine.stores.target(database, state))
                    writer.update(ids[0], rows[0], (key, row))
            transaction.finish_statement()
            session.commit_at_once()
        except errors.DatabaseError as error:
            _logger.warning("how far deferred views are was not noted: %s", error.message)
        finally:
            session.close()


def _followed(session: Session, oids: list[int]) -> Generator[Step, object, list[int]]:
    """Bring views up to date in the session's transaction, those that nobody else has locked; which these are."""
    from skerry_engine.session.definition_context import SessionDefinitionContext

    context = SessionDefinitionContext(session)
    transaction = session.need_transaction()
    mark = transaction.start_statement()
    try:
        locked = [oid for oid in oids if _is_locked(context, oid)]
        transaction.take_snapshot()
        present = [oid for oid in locked if context.database.relation(oid) is not None]
        yield from follow(context, present)
        yield from finish_statement(transaction)
    except BaseException:
        if transaction.state == "active":
            transaction.abandon_statement(mark)
        raise
    return present


def _is_locked(context: SessionDefinitionContext, oid: int) -> bool:
    """Lock a view and its state, if nobody else has them."""
    view = context.database.relation(oid)
    if not isinstance(view, MaterializedView):
        return False
    mode = EXCLUSIVE_TABLE if view.populated else ACCESS_EXCLUSIVE
    try:
        context.transaction.lock_table(oid, mode, nowait=True)
        context.transaction.lock_table(view.state_oid, EXCLUSIVE_TABLE, nowait=True)
    except errors.LockNotAvailable:
        return False
    return True
