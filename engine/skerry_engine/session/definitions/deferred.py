"""CREATE and REFRESH of deferred materialized views (session/deferred).

    CREATE    catalog: the view, the table of its state ── filled in the statement ──> epoch = the statement's snapshot
                                                        └─ or behind its commit
    REFRESH   up to date, now

CREATE fills the view from its own snapshot if what is committed after it will be in the change feed, and if nothing
that the transaction itself has done could be in what it reads: else the view would have that twice.  Otherwise, and
WITH NO DATA, the view is filled behind the commit, by whoever keeps views up to date.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

from skerry_engine import errors
from skerry_engine.catalog.objects import MaterializedView
from skerry_engine.session.deferred.filling import empty_storage
from skerry_engine.session.deferred.following import ViewFailed, filled, follow, published_database
from skerry_engine.session.deferred.marks import present_mark
from skerry_engine.session.deferred.stored_state import new_view_state
from skerry_engine.session.definitions.context import DefinitionContext
from skerry_engine.session.definitions.names import find_relation
from skerry_engine.session.definitions.tables import enter_table
from skerry_engine.session.definitions.waiting import lock_relation, see_newest, wait_for
from skerry_engine.session.steps import PAUSE, Complete, Step
from skerry_engine.sql import statements as st
from skerry_engine.sql.front import parse_statement
from skerry_engine.txn.modes import ACCESS_EXCLUSIVE, EXCLUSIVE_TABLE
from skerry_engine.views.compiling import compile_view

# --- CREATE -------------------------------------------------------------------------------------------------


def create_deferred(
    context: DefinitionContext, view: MaterializedView, with_data: bool
) -> Generator[Step, object, Complete]:
    """Make a deferred view and fill it, now or later.  Raises NotSupportedError where it can't be maintained."""
    query = parse_statement(view.source)
    assert isinstance(query, st.Query)
    context.check_query(query)
    if not view.is_recomputed:
        compile_view(view.query, context.database)
    elif not present_mark(context.database, view, 0).storages:
        raise errors.NotSupportedError("deferred materialized views that read no tables are not supported")
    since = context.deferred_views.expect_one()
    is_first = not context.transaction.has_written() and not context.transaction.changes
    allocate = context.catalog.oids.allocate
    view = _entered(context, replace(view, state_oid=allocate(), populated=False), allocate())
    if not with_data or not is_first or not (yield from _can_see_what_is_recorded(context, since)):
        if with_data:
            context.notice(
                f'materialized view "{view.name}" will be filled when the transaction is committed'
            )
        return Complete("CREATE MATERIALIZED VIEW")
    count = yield from filled(context, view.oid)
    return Complete(f"SELECT {count}", count)


def _entered(context: DefinitionContext, view: MaterializedView, index_oid: int) -> MaterializedView:
    """Put the view and its state's table into the catalog."""
    made = enter_table(context, view, ())
    state = new_view_state(view, view.state_oid, index_oid)
    enter_table(context, state, (), empty_storage(context, state))
    assert isinstance(made, MaterializedView)
    return made


def _can_see_what_is_recorded(context: DefinitionContext, since: int) -> Generator[Step, object, bool]:
    """Whether all that is committed after the statement's snapshot is recorded: READ COMMITTED takes a newer one."""
    if not context.transaction.is_snapshot:
        while context.manager.published < since:
            yield PAUSE
        see_newest(context)
    return context.transaction.snapshot >= since


# --- REFRESH ------------------------------------------------------------------------------------------------


def is_deferred_view(context: DefinitionContext, name: st.ObjectName) -> bool:
    """Whether that is the name of a deferred view now."""
    found = find_relation(context, name)
    return isinstance(found, MaterializedView) and found.is_deferred


def refresh_deferred(
    context: DefinitionContext, view: MaterializedView, with_data: bool
) -> Generator[Step, object, None]:
    """Bring a view up to date that is locked (EXCLUSIVE).

    Raises ObjectNotInPrerequisiteState, NotSupportedError, and what its query raises.
    """
    if not with_data:
        raise errors.NotSupportedError(
            "REFRESH MATERIALIZED VIEW ... WITH NO DATA is not supported for deferred materialized views"
        )
    if not view.populated:
        yield from lock_relation(context, view.oid, ACCESS_EXCLUSIVE)
    yield from wait_for(lambda: context.transaction.lock_table(view.state_oid, EXCLUSIVE_TABLE))
    see_newest(context)
    if published_database(context).relation(view.oid) is None:
        raise errors.ObjectNotInPrerequisiteState(
            f'materialized view "{view.name}" can be refreshed once its transaction is committed'
        )
    try:
        yield from follow(context, [view.oid])
    except ViewFailed as failure:
        raise failure.error from None
