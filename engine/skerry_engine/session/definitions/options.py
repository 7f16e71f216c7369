"""WITH (...) options and tablespaces: storage advice, checked and kept for the catalogs,
without effect here."""

from __future__ import annotations

from collections.abc import Sequence

from skerry_engine import errors
from skerry_engine.sql.statements import Option

KNOWN_OPTIONS = frozenset(
    """fillfactor toast_tuple_target parallel_workers user_catalog_table vacuum_index_cleanup vacuum_truncate
    log_autovacuum_min_duration deduplicate_items fastupdate buffering pages_per_range autosummarize
    autovacuum_enabled autovacuum_vacuum_threshold autovacuum_vacuum_scale_factor autovacuum_analyze_threshold
    autovacuum_analyze_scale_factor autovacuum_vacuum_insert_threshold autovacuum_vacuum_insert_scale_factor
    autovacuum_vacuum_cost_delay autovacuum_vacuum_cost_limit autovacuum_freeze_min_age autovacuum_freeze_max_age
    autovacuum_freeze_table_age autovacuum_multixact_freeze_min_age autovacuum_multixact_freeze_max_age
    autovacuum_multixact_freeze_table_age security_barrier security_invoker oids""".split()
)
TABLESPACES = ("pg_default", "pg_global")


def storage_options(options: Sequence[Option]) -> tuple[str, ...]:
    """Options as pg_class.reloptions shows them.  Raises InvalidParameterValue for an unknown one."""
    found: list[str] = []
    for option in options:
        name = option.name.lower()
        if name.removeprefix("toast.") not in KNOWN_OPTIONS:
            raise errors.InvalidParameterValue(f'unrecognized parameter "{name}"')
        if name == "oids":
            if option.value in (None, "true", "on", "1"):
                raise errors.NotSupportedError("tables declared WITH OIDS are not supported")
            continue
        if name == "fillfactor":
            _check_fillfactor(option)
        value = "true" if option.value is None else option.value
        found.append(f"{name}={value}")
    return tuple(found)


def written_options(text: str) -> tuple[Option, ...]:
    """The options of an ALTER's `(name = value, ...)`, from its text."""
    found: list[Option] = []
    for part in text.strip().removeprefix("(").removesuffix(")").split(","):
        name, equals, value = part.partition("=")
        found.append(Option(name.strip().lower(), value.strip().strip("'") if equals else None))
    return tuple(found)


def _check_fillfactor(option: Option) -> None:
    text = str(option.value)
    if not text.lstrip("-").isdigit():
        raise errors.InvalidParameterValue(f'invalid value for integer option "fillfactor": {text}')
    if not 10 <= int(text) <= 100:
        raise errors.InvalidParameterValue(
            f'value {text} out of bounds for option "fillfactor"',
            detail='Valid values are between "10" and "100".',
        )


def check_tablespace(name: str | None) -> None:
    """Raise UndefinedObject for a tablespace that is not one of the two that always exist."""
    if name is not None and name not in TABLESPACES:
        raise errors.UndefinedObject(f'tablespace "{name}" does not exist')
