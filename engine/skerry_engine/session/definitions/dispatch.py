"""Which executor runs which statement."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from skerry_engine import errors
from skerry_engine.gql.statements import GraphDefinition
from skerry_engine.session.definitions.alter import alter_table
from skerry_engine.session.definitions.attributes import alter_composite, rename_attribute
from skerry_engine.session.definitions.context import DefinitionContext
from skerry_engine.session.definitions.databases import (
    alter_database,
    create_database,
    create_schema,
    drop_database,
)
from skerry_engine.session.definitions.domains import alter_domain, create_domain
from skerry_engine.session.definitions.drop import drop
from skerry_engine.session.definitions.indexes import create_index, reindex
from skerry_engine.session.definitions.maintenance import checkpoint, cluster, create_extension, vacuum
from skerry_engine.session.definitions.materialized import create_materialized_view, refresh_materialized_view
from skerry_engine.session.definitions.objects import comment, rename, set_owner, set_schema
from skerry_engine.session.definitions.property_graphs import alter_property_graph, create_property_graph
from skerry_engine.session.definitions.rights import (
    alter_default_privileges,
    drop_owned,
    grant,
    reassign_owned,
)
from skerry_engine.session.definitions.roles import alter_role_setting, create_role, drop_role
from skerry_engine.session.definitions.sequences import alter_sequence, create_sequence
from skerry_engine.session.definitions.tables import create_table, create_table_as
from skerry_engine.session.definitions.truncate import truncate
from skerry_engine.session.definitions.types import (
    add_enum_label,
    create_composite,
    create_enum,
    rename_enum_label,
)
from skerry_engine.session.definitions.views import create_view
from skerry_engine.session.graphs.dispatch import execute_graph_definition
from skerry_engine.session.steps import Complete, Step
from skerry_engine.sql import graph_statements as gs
from skerry_engine.sql import statements as st
from skerry_engine.sql import type_statements as ts

Executor = Callable[[DefinitionContext, Any], Generator[Step, object, Complete]]

_EXECUTORS: dict[type[st.Statement], Executor] = {
    st.CreateTable: create_table,
    st.CreateTableAs: create_table_as,
    st.CreateIndex: create_index,
    st.CreateView: create_view,
    st.CreateMaterializedView: create_materialized_view,
    st.RefreshMaterializedView: refresh_materialized_view,
    st.CreateSequence: create_sequence,
    st.AlterSequence: alter_sequence,
    gs.CreatePropertyGraph: create_property_graph,
    gs.AlterPropertyGraph: alter_property_graph,
    ts.CreateDomain: create_domain,
    ts.AlterDomain: alter_domain,
    ts.CreateEnum: create_enum,
    ts.CreateComposite: create_composite,
    ts.AlterComposite: alter_composite,
    ts.RenameAttribute: rename_attribute,
    ts.AddEnumLabel: add_enum_label,
    ts.RenameEnumLabel: rename_enum_label,
    st.AlterTable: alter_table,
    st.Rename: rename,
    st.SetOwner: set_owner,
    st.SetSchema: set_schema,
    st.Drop: drop,
    st.Truncate: truncate,
    st.Comment: comment,
    st.Grant: grant,
    st.AlterDefaultPrivileges: alter_default_privileges,
    st.DropOwned: drop_owned,
    st.ReassignOwned: reassign_owned,
    st.CreateDatabase: create_database,
    st.AlterDatabase: alter_database,
    st.DropDatabase: drop_database,
    st.CreateSchema: create_schema,
    st.CreateRole: create_role,
    st.DropRole: drop_role,
    st.AlterRoleSetting: alter_role_setting,
    st.CreateExtension: create_extension,
    st.Vacuum: vacuum,
    st.Reindex: reindex,
    st.Cluster: cluster,
    st.Checkpoint: checkpoint,
    GraphDefinition: execute_graph_definition,
}


def is_definition(statement: st.Statement) -> bool:
    """Whether `execute_definition` runs the statement."""
    return type(statement) in _EXECUTORS or isinstance(statement, st.NotSupported)


def execute_definition(
    statement: st.Statement, context: DefinitionContext
) -> Generator[Step, object, Complete]:
    """Run a definition; its result is the command's tag.  Raises what is wrong with it;
    then abandon the statement."""
    if isinstance(statement, st.NotSupported):
        raise errors.NotSupportedError(f"{statement.what} is not supported", position=statement.position)
    return (yield from _EXECUTORS[type(statement)](context, statement))
