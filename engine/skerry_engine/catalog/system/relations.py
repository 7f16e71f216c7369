"""Every relation of pg_catalog, information_schema and skerry, assembled from the layouts and the row makers.

A relation without a maker is one of two things, and both are written down here:

- *empty*: Skerry has no such objects (triggers, policies, publications), so it has no rows;
- *refused*: it reports what Skerry does not measure or keep; scanning it raises NotSupportedError by name.
"""

from __future__ import annotations

from importlib import import_module

from skerry_engine import errors
from skerry_engine.catalog.objects import SystemTable
from skerry_engine.catalog.system.context import SystemContext
from skerry_engine.catalog.system.layout import LAYOUTS, SCHEMA_OIDS, Layout, Row
from skerry_engine.catalog.system.registry import MAKERS, Maker

MAKER_MODULES = (
    "classes",
    "constraints",
    "types",
    "routines",
    "cluster",
    "views",
    "information_tables",
    "information_constraints",
    "information_privileges",
    "information_domains",
    "information_types",
    "information_graphs",
    "skerry_graphs",
    "extension",
)

FUNCTION_MODULES = ("definition_functions", "object_functions", "privilege_functions")
"""Modules that define the catalog functions; they come with the relations."""

EMPTY_CATALOGS = frozenset(
    """
    pg_conversion pg_event_trigger
    pg_foreign_data_wrapper pg_foreign_server pg_foreign_table pg_inherits pg_largeobject
    pg_largeobject_metadata pg_parameter_acl pg_partitioned_table pg_policy pg_publication
    pg_publication_namespace pg_publication_rel pg_replication_origin pg_seclabel pg_shdepend
    pg_shseclabel pg_statistic pg_statistic_ext pg_statistic_ext_data pg_subscription pg_subscription_rel
    pg_transform pg_trigger pg_ts_config pg_ts_config_map pg_ts_dict pg_ts_parser pg_ts_template
    pg_user_mapping pg_available_extension_versions pg_available_extensions pg_policies
    pg_publication_tables pg_replication_origin_status pg_replication_slots pg_rules
    pg_seclabels pg_stat_gssapi pg_stat_progress_analyze pg_stat_progress_basebackup pg_stat_progress_cluster
    pg_stat_progress_copy pg_stat_progress_create_index pg_stat_progress_vacuum pg_stat_replication
    pg_stat_replication_slots pg_stat_subscription pg_stat_subscription_stats
    pg_stat_user_functions pg_stat_wal_receiver pg_stat_xact_user_functions pg_stats pg_stats_ext
    pg_stats_ext_exprs pg_user_mappings
    """.split()
)

EMPTY_INFORMATION = frozenset(
    """
    _pg_foreign_data_wrappers _pg_foreign_servers _pg_foreign_table_columns _pg_foreign_tables
    _pg_user_mappings administrable_role_authorizations
    check_constraint_routine_usage column_domain_usage column_options column_udt_usage
    domain_udt_usage foreign_data_wrapper_options foreign_data_wrappers foreign_server_options
    foreign_servers foreign_table_options foreign_tables role_routine_grants role_udt_grants
    routine_column_usage routine_routine_usage routine_sequence_usage routine_table_usage transforms
    triggered_update_columns triggers udt_privileges user_mapping_options user_mappings
    view_routine_usage
    """.split()
)


def _refused(layout: Layout) -> Maker:
    def refuse(_context: SystemContext) -> list[Row]:
        schema = next(name for name, oid in SCHEMA_OIDS.items() if oid == layout.schema_oid)
        raise errors.NotSupportedError(f"relation {schema}.{layout.name} is not supported")

    return refuse


def no_rows(_context: SystemContext) -> list[Row]:
    """For relations of objects that Skerry does not have."""
    return []


def is_empty(schema: str, name: str) -> bool:
    """Whether the relation has no rows because Skerry has no such objects."""
    return name in (EMPTY_CATALOGS if schema == "pg_catalog" else EMPTY_INFORMATION)


def _system_table(schema: str, layout: Layout) -> SystemTable:
    maker = MAKERS.get((schema, layout.name))
    if maker is None:
        maker = no_rows if is_empty(schema, layout.name) else _refused(layout)
    return SystemTable(
        oid=layout.oid,
        name=layout.name,
        schema_oid=layout.schema_oid,
        relation_kind=layout.kind,
        columns=layout.columns,
        rows=maker,
    )


def _assemble() -> tuple[SystemTable, ...]:
    for module in (*MAKER_MODULES, *FUNCTION_MODULES):
        import_module(f"skerry_engine.catalog.system.{module}")
    return tuple(_system_table(schema, layout) for (schema, _), layout in LAYOUTS.items())


SYSTEM_TABLES: tuple[SystemTable, ...] = _assemble()
