"""Rows about the cluster and what runs in it: databases, roles, tablespaces, collations, settings, sessions,
locks.
"""

from __future__ import annotations

from decimal import Decimal

from skerry_engine.catalog.catalog import Database
from skerry_engine.catalog.graphs import oid_shown
from skerry_engine.catalog.objects import BOOTSTRAP_ROLE, PG_CATALOG, Role
from skerry_engine.catalog.privileges import rights_texts, written_rights_of_database
from skerry_engine.catalog.system.context import LockInfo, SystemContext
from skerry_engine.catalog.system.layout import Row, layout
from skerry_engine.catalog.system.registry import fixed_rows_of, rows_of
from skerry_engine.values import interval

DATABASE = layout("pg_database")
ROLES = layout("pg_roles")
AUTHID = layout("pg_authid")
USER = layout("pg_user")
SHADOW = layout("pg_shadow")
GROUP = layout("pg_group")
DEFAULT_RIGHTS = layout("pg_default_acl")
MEMBERS = layout("pg_auth_members")
START_SETTING = layout("pg_db_role_setting")
TABLESPACE = layout("pg_tablespace")
COLLATION = layout("pg_collation")
SETTINGS = layout("pg_settings")
ACTIVITY = layout("pg_stat_activity")
LOCKS = layout("pg_locks")
PREPARED = layout("pg_prepared_statements")
PREPARED_TRANSACTIONS = layout("pg_prepared_xacts")
TRANSACTIONS = layout("transactions", "skerry")
HISTORY = layout("history", "skerry")
DEFERRED_VIEWS = layout("deferred_views", "skerry")
CURSORS = layout("pg_cursors")
STAT_SSL = layout("pg_stat_ssl")
STAT_DATABASE = layout("pg_stat_database")

UTF8 = 6
DEFAULT_TABLESPACE = 1663
GLOBAL_TABLESPACE = 1664


# --- databases ------------------------------------------------------------------------------------


@rows_of("pg_database")
def database_rows(context: SystemContext) -> list[Row]:
    return [_database_row(context, database) for database in context.catalog.databases.values()]


def _database_row(context: SystemContext, database: Database) -> Row:
    return DATABASE.row(
        oid=database.oid,
        datname=database.name,
        datdba=database.owner_oid,
        encoding=UTF8,
        datlocprovider="c",
        datistemplate=database.is_template,
        datallowconn=database.allow_connections,
        datconnlimit=database.connection_limit,
        datfrozenxid=1,
        datminmxid=1,
        dattablespace=DEFAULT_TABLESPACE,
        datcollate="C",
        datctype="C",
        datacl=rights_texts(context.catalog, written_rights_of_database(database)),
    )


@fixed_rows_of("pg_tablespace")
def tablespace_rows() -> list[Row]:
    spaces = ((DEFAULT_TABLESPACE, "pg_default"), (GLOBAL_TABLESPACE, "pg_global"))
    return [TABLESPACE.row(oid=oid, spcname=name, spcowner=BOOTSTRAP_ROLE) for oid, name in spaces]


@fixed_rows_of("pg_collation")
def collation_rows() -> list[Row]:
    """Only what Skerry compares by: code points, under the three names that mean it."""
    collations = ((100, "default", "d", None), (950, "C", "c", "C"), (951, "POSIX", "c", "POSIX"))
    return [
        COLLATION.row(
            oid=oid,
            collname=name,
            collnamespace=PG_CATALOG,
            collowner=BOOTSTRAP_ROLE,
            collprovider=provider,
            collisdeterministic=True,
            collencoding=-1,
            collcollate=locale,
            collctype=locale,
        )
        for oid, name, provider, locale in collations
    ]


# --- roles ----------------------------------------------------------------------------------------


def _role_values(role: Role) -> dict[str, object]:
    return {
        "oid": role.oid,
        "rolname": role.name,
        "rolsuper": role.superuser,
        "rolinherit": role.inherit,
        "rolcreaterole": role.create_role,
        "rolcreatedb": role.create_db,
        "rolcanlogin": role.can_login,
        "rolreplication": role.replication,
        "rolbypassrls": role.bypass_rls,
        "rolconnlimit": role.connection_limit,
        "rolvaliduntil": role.valid_until_us,
    }


@rows_of("pg_authid")
def authid_rows(context: SystemContext) -> list[Row]:
    roles = context.catalog.roles.values()
    return [AUTHID.row(**_role_values(role), rolpassword=role.password or None) for role in roles]


@rows_of("pg_roles")
def role_rows(context: SystemContext) -> list[Row]:
    return [
        ROLES.row(**_role_values(r), rolpassword="********", rolconfig=_settings_everywhere(r))
        for r in context.catalog.roles.values()
    ]


def _settings_everywhere(role: Role) -> tuple[str, ...] | None:
    return next((each.values for each in role.settings if each.database_oid == 0), None)


