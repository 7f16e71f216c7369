"""What Skerry claims of SQLAlchemy's suite: all that PostgreSQL 15 does.

The suite asks for each feature by name.  Those below are what its PostgreSQL dialects have (psycopg's, the most of
them) and a dialect does not have unless it says so; the rest is as `SuiteRequirements` has it.  `NOT_CLAIMED` is what
PostgreSQL has and Skerry does not, with the reason.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.testing import exclusions
from sqlalchemy.testing.requirements import SuiteRequirements

from skerry.sqlalchemy.base import ISOLATION_LEVELS

CLAIMED = """
    aggregate_order_by array_type autocommit boolean_col_expressions cast_precision_numerics_many_significant_digits
    check_constraint_reflection column_collation_reflection comment_reflection comment_reflection_full_unicode
    constraint_comment_reflection create_or_replace_view create_table_as create_temp_table_as
    cross_schema_fk_reflection ctes ctes_on_dml ctes_with_update_delete ctes_with_values date_historic
    datetime_historic datetime_interval datetime_literals datetime_timezone datetime_timezone_historic
    default_schema_name_switch deferrable_fks except_ expression_server_defaults fetch_expression fetch_first
    fetch_no_order_by fetch_offset_with_options fetch_ties fk_constraint_option_reflection_ondelete_noaction
    fk_constraint_option_reflection_ondelete_restrict fk_constraint_option_reflection_onupdate_restrict
    float_or_double_precision_behaves_generically foreign_key_constraint_name_reflection
    foreign_key_constraint_option_reflection_ondelete foreign_key_constraint_option_reflection_onupdate has_temp_table
    identity_columns identity_columns_standard implicit_default_schema index_ddl_if_exists
    index_reflects_included_columns indexes_check_column_order indexes_with_expressions infinity_floats
    inline_check_constraint_reflection intersect isolation_level json_array_indexes json_type
    legacy_unconditional_json_extract materialized_views nullsordering order_by_collation percent_schema_names
    precision_numerics_enotation_small precision_numerics_many_significant_digits
    precision_numerics_retains_significant_digits reflect_indexes_with_expressions reflect_table_options
    reflect_tables_no_columns reflects_pk_names regexp_match regexp_replace repeated_column_foreign_keys savepoints
    schema_create_delete server_defaults server_side_cursors skip_autocommit_rollback supports_bitwise_and
    supports_bitwise_not supports_bitwise_or supports_bitwise_shift supports_bitwise_xor supports_distinct_on
    table_ddl_if_exists table_value_constructor temp_table_comment_reflection temp_table_names temporary_views
    time_timezone tuple_in tuple_in_w_empty two_phase_transactions unicode_ddl unique_constraints_reflect_as_index
    update_from uuid_data_type view_column_reflection view_reflection views window_functions window_range
    window_range_non_numeric window_range_numeric
""".split()

COMPUTED = """
    computed_columns computed_columns_default_persisted computed_columns_reflect_persisted computed_columns_stored
""".split()
"""Generated columns: claimed, and SQLAlchemy warns each time that there are stored ones only, as in PostgreSQL 15."""

NOT_CLAIMED: dict[str, str] = {}


def _claimed(name: str) -> property:
    return property(lambda self: exclusions.open(), doc=f"{name}: claimed.")


def _claimed_with_warning(name: str) -> property:
    stored = r".*PostgreSQL version does not support VIRTUAL"
    rule = exclusions.warns_if(lambda config: True, stored, assert_=False)
    return property(lambda self: rule, doc=f"{name}: claimed.")


def _not_claimed(name: str, reason: str) -> property:
    return property(lambda self: exclusions.skip_if(lambda: True, reason), doc=f"{name}: {reason}.")


class _Claims:
    """The features above, one property each."""


for _name in CLAIMED:
    setattr(_Claims, _name, _claimed(_name))
for _name in COMPUTED:
    setattr(_Claims, _name, _claimed_with_warning(_name))
for _name, _reason in NOT_CLAIMED.items():
    setattr(_Claims, _name, _not_claimed(_name, _reason))


class Requirements(_Claims, SuiteRequirements):
    """What the suite is run with."""

    def get_order_by_collation(self, config: Any) -> str:
        """A collation that every database has."""
        return "POSIX"

    def get_isolation_levels(self, config: Any) -> dict[str, Any]:
        """The levels there are, and which is the default one; SNAPSHOT is Skerry's."""
        is_skerry = config.db.url.get_backend_name() == "skerry"
        levels = [level for level in ISOLATION_LEVELS if is_skerry or level != "SNAPSHOT"]
        return {"default": "READ COMMITTED", "supported": levels}
