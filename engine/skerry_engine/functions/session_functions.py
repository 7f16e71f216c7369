"""Functions that ask or change the session: settings, sequences, advisory locks, random numbers,
who and where.

All go through the FunctionContext; nothing here holds state.  A function of type void gives the empty string.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal

from skerry_engine.abc import FunctionContext
from skerry_engine.errors import DatatypeMismatch, InvalidParameterValue
from skerry_engine.functions.registry import Implementation, define
from skerry_engine.values import oids
from skerry_engine.values.types import format_type

VOID = ""

# --- who and where ------------------------------------------------------------------------------------------


def _version(context: FunctionContext) -> str:
    return f"PostgreSQL {context.get_setting('server_version', False)} (Skerry) on Python, 64-bit"


def _current_schema(context: FunctionContext) -> str | None:
    schemas = context.current_schemas(False)
    return schemas[0] if schemas else None


define("current_database", lambda context: context.current_database, needs_context=True)
define("current_user", lambda context: context.current_user, needs_context=True)
define("session_user", lambda context: context.session_user, needs_context=True)
define("current_schema", _current_schema, needs_context=True)
define(
    "current_schemas",
    lambda context, include_implicit: tuple(context.current_schemas(include_implicit)),
    needs_context=True,
)
define("pgsql_version", _version, needs_context=True)
define("pg_backend_pid", lambda context: context.backend_pid, needs_context=True)
define(
    "pg_client_encoding", lambda context: context.get_setting("client_encoding", False), needs_context=True
)
define("getdatabaseencoding", lambda: "UTF8")
define("pg_is_in_recovery", lambda: False)
define("pg_my_temp_schema", lambda: 0)
define("pg_is_other_temp_schema", lambda oid: False)
define("pg_trigger_depth", lambda: 0)
define("pg_current_xact_id", lambda context: context.transaction_id, needs_context=True)


def _changes(
    context: FunctionContext, since: int | None, limit: int | None = None
) -> Iterator[tuple[object, ...]]:
    return iter(()) if since is None else context.changes(since, limit)


def _unsubscribe(context: FunctionContext) -> str:
    context.unsubscribe()
    return VOID


def _wait_for_changes(context: FunctionContext, since: int, timeout_s: float) -> int:
    return context.wait_for_changes(since, timeout_s)


def _set_retention(context: FunctionContext, retention: str | None, limit: str | None = None) -> str:
    context.set_retention(retention, limit)
    return VOID


def _notify(context: FunctionContext, channel: str | None, payload: str | None) -> str:
    context.notify(channel or "", payload or "")
    return VOID


define("pg_current_xact_id_if_assigned", lambda context: context.transaction_id, needs_context=True)
define("inet_client_port", lambda: None)
define("inet_server_port", lambda: None)
define("pg_jit_available", lambda: False)


define("pg_notify", _notify, needs_context=True)
define("pg_listening_channels", lambda context: context.listening_channels(), needs_context=True)
define("pg_notification_queue_usage", lambda context: context.notification_queue_usage(), needs_context=True)


# --- settings -----------------------------------------------------------------------------------------------


def _set_config(context: FunctionContext, name: str | None, value: str | None, is_local: bool | None) -> str:
    if name is None:
        raise InvalidParameterValue("SET requires parameter name")
    return context.set_setting(name, value, bool(is_local))


define("show_config_by_name", lambda context, name: context.get_setting(name, False), needs_context=True)
define(
    "show_config_by_name_missing_ok",
    lambda context, name, missing_ok: context.get_setting(name, missing_ok),
    needs_context=True,
)
define("set_config_by_name", _set_config, needs_context=True)


# --- sequences ----------------------------------------------------------------------------------------------

define("nextval_oid", lambda context, sequence: context.nextval(sequence), needs_context=True)
define("currval_oid", lambda context, sequence: context.currval(sequence), needs_context=True)
define("lastval", lambda context: context.lastval(), needs_context=True)
define(
    "setval_oid", lambda context, sequence, value: context.setval(sequence, value, True), needs_context=True
)
define(
    "setval3_oid",
    lambda context, sequence, value, is_called: context.setval(sequence, value, is_called),
    needs_context=True,
)


def _sleep(context: FunctionContext, seconds: float) -> str:
    """pg_sleep(): void."""
    context.sleep(seconds)
    return ""


define("pg_sleep", _sleep, needs_context=True)


# --- Skerry's own -------------------------------------------------------------------------------------------

define("skerry_current_epoch", lambda context: context.current_epoch(), needs_context=True)
define("skerry_epoch_at", lambda context, time_us: context.epoch_at(time_us), needs_context=True)
define("skerry_epoch_time", lambda context, epoch: context.epoch_time(epoch), needs_context=True)
define("skerry_set_retention", _set_retention, needs_context=True)
define("skerry_changes", _changes, needs_context=True)
define(
    "skerry_raw_changes",
    lambda context, since, position, limit, names: context.raw_changes(since, position, limit, names),
    needs_context=True,
)
define("skerry_subscribe", lambda context, since=None: context.subscribe(since), needs_context=True)
define("skerry_unsubscribe", _unsubscribe, needs_context=True)
define("skerry_wait_for_changes", _wait_for_changes, needs_context=True)
define("skerry_gc", lambda context: context.collect_garbage(), needs_context=True)
define("skerry_pending_changes", lambda context: context.pending_changes(), needs_context=True)


# --- advisory locks -----------------------------------------------------------------------------------------


def _lock(shared: bool, session: bool, wait: bool) -> Callable[..., object]:
    def lock(context: FunctionContext, *key: int) -> object:
        taken = context.advisory_lock(key, shared=shared, session=session, wait=wait)
        return VOID if wait else taken

    return lock


def _unlock(shared: bool) -> Callable[..., object]:
    return lambda context, *key: context.advisory_unlock(key, shared=shared)


def _unlock_all(context: FunctionContext) -> str:
    context.advisory_unlock(None, shared=False)
    return VOID


for _keys in ("int8", "int4"):
    for _shared, _mark in ((False, ""), (True, "_shared")):
        define(f"pg_advisory_lock{_mark}_{_keys}", _lock(_shared, True, True), needs_context=True)
        define(f"pg_advisory_xact_lock{_mark}_{_keys}", _lock(_shared, False, True), needs_context=True)
        define(f"pg_try_advisory_lock{_mark}_{_keys}", _lock(_shared, True, False), needs_context=True)
        define(f"pg_try_advisory_xact_lock{_mark}_{_keys}", _lock(_shared, False, False), needs_context=True)
        define(f"pg_advisory_unlock{_mark}_{_keys}", _unlock(_shared), needs_context=True)
define("pg_advisory_unlock_all", _unlock_all, needs_context=True)


# --- other sessions -----------------------------------------------------------------------------------------


def _terminate(context: FunctionContext, pid: int, timeout_ms: int = 0) -> bool:
    return context.terminate_backend(pid, timeout_ms)


define("pg_cancel_backend", lambda context, pid: context.cancel_backend(pid), needs_context=True)
define("pg_terminate_backend", _terminate, needs_context=True)


# --- who waits for whom -------------------------------------------------------------------------------------


def _session_is_blocked(context: FunctionContext, pid: int, interesting: tuple[int | None, ...]) -> bool:
    """What PostgreSQL's isolationtester asks: does `pid` wait for one of these?  A wait for anybody else is
    none of the test's."""
    blockers = {*context.blocking_pids(pid), *context.safe_snapshot_blocking_pids(pid)}
    return not blockers.isdisjoint(interesting)