def _user_values(role: Role) -> dict[str, object]:
    return {
        "usename": role.name,
        "usesysid": role.oid,
        "usecreatedb": role.create_db,
        "usesuper": role.superuser,
        "userepl": role.replication,
        "usebypassrls": role.bypass_rls,
        "valuntil": role.valid_until_us,
        "useconfig": _settings_everywhere(role),
    }


@rows_of("pg_user")
def user_rows(context: SystemContext) -> list[Row]:
    logins = (role for role in context.catalog.roles.values() if role.can_login)
    return [USER.row(**_user_values(role), passwd="********") for role in logins]


@rows_of("pg_shadow")
def shadow_rows(context: SystemContext) -> list[Row]:
    logins = (role for role in context.catalog.roles.values() if role.can_login)
    return [SHADOW.row(**_user_values(role), passwd=role.password or None) for role in logins]


@rows_of("pg_group")
def group_rows(context: SystemContext) -> list[Row]:
    groups = (role for role in context.catalog.roles.values() if not role.can_login)
    members = {group.oid: _members(context, group.oid) for group in groups}
    names = context.catalog.roles
    return [GROUP.row(groname=names[oid].name, grosysid=oid, grolist=found) for oid, found in members.items()]


def _members(context: SystemContext, oid: int) -> tuple[int, ...]:
    roles = context.catalog.roles.values()
    return tuple(role.oid for role in roles if any(m.role_oid == oid for m in role.memberships))


@rows_of("pg_auth_members")
def member_rows(context: SystemContext) -> list[Row]:
    return [
        MEMBERS.row(roleid=m.role_oid, member=role.oid, grantor=m.grantor_oid, admin_option=m.admin_option)
        for role in context.catalog.roles.values()
        for m in role.memberships
    ]


@rows_of("pg_default_acl")
def default_rights_rows(context: SystemContext) -> list[Row]:
    return [
        DEFAULT_RIGHTS.row(
            oid=each.oid,
            defaclrole=each.role_oid,
            defaclnamespace=each.schema_oid,
            defaclobjtype=each.kind,
            defaclacl=rights_texts(context.catalog, each.rights),
        )
        for each in context.database.default_rights
    ]


@rows_of("pg_db_role_setting")
def start_setting_rows(context: SystemContext) -> list[Row]:
    databases = [(d.oid, 0, d.settings) for d in context.catalog.databases.values() if d.settings]
    roles = [(s.database_oid, r.oid, s.values) for r in context.catalog.roles.values() for s in r.settings]
    return [START_SETTING.row(setdatabase=d, setrole=r, setconfig=v) for d, r, v in (*databases, *roles)]


@rows_of("pg_stat_database")
def stat_database_rows(context: SystemContext) -> list[Row]:
    """Sessions are counted; what is not counted is NULL."""
    connected = [session.database_oid for session in context.sessions()]
    return [
        STAT_DATABASE.row(datid=oid, datname=database.name, numbackends=connected.count(oid))
        for oid, database in context.catalog.databases.items()
    ]


# --- settings and the session's own ---------------------------------------------------------------


@rows_of("pg_settings")
def setting_rows(context: SystemContext) -> list[Row]:
    return [
        SETTINGS.row(
            name=s.name,
            setting=s.setting,
            unit=s.unit,
            category=s.category,
            short_desc=s.short_description,
            context=s.context,
            vartype=s.type,
            source=s.source,
            min_val=s.minimum,
            max_val=s.maximum,
            enumvals=s.enum_values,
            boot_val=s.boot_value,
            reset_val=s.reset_value,
            pending_restart=False,
        )
        for s in context.settings()
    ]


@rows_of("pg_prepared_statements")
def prepared_statement_rows(context: SystemContext) -> list[Row]:
    return [
        PREPARED.row(
            name=p.name,
            statement=p.statement,
            prepare_time=p.prepare_time_us,
            parameter_types=p.parameter_types,
            from_sql=p.from_sql,
            generic_plans=p.generic_plans,
            custom_plans=p.custom_plans,
        )
        for p in context.prepared_statements()
    ]


@rows_of("pg_prepared_xacts")
def prepared_transaction_rows(context: SystemContext) -> list[Row]:
    roles, databases = context.catalog.roles, context.catalog.databases
    return [
        PREPARED_TRANSACTIONS.row(
            transaction=p.transaction_id,
            gid=p.gid,
            prepared=p.prepared_at_us,
            owner=roles[p.role_oid].name if p.role_oid in roles else None,
            database=databases[p.database_oid].name if p.database_oid in databases else None,
        )
        for p in context.prepared_transactions()
    ]


@rows_of("pg_cursors")
def cursor_rows(context: SystemContext) -> list[Row]:
    return [
        CURSORS.row(
            name=c.name,
            statement=c.statement,
            is_holdable=c.is_holdable,
            is_binary=c.is_binary,
            is_scrollable=c.is_scrollable,
            creation_time=c.creation_time_us,
        )
        for c in context.cursors()
    ]


