"""VACUUM, ANALYZE, CLUSTER, CHECKPOINT, CREATE EXTENSION: statements that look after a database.

VACUUM collects garbage: it turns version chains that no snapshot needs back into bare rows, in bounded
slices.  It does so for the whole cluster, whatever tables are named, since garbage is queued by commit.
ANALYZE has nothing to do: row counts are always exact and nothing is sampled yet.  CHECKPOINT brings the base to
the present state; a cluster in memory has none.
"""

from __future__ import annotations

from collections.abc import Generator

from skerry_engine import errors
from skerry_engine.catalog.objects import Relation, SystemTable, Table
from skerry_engine.session.definitions.context import DefinitionContext
from skerry_engine.session.definitions.guards import judge_of
from skerry_engine.session.definitions.names import get_relation
from skerry_engine.session.steps import PAUSE, Complete, Step
from skerry_engine.sql import statements as st
from skerry_engine.txn.manager import GC_SLICE_ROWS
from skerry_engine.txn.modes import SHARE_UPDATE_EXCLUSIVE

VACUUM_OPTIONS = frozenset(
    """full freeze verbose analyze disable_page_skipping skip_locked index_cleanup process_toast truncate parallel
    analyse""".split()
)
ANALYZE_OPTIONS = frozenset(("verbose", "skip_locked"))
BUILT_IN_EXTENSIONS = frozenset(("plpgsql", "skerry"))


def vacuum(context: DefinitionContext, statement: st.Vacuum) -> Generator[Step, object, Complete]:
    """VACUUM or ANALYZE.  Raises ActiveTransaction for VACUUM in a transaction block."""
    word = "ANALYZE" if statement.is_analyze else "VACUUM"
    known = ANALYZE_OPTIONS if statement.is_analyze else VACUUM_OPTIONS
    for option in statement.options:
        if option not in known:
            raise errors.SyntaxError(f'unrecognized {word} option "{option}"')
    if not statement.is_analyze and context.in_transaction_block:
        raise errors.ActiveTransaction("VACUUM cannot run inside a transaction block")
    for maintained in statement.tables:
        yield from _check_table(context, maintained, statement)
    if not statement.is_analyze:
        while context.manager.gc(GC_SLICE_ROWS) >= GC_SLICE_ROWS:
            yield PAUSE
    return Complete(word)


class _Skipped(Exception):
    """The relation is left out; why has been said."""


def _check_table(
    context: DefinitionContext, maintained: st.MaintainedTable, statement: st.Vacuum
) -> Generator[Step, object, None]:
    what = "analyze" if statement.is_analyze else "vacuum"

    def check(relation: Relation) -> None:
        judge = judge_of(context)
        if not isinstance(relation, (Table, SystemTable)):
            why = f"cannot {what} non-tables or special system tables"
        elif not judge.owns(relation.owner_oid) and not judge.owns(context.database.owner_oid):
            why = f"only table or database owner can {what} it"
        else:
            return
        context.notice(f'skipping "{relation.name}" --- {why}', severity="WARNING", sqlstate="01000")
        raise _Skipped

    try:
        relation = yield from get_relation(context, maintained.name, SHARE_UPDATE_EXCLUSIVE, check)
        check(relation)
    except _Skipped:
        return
    assert isinstance(relation, (Table, SystemTable))
    for name in maintained.columns:
        if relation.column_named(name) is None:
            raise errors.UndefinedColumn(f'column "{name}" of relation "{relation.name}" does not exist')


def cluster(context: DefinitionContext, statement: st.Cluster) -> Generator[Step, object, Complete]:
    """CLUSTER is refused: rows in memory have no order that could be changed."""
    yield from ()
    raise errors.NotSupportedError("CLUSTER is not supported")


def checkpoint(context: DefinitionContext, statement: st.Checkpoint) -> Generator[Step, object, Complete]:
    """CHECKPOINT.  Raises OSError's kin (DiskFull, ...) when it could not be made; nothing is lost then."""
    checkpoints = context.checkpoints
    try:
        if checkpoints is not None:
            yield from checkpoints.run()
    except OSError as error:
        raise errors.disk_error("the checkpoint failed", error) from error
    return Complete("CHECKPOINT")


def create_extension(
    context: DefinitionContext, statement: st.CreateExtension
) -> Generator[Step, object, Complete]:
    """CREATE EXTENSION: those that are always there exist already; there are no others."""
    yield from ()
    if statement.name not in BUILT_IN_EXTENSIONS:
        raise errors.NotSupportedError(f'extension "{statement.name}" is not available')
    if not statement.if_not_exists:
        raise errors.DuplicateObject(f'extension "{statement.name}" already exists')
    context.notice(f'extension "{statement.name}" already exists, skipping', sqlstate="42710")
    return Complete("CREATE EXTENSION")