define("pg_blocking_pids", lambda context, pid: tuple(context.blocking_pids(pid)), needs_context=True)
define(
    "pg_safe_snapshot_blocking_pids",
    lambda context, pid: tuple(context.safe_snapshot_blocking_pids(pid)),
    needs_context=True,
)
define("pg_isolation_test_session_is_blocked", _session_is_blocked, needs_context=True)


# --- random numbers -----------------------------------------------------------------------------------------


def _set_seed(context: FunctionContext, seed: float) -> str:
    if not -1.0 <= seed <= 1.0:
        raise InvalidParameterValue(f"setseed parameter {seed:g} is out of allowed range [-1,1]")
    context.random.seed(seed)
    return VOID


define("drandom", lambda context: context.random.random(), needs_context=True)
define("setseed", _set_seed, needs_context=True)


# --- arguments and sizes ------------------------------------------------------------------------------------


def _type_of(arg_types: tuple[int, ...], _return_type: int) -> Implementation:
    return lambda value: arg_types[0]


_COLLATABLE = frozenset((oids.TEXT, oids.VARCHAR, oids.BPCHAR))


def _collation_for(arg_types: tuple[int, ...], _return_type: int) -> Implementation:
    if arg_types[0] == oids.NAME:
        return lambda value: '"C"'
    if arg_types[0] not in _COLLATABLE:
        raise DatatypeMismatch(f"collations are not supported by type {format_type(arg_types[0])}")
    return lambda value: '"default"'


define("pg_typeof", factory=_type_of, strict=False)
define("pg_collation_for", factory=_collation_for, strict=False)
define("pg_num_nulls", lambda *args: sum(arg is None for arg in args))
define("pg_num_nonnulls", lambda *args: sum(arg is not None for arg in args))

_SIZE_UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")


def _pretty_size(size: int) -> str:
    """A size in bytes in the unit that leaves less than 10240, halves rounded up."""
    if abs(size) < 10 * 1024:
        return f"{size} bytes"
    magnitude = abs(size) >> 9  # keep one bit for rounding
    unit = 1
    while (magnitude + 1) >> 1 >= 20 * 1024 // 2 * 2 // 2 and unit < len(_SIZE_UNITS) - 1:
        magnitude >>= 10
        unit += 1
    rounded = (magnitude + 1) >> 1
    return f"{'-' if size < 0 else ''}{rounded} {_SIZE_UNITS[unit]}"


def _bytes_of_size(text: str) -> int:
    import re

    match = re.fullmatch(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*([A-Za-z]*)\s*", text)
    if match is None:
        raise InvalidParameterValue(f'invalid size: "{text}"')
    unit = match[2].lower() or "bytes"
    powers = {name.lower(): index for index, name in enumerate(_SIZE_UNITS)} | {"b": 0}
    if unit not in powers:
        raise InvalidParameterValue(
            f'invalid size: "{text}"',
            detail=f'Invalid size unit: "{match[2]}".',
            hint='Valid units are "bytes", "kB", "MB", "GB", "TB", and "PB".',
        )
    from skerry_engine.values.numeric import EXACT, rounded

    return int(rounded(EXACT.multiply(Decimal(match[1]), Decimal(1024 ** powers[unit])), 0))


define("pg_size_pretty", _pretty_size)
define("pg_size_pretty_numeric", lambda size: _pretty_size(int(size)))
define("pg_size_bytes", _bytes_of_size)
