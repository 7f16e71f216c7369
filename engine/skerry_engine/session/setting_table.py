"""The settings there are: names, types, bounds and defaults as PostgreSQL 15 has them,
with what Skerry makes of each.

A setting that Skerry has no use for but clients set (planner switches, storage costs) is accepted: it asks
for a plan or a place, not for another result.  A setting that would change results or guarantees in a way
Skerry does not implement is `fixed`: any other value is refused by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from skerry_engine.txn.two_phase import MAX_PREPARED


@dataclass(frozen=True, slots=True)
class SettingDefinition:
    """A setting.

    `kind`: bool, integer, real, string or enum.  `context`: who may set it when (user, superuser, sighup,
    postmaster, internal; backend: only when the session begins), as in pg_settings.  `unit`: '', 'ms', 's',
    'kB' or '8kB', the base unit of the stored number.  `fixed`: only the default is taken.  `reported`:
    clients hear of changes (ParameterStatus).
    """

    name: str
    kind: str
    context: str
    default: str
    category: str
    description: str
    unit: str = ""
    minimum: float = 0
    maximum: float = 0
    choices: tuple[str, ...] = ()
    fixed: bool = False
    reported: bool = False
    is_list: bool = False


SERVER_VERSION: Final = "15.18"
SERVER_VERSION_NUMBER: Final = "150018"

_MAX_INT: Final = 2147483647
_MAX_REAL: Final = 1.79769e308
_STATEMENT: Final = "Client Connection Defaults / Statement Behavior"
_LOCALE: Final = "Client Connection Defaults / Locale and Formatting"
_PRESET: Final = "Preset Options"
_METHODS: Final = "Query Tuning / Planner Method Configuration"
_COSTS: Final = "Query Tuning / Planner Cost Constants"
_PLANNER: Final = "Query Tuning / Other Planner Options"
_MEMORY: Final = "Resource Usage / Memory"
_CONNECTION: Final = "Connections and Authentication / Connection Settings"
_COMPATIBILITY: Final = "Version and Platform Compatibility / Previous PostgreSQL Versions"
_LOGGING: Final = "Reporting and Logging / What to Log"
_ISOLATION: Final = ("serializable", "repeatable read", "read committed", "read uncommitted")
MESSAGE_LEVELS: Final = (
    "debug5",
    "debug4",
    "debug3",
    "debug2",
    "debug1",
    "log",
    "notice",
    "warning",
    "error",
)


def _flag(
    name: str, default: str, category: str, description: str, *, fixed: bool = False, reported: bool = False
) -> SettingDefinition:
    return SettingDefinition(
        name, "bool", "user", default, category, description, fixed=fixed, reported=reported
    )


def _text(
    name: str,
    default: str,
    category: str,
    description: str,
    *,
    fixed: bool = False,
    reported: bool = False,
    is_list: bool = False,
) -> SettingDefinition:
    return SettingDefinition(
        name,
        "string",
        "user",
        default,
        category,
        description,
        fixed=fixed,
        reported=reported,
        is_list=is_list,
    )


def _choice(
    name: str,
    default: str,
    choices: tuple[str, ...],
    category: str,
    description: str,
    *,
    fixed: bool = False,
    reported: bool = False,
) -> SettingDefinition:
    return SettingDefinition(
        name, "enum", "user", default, category, description, choices=choices, fixed=fixed, reported=reported
    )


def _number(
    name: str, default: int, low: int, high: int, unit: str, category: str, description: str
) -> SettingDefinition:
    return SettingDefinition(name, "integer", "user", str(default), category, description, unit, low, high)


def _cost(name: str, default: str, description: str) -> SettingDefinition:
    return SettingDefinition(name, "real", "user", default, _COSTS, description, "", 0, _MAX_REAL)


def _method(name: str, what: str, default: str = "on") -> SettingDefinition:
    return _flag(name, default, _METHODS, f"Lets the planner use {what}; Skerry's planner decides by itself.")


def _preset(name: str, kind: str, value: str, description: str, reported: bool = False) -> SettingDefinition:
    bound = float(value) if kind == "integer" else 0
    return SettingDefinition(
        name, kind, "internal", value, _PRESET, description, "", bound, bound, reported=reported
    )


def _server(
    name: str, kind: str, value: str, category: str, description: str, high: int = _MAX_INT
) -> SettingDefinition:
    return SettingDefinition(
        name, kind, "postmaster", value, category, description, "", 0, high if kind == "integer" else 0
    )


_DEFINITIONS: Final = (
    # what results and messages look like
    _text("application_name", "", _LOGGING, "The name under which the client shows itself.", reported=True),
    _text("client_encoding", "UTF8", _LOCALE, "The client's character set; Skerry speaks UTF8.", reported=True),
    _text("DateStyle", "ISO, MDY", _LOCALE, "How dates are written, and how ambiguous ones are read.",
          reported=True, is_list=True),
    _choice("IntervalStyle", "postgres", ("postgres", "postgres_verbose", "sql_standard", "iso_8601"), _LOCALE,
            "How intervals are written.", reported=True),
    _text("TimeZone", "UTC", _LOCALE, "The zone in which timestamps with time zone are read and written.",
          reported=True),
    _text("timezone_abbreviations", "Default", _LOCALE, "The set of zone abbreviations.", fixed=True),
    _number("extra_float_digits", 1, -15, 3, "", _LOCALE,
            "Digits of floating-point output; above 0 the shortest exact form."),
    _choice("bytea_output", "hex", ("escape", "hex"), _STATEMENT, "How bytea is written."),
    _choice("language", "auto", ("auto", "sql", "gql"), _STATEMENT,
            "The query language: auto lets a statement's first words tell."),
    _text("skerry.graph", "public.home", _STATEMENT, "The graph that GQL works in; SESSION SET GRAPH sets it."),
    _flag("skerry.typed_json", "off", _STATEMENT,
          "Nodes, records and dynamically typed values are written with all types, for programs that want them back."),
    _choice("client_min_messages", "notice", MESSAGE_LEVELS, _STATEMENT,
            "The least severe messages that the client gets."),
    _text("lc_messages", "C", _LOCALE, "Language of messages.", fixed=True),
    _text("lc_monetary", "C", _LOCALE, "Locale of money.", fixed=True),
    _text("lc_numeric", "C", _LOCALE, "Locale of number formats.", fixed=True),
    _text("lc_time", "C", _LOCALE, "Locale of day and month names.", fixed=True),
    _text("default_text_search_config", "pg_catalog.simple", _LOCALE,
          "The text search configuration used by default."),
    _choice("xmlbinary", "base64", ("base64", "hex"), _STATEMENT, "How binary values stand in XML.", fixed=True),
    _choice("xmloption", "content", ("content", "document"), _STATEMENT, "Whether XML is content or a document."),
    # names and statements
    _text("search_path", '"$user", public', _STATEMENT, "The schemas in which unqualified names are looked up.",
          is_list=True),
    _flag("standard_conforming_strings", "on", _COMPATIBILITY,
          "Backslashes in '...' strings are ordinary characters.",
          fixed=True, reported=True),
    _flag("escape_string_warning", "on", _COMPATIBILITY, "Warn of backslashes in '...' strings."),
    _choice("backslash_quote", "safe_encoding", ("safe_encoding", "on", "off"), _COMPATIBILITY,
            "Whether \\' stands for a quote in E'' strings."),
    _flag("array_nulls", "on", _COMPATIBILITY, "NULL in array input is a null element.", fixed=True),
    _flag("transform_null_equals", "off", "Version and Platform Compatibility / Other Platforms and Clients",
          "Read `x = NULL` as `x IS NULL`.", fixed=True),
    _flag("quote_all_identifiers", "off", _COMPATIBILITY,
          "Quote every identifier when definitions are printed.", fixed=True),
    _flag("lo_compat_privileges", "off", _COMPATIBILITY, "Privilege checks on large objects as before 9.0."),
    _flag("synchronize_seqscans", "on", _COMPATIBILITY, "Let concurrent scans share one pass; no effect here."),
    _flag("check_function_bodies", "on", _STATEMENT, "Check the bodies of new functions."),
    _flag("row_security", "on", _STATEMENT, "Apply row security policies; Skerry has none."),
    _choice("session_replication_role", "origin", ("origin", "replica", "local"), _STATEMENT,
            "Which triggers and rules fire.", fixed=True),
    _text("default_table_access_method", "heap", _STATEMENT, "The storage of new tables.", fixed=True),
    _text("default_tablespace", "", _STATEMENT, "Where new tables and indexes go.", fixed=True),
    _text("temp_tablespaces", "", _STATEMENT, "Where temporary tables go.", fixed=True),
    _choice("default_toast_compression", "pglz", ("pglz", "lz4"), _STATEMENT,
            "Compression of large values; no effect here."),
    _number("gin_pending_list_limit", 4096, 64, _MAX_INT, "kB", _STATEMENT, "No effect: there are no GIN indexes."),
    _text("role", "none", _STATEMENT, "The current role."),
    SettingDefinition("session_authorization", "string", "internal", "", "Ungrouped",
                      "The session's user.", reported=True),
    SettingDefinition("is_superuser", "bool", "internal", "on", "Ungrouped",
                      "Whether the current role is a superuser.",
                      reported=True),
    # transactions and time limits
    _choice("default_transaction_isolation", "read committed", _ISOLATION, _STATEMENT,
            "The isolation level of new transactions."),
    _flag("default_transaction_read_only", "off", _STATEMENT,
          "Whether new transactions are read-only.", reported=True),
    SettingDefinition("skerry.read_only", "bool", "backend", "off", _STATEMENT,
                      "Whether the session may do nothing but read, whatever its transactions' modes."),
    _flag("default_transaction_deferrable", "off", _STATEMENT, "Whether new transactions are deferrable."),
    _choice("transaction_isolation", "read committed", _ISOLATION, _STATEMENT, "This transaction's isolation level."),
    _flag("transaction_read_only", "off", _STATEMENT, "Whether this transaction is read-only."),
    _flag("transaction_deferrable", "off", _STATEMENT, "Whether this transaction is deferrable."),
    _number("statement_timeout", 0, 0, _MAX_INT, "ms", _STATEMENT, "How long a statement may take; 0 for ever."),
    _number("skerry.conflict_wait", 100, 0, 10_000, "ms", _STATEMENT,
            "How long a transaction waits in line, before its snapshot, for a row that the session has just lost."),
    _number("lock_timeout", 0, 0, _MAX_INT, "ms", _STATEMENT, "How long to wait for a lock; 0 for ever."),
    _number("idle_in_transaction_session_timeout", 0, 0, _MAX_INT, "ms", _STATEMENT,
            "How long a session may idle inside a transaction; 0 for ever."),
    _number("transaction_timeout", 0, 0, _MAX_INT, "ms", _STATEMENT,
            "How long a transaction may last, running, waiting or idle; 0 for ever."),
    _number("idle_session_timeout", 0, 0, _MAX_INT, "ms", _STATEMENT,
            "How long a session may idle outside a transaction; 0 for ever."),
    SettingDefinition("deadlock_timeout", "integer", "superuser", "1000", "Lock Management",
                      "No effect: deadlocks are found when a wait begins.", "ms", 1, _MAX_INT),
    _choice("synchronous_commit", "on", ("local", "remote_write", "remote_apply", "on", "off"),
            "Write-Ahead Log / Settings", "Whether COMMIT waits until it is durable."),
    SettingDefinition("skerry.retention", "integer", "sighup", "0", "History",
                      "How long the past can be read (AS OF); skerry.set_retention() changes it.",
                      "s", 0, 10**10),
    SettingDefinition("skerry.retention_bytes", "integer", "sighup", "262144", "History",
                      "The memory that history may take at most; skerry.set_retention() changes it.",
                      "kB", 0, 2**53),
    # memory
    _number("work_mem", 262144, 64, _MAX_INT, "kB", _MEMORY, "Memory for a sort or hash table of a statement."),
    _number("maintenance_work_mem", 65536, 1024, _MAX_INT, "kB", _MEMORY, "Memory for building indexes."),
    _number("logical_decoding_work_mem", 65536, 64, _MAX_INT, "kB", _MEMORY, "No effect: no logical decoding."),
    _number("temp_buffers", 1024, 100, 1073741823, "8kB", _MEMORY, "No effect: temporary tables live in memory."),
    SettingDefinition("hash_mem_multiplier", "real", "user", "2", _MEMORY,
                      "Times work_mem that a hash table may use.",
                      "", 1, 1000),
    # planning: accepted, the planner decides by itself
    *(_method(f"enable_{name}", what) for name, what in (
        ("async_append", "asynchronous appends"), ("bitmapscan", "bitmap scans"), ("gathermerge", "gather merges"),
        ("hashagg", "hashed aggregation"), ("hashjoin", "hash joins"), ("incremental_sort", "incremental sorts"),
        ("indexonlyscan", "index-only scans"), ("indexscan", "index scans"), ("material", "materialisation"),
        ("memoize", "memoisation"), ("mergejoin", "merge joins"), ("nestloop", "nested loops"),
        ("parallel_append", "parallel appends"), ("parallel_hash", "parallel hash joins"),
        ("partition_pruning", "partition pruning"), ("seqscan", "sequential scans"), ("sort", "sorts"),
        ("tidscan", "scans by tuple id"),
    )),
    _method("enable_partitionwise_aggregate", "partitionwise aggregation", "off"),
    _method("enable_partitionwise_join", "partitionwise joins", "off"),
    _flag("jit", "off", _PLANNER, "Machine code for queries; Skerry compiles every plan to Python."),
    _choice("plan_cache_mode", "auto", ("auto", "force_generic_plan", "force_custom_plan"), _PLANNER,
            "Whether prepared statements are planned for each execution."),
    _choice("constraint_exclusion", "partition", ("partition", "on", "off"), _PLANNER,
            "Whether constraints prove that a table need not be read."),
    _flag("geqo", "on", "Query Tuning / Genetic Query Optimizer", "Genetic search for join orders; no effect here."),
    _number("from_collapse_limit", 8, 1, _MAX_INT, "", _PLANNER, "How many FROM items are planned together."),
    _number("join_collapse_limit", 8, 1, _MAX_INT, "", _PLANNER, "How many joins are reordered together."),
    _number("default_statistics_target", 100, 1, 10000, "", _PLANNER, "The detail of statistics."),
    SettingDefinition("cursor_tuple_fraction", "real", "user", "0.1", _PLANNER,
                      "The part of a cursor's rows to plan for.",
                      "", 0, 1),
    _number("max_parallel_workers_per_gather", 0, 0, 1024, "", "Resource Usage / Asynchronous Behavior",
            "No effect: queries run in one thread."),
    _number("max_parallel_maintenance_workers", 0, 0, 1024, "", "Resource Usage / Asynchronous Behavior",
            "No effect: index builds run in one thread."),
    _number("max_parallel_workers", 8, 0, 1024, "", "Resource Usage / Asynchronous Behavior",
            "No effect: queries run in one thread."),
    _flag("parallel_leader_participation", "on", "Resource Usage / Asynchronous Behavior",
          "No effect: queries run in one thread."),
    _choice("force_parallel_mode", "off", ("off", "on", "regress"), "Developer Options",
            "No effect: queries run in one thread."),
    _number("min_parallel_table_scan_size", 1024, 0, 715827882, "8kB", _COSTS, "No effect: no parallel scans."),
    _number("min_parallel_index_scan_size", 64, 0, 715827882, "8kB", _COSTS, "No effect: no parallel scans."),
    _cost("random_page_cost", "4", "Cost of a page read out of order."),
    _cost("seq_page_cost", "1", "Cost of a page read in order."),
    _cost("cpu_tuple_cost", "0.01", "Cost of a row."),
    _cost("cpu_index_tuple_cost", "0.005", "Cost of an index entry."),
    _cost("cpu_operator_cost", "0.0025", "Cost of an operator."),
    _cost("parallel_setup_cost", "1000", "Cost of starting workers."),
    _cost("parallel_tuple_cost", "0.1", "Cost of passing a row between workers."),
    _number("effective_cache_size", 524288, 1, _MAX_INT, "8kB", _COSTS, "Size of the caches to plan for."),
    # logging and debugging
    SettingDefinition("log_statement", "enum", "superuser", "none", _LOGGING, "Which statements are logged.",
                      choices=("none", "ddl", "mod", "all")),
    SettingDefinition("log_min_duration_statement", "integer", "superuser", "-1",
                      "Reporting and Logging / When to Log",
                      "Log statements that take longer.", "ms", -1, _MAX_INT),
    SettingDefinition("log_min_messages", "enum", "superuser", "warning", "Reporting and Logging / When to Log",
                      "The least severe messages that are logged.",
                      choices=("debug5", "debug4", "debug3", "debug2", "debug1", "info", "notice", "warning", "error",
                               "log", "fatal", "panic")),
    SettingDefinition("log_min_error_statement", "enum", "superuser", "error", "Reporting and Logging / When to Log",
                      "The least severe errors whose statements are logged.",
                      choices=("debug5", "debug4", "debug3", "debug2", "debug1", "info", "notice", "warning", "error",
                               "log", "fatal", "panic")),
    SettingDefinition("track_activities", "bool", "superuser", "on",
                      "Statistics / Cumulative Query and Index Statistics",
                      "Show running statements in pg_stat_activity."),
    SettingDefinition("track_counts", "bool", "superuser", "on", "Statistics / Cumulative Query and Index Statistics",
                      "Count table accesses."),
    SettingDefinition("allow_system_table_mods", "bool", "superuser", "off", "Developer Options",
                      "Whether system tables may be changed.", fixed=True),
    _choice("password_encryption", "scram-sha-256", ("md5", "scram-sha-256"),
            "Connections and Authentication / Authentication", "How passwords are stored."),
    # the server
    _server("listen_addresses", "string", "127.0.0.1", _CONNECTION, "The addresses on which the server listens."),
    _server("port", "integer", "5433", _CONNECTION, "The port on which the server listens.", 65535),
    _server("max_connections", "integer", "1000", _CONNECTION, "How many clients may be connected.", 262143),
    _server("superuser_reserved_connections", "integer", "3", _CONNECTION,
            "Connections kept for superusers.", 262143),
    _server("unix_socket_directories", "string", "", _CONNECTION, "Directories of local sockets; Skerry has none."),
    _server("data_directory", "string", ":memory:", "File Locations", "The database's directory."),
    _server("max_prepared_transactions", "integer", str(MAX_PREPARED), _MEMORY,
            "How many transactions may be prepared.", 262143),
    _server("max_locks_per_transaction", "integer", "64", "Lock Management",
            "No effect: locks are not limited.", _MAX_INT),
    _server("wal_level", "enum", "replica", "Write-Ahead Log / Settings", "How much the log holds."),
    _server("hot_standby", "bool", "on", "Replication / Standby Servers", "Queries while recovering."),
    _server("cluster_name", "string", "", "Reporting and Logging / Process Title", "The cluster's name."),
    SettingDefinition("shared_buffers", "integer", "postmaster", "16384", _MEMORY, "Memory for pages.",
                      "8kB", 16, 1073741823),
    SettingDefinition("ssl", "bool", "sighup", "off", "Connections and Authentication / SSL",
                      "Encrypted connections."),
    SettingDefinition("fsync", "bool", "sighup", "on", "Write-Ahead Log / Settings",
                      "Whether commits reach the disk."),
    SettingDefinition("autovacuum", "bool", "sighup", "on", "Autovacuum", "Clean up old versions in the background."),
    SettingDefinition("log_timezone", "string", "sighup", "UTC", _LOGGING, "The zone of times in the log."),
    # what never changes
    _preset("server_version", "string", SERVER_VERSION, "The PostgreSQL version that Skerry answers as.", True),
    _preset("server_version_num", "integer", SERVER_VERSION_NUMBER, "The same as a number."),
    _preset("server_encoding", "string", "UTF8", "The character set of the database.", True),
    _preset("integer_datetimes", "bool", "on", "Timestamps are integers.", True),
    _preset("in_hot_standby", "bool", "off", "Whether the server is a standby.", True),
    _preset("lc_collate", "string", "C", "The sort order of the database."),
    _preset("lc_ctype", "string", "C", "The character classes of the database."),
    _preset("max_identifier_length", "integer", "63", "Bytes in a name."),
    _preset("max_index_keys", "integer", "32", "Columns in an index."),
    _preset("max_function_args", "integer", "100", "Arguments of a function."),
    _preset("block_size", "integer", "8192", "Bytes in a page, as planner constants count them."),
    _preset("wal_block_size", "integer", "8192", "Bytes in a log page."),
    _preset("data_checksums", "bool", "on", "Whether stored blocks carry checksums."),
    _preset("debug_assertions", "bool", "off", "Whether assertions are compiled in."),
)  # fmt: skip

SETTINGS: Final = {definition.name.lower(): definition for definition in _DEFINITIONS}