# --- sessions and locks ---------------------------------------------------------------------------


@rows_of("pg_stat_activity")
def activity_rows(context: SystemContext) -> list[Row]:
    catalog = context.catalog
    names = {oid: database.name for oid, database in catalog.databases.items()}
    return [
        ACTIVITY.row(
            datid=s.database_oid,
            datname=names.get(s.database_oid),
            pid=s.pid,
            usesysid=s.user_oid,
            usename=catalog.role_name(s.user_oid),
            application_name=s.application_name,
            client_addr=s.client_address,
            client_port=s.client_port,
            backend_start=s.backend_start_us,
            xact_start=s.transaction_start_us,
            query_start=s.query_start_us,
            state_change=s.state_change_us,
            wait_event_type=s.wait_event_type,
            wait_event=s.wait_event,
            state=s.state,
            backend_xid=s.transaction_id,
            backend_xmin=s.oldest_snapshot,
            query=s.query,
            backend_type="client backend",
        )
        for s in context.sessions()
    ]


@rows_of("pg_stat_ssl")
def tls_rows(context: SystemContext) -> list[Row]:
    found = [(each.pid, each.tls) for each in context.sessions()]
    return [
        STAT_SSL.row(pid=pid, ssl=False)
        if tls is None
        else STAT_SSL.row(
            pid=pid,
            ssl=True,
            version=tls.version,
            cipher=tls.cipher,
            bits=tls.bits,
            client_dn=tls.client_name,
            client_serial=None if tls.client_serial is None else Decimal(tls.client_serial),
            issuer_dn=tls.issuer_name,
        )
        for pid, tls in found
    ]


def _relation_shown(context: SystemContext, lock: LockInfo) -> int | None:
    """The relation that is locked; a graph where its nodes or edges are."""
    database = context.catalog.databases.get(lock.database_oid or 0)
    oid = lock.relation_oid
    return oid if oid is None or database is None else oid_shown(database, oid)


@rows_of("pg_locks")
def lock_rows(context: SystemContext) -> list[Row]:
    return [
        LOCKS.row(
            locktype=lock.lock_type,
            database=lock.database_oid,
            relation=_relation_shown(context, lock),
            page=lock.page,
            tuple=lock.tuple,
            virtualxid=lock.virtual_id,
            transactionid=lock.transaction_id,
            classid=lock.class_oid,
            objid=lock.object_id,
            objsubid=lock.object_sub_id,
            virtualtransaction=lock.virtual_transaction,
            pid=lock.pid,
            mode=lock.mode,
            granted=lock.granted,
            fastpath=False,
            waitstart=lock.wait_start_us,
        )
        for lock in context.locks()
    ]


@rows_of("history", "skerry")
def history_rows(context: SystemContext) -> list[Row]:
    found = context.history()
    return [
        HISTORY.row(
            oldest_epoch=found.oldest_epoch,
            oldest_time=found.oldest_time_us,
            newest_epoch=found.newest_epoch,
            newest_time=found.newest_time_us,
            retention=interval.pack(0, 0, found.retention_us),
            retention_bytes=found.limit_bytes,
            retained_bytes=found.size_bytes,
            retained_versions=found.versions,
        )
    ]


@rows_of("deferred_views", "skerry")
def deferred_view_rows(context: SystemContext) -> list[Row]:
    schemas = context.database.schemas
    return [
        DEFERRED_VIEWS.row(
            schema=schemas[each.schema_oid].name,
            name=each.name,
            method=each.method,
            epoch=each.epoch,
            newest_epoch=each.newest_epoch,
            lag_commits=each.lag_commits,
            lag=interval.pack(0, 0, each.lag_us),
            pending_changes=each.pending_changes,
            state_rows=each.state_rows,
            last_error=each.last_error,
        )
        for each in context.deferred_views()
        if each.schema_oid in schemas
    ]


@rows_of("transactions", "skerry")
def transaction_rows(context: SystemContext) -> list[Row]:
    names = {oid: database.name for oid, database in context.catalog.databases.items()}
    return [
        TRANSACTIONS.row(
            id=t.id,
            pid=t.pid,
            database=names.get(t.database_oid),
            state=t.state,
            isolation_level=t.isolation_level,
            is_read_only=t.is_read_only,
            is_deferrable=t.is_deferrable,
            started=t.started_us,
            age=interval.pack(0, 0, t.age_us),
            snapshot=t.snapshot,
            oldest_snapshot=t.oldest_snapshot,
            waits_for=t.waits_for,
            waiting_for=t.waiting_for,
            locks=t.locks,
            pending_rows=t.pending_rows,
            conflicts_in=t.conflicts_in,
            conflicts_out=t.conflicts_out,
            conflict_out_epoch=t.conflict_out_epoch,
            retained_versions=t.retained_versions,
            gid=t.gid,
        )
        for t in context.transactions()
    ]
