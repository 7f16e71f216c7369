"""Roles, owners and rights in a dump: what is not as the superuser who loads it would have it anyway.

Roles belong to the whole cluster, so they are written only where that is asked for; a dump that names roles loads where
there are such.  What somebody has granted who is not the owner is granted in his name again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any

from skerry.dump.model import Contents

Rows = list[tuple[Any, ...]]
Ask = Callable[[str], Rows]

_BOOTSTRAP = 10

_ROLES = """
SELECT quote_ident(rolname), rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication,
       rolbypassrls, rolconnlimit, quote_literal(rolpassword), quote_literal(rolvaliduntil::text)
FROM pg_authid WHERE oid >= 16384 ORDER BY rolname"""
_FLAGS = ("SUPERUSER", "INHERIT", "CREATEROLE", "CREATEDB", "LOGIN", "REPLICATION", "BYPASSRLS")
_MEMBERS = """
SELECT quote_ident(g.rolname), quote_ident(m.rolname), a.admin_option
FROM pg_auth_members a JOIN pg_authid g ON g.oid = a.roleid JOIN pg_authid m ON m.oid = a.member
WHERE m.oid >= 16384 ORDER BY g.rolname, m.rolname"""
_ROLE_SETTINGS = """
SELECT quote_ident(r.rolname), s.setconfig FROM pg_db_role_setting s JOIN pg_authid r ON r.oid = s.setrole
WHERE s.setdatabase = 0 ORDER BY r.rolname"""

_GRANTS = """
SELECT o.oid, o.kind, o.name, o.owner, coalesce(quote_ident(g.rolname), 'PUBLIC'), quote_ident(r.rolname),
       x.privilege_type, x.is_grantable, o.part
FROM ({objects}) AS o (oid, kind, name, owner, acl, part), aclexplode(o.acl) AS x
LEFT JOIN pg_roles g ON g.oid = x.grantee
JOIN pg_roles r ON r.oid = x.grantor
WHERE o.acl IS NOT NULL"""
_OURS = "n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'skerry')"
_NAME = "quote_ident(n.nspname) || '.' || quote_ident({})"
_CLASSES = f"""
SELECT c.oid, CASE c.relkind WHEN 'S' THEN 'SEQUENCE' WHEN 'g' THEN 'PROPERTY GRAPH' ELSE 'TABLE' END,
       {_NAME.format("c.relname")}, quote_ident(w.rolname), c.relacl, ''
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles w ON w.oid = c.relowner
WHERE {_OURS} AND c.relkind IN ('r', 'v', 'm', 'S', 'g')"""
_COLUMNS = f"""
SELECT c.oid, 'TABLE', {_NAME.format("c.relname")}, quote_ident(w.rolname), a.attacl, quote_ident(a.attname)
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles w ON w.oid = c.relowner
WHERE {_OURS} AND a.attacl IS NOT NULL"""
_SCHEMAS = f"""
SELECT n.oid, 'SCHEMA', quote_ident(n.nspname), quote_ident(w.rolname), n.nspacl, ''
FROM pg_namespace n JOIN pg_roles w ON w.oid = n.nspowner WHERE {_OURS}"""
_TYPES = f"""
SELECT t.oid, 'TYPE', {_NAME.format("t.typname")}, quote_ident(w.rolname), t.typacl, ''
FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace JOIN pg_roles w ON w.oid = t.typowner
WHERE {_OURS} AND t.typtype IN ('e', 'd')"""
_WORDS = {"r": "TABLE", "v": "VIEW", "m": "MATERIALIZED VIEW", "S": "SEQUENCE", "g": "PROPERTY GRAPH"}
_OWNED = f"""
SELECT c.oid, c.relkind, {_NAME.format("c.relname")}, quote_ident(w.rolname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles w ON w.oid = c.relowner
LEFT JOIN pg_depend d ON d.objid = c.oid AND d.classid = 'pg_class'::regclass AND c.relkind = 'S'
    AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
WHERE {_OURS} AND c.relowner <> {_BOOTSTRAP} AND c.relkind IN ('r', 'v', 'm', 'S', 'g') AND d.objid IS NULL
ORDER BY 3"""
_OWNED_SCHEMAS = f"""
SELECT n.oid, 'SCHEMA', quote_ident(n.nspname), quote_ident(w.rolname)
FROM pg_namespace n JOIN pg_roles w ON w.oid = n.nspowner
WHERE {_OURS} AND n.nspowner <> {_BOOTSTRAP} AND n.nspname <> 'public' ORDER BY 3"""
_OWNED_TYPES = f"""
SELECT t.oid, CASE t.typtype WHEN 'd' THEN 'DOMAIN' ELSE 'TYPE' END, {_NAME.format("t.typname")}, quote_ident(w.rolname)
FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace JOIN pg_roles w ON w.oid = t.typowner
WHERE {_OURS} AND t.typtype IN ('e', 'd') AND t.typowner <> {_BOOTSTRAP} ORDER BY 3"""
_USUAL_PUBLIC = {
    "GRANT USAGE ON SCHEMA public TO PUBLIC;",
    "GRANT CREATE, USAGE ON SCHEMA public TO pg_database_owner;",
}
"""What a new database's schema public comes with."""
_DEFAULTS = """
SELECT quote_ident(o.rolname), quote_ident(n.nspname), d.defaclobjtype, coalesce(quote_ident(g.rolname), 'PUBLIC'),
       x.privilege_type, x.is_grantable, x.grantee = d.defaclrole
FROM pg_default_acl d JOIN pg_roles o ON o.oid = d.defaclrole
LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace, aclexplode(d.defaclacl) AS x
LEFT JOIN pg_roles g ON g.oid = x.grantee
ORDER BY 1, 2, 3, 4, 5"""
_DEFAULT_KINDS = {"r": "TABLES", "S": "SEQUENCES", "f": "FUNCTIONS", "T": "TYPES", "n": "SCHEMAS"}


def roles(ask: Ask) -> Iterator[str]:
    """The cluster's roles, with passwords (their verifiers), memberships and settings."""
    for name, *flags, limit, password, until in ask(_ROLES):
        words = [word if flag else f"NO{word}" for word, flag in zip(_FLAGS, flags, strict=True)]
        words += [f"CONNECTION LIMIT {limit}"] if limit >= 0 else []
        words += [f"PASSWORD {password}"] if password is not None else []
        words += [f"VALID UNTIL {until}"] if until is not None else []
        yield f"CREATE ROLE {name} {' '.join(words)};"
    for group, member, admin in ask(_MEMBERS):
        yield f"GRANT {group} TO {member}{' WITH ADMIN OPTION' if admin else ''};"
    for name, settings in ask(_ROLE_SETTINGS):
        for setting in settings:
            key, _, value = setting.partition("=")
            yield f"ALTER ROLE {name} SET {key} TO {_setting(key, value)};"


_LISTS = ("search_path", "datestyle", "temp_tablespaces", "session_preload_libraries")


def _setting(name: str, value: str) -> str:
    """A setting's value: lists are kept as they are written, quotes and all."""
    if name.lower() in _LISTS and value:
        return value
    return "'" + value.replace("'", "''") + "'"


def rights(ask: Ask, contents: Contents, is_choice: bool, with_graphs: bool) -> Iterator[str]:
    """Owners and rights of what is dumped; of a choice of tables only theirs."""
    lines = _all_rights(ask, contents, is_choice)
    yield from lines if with_graphs else (line for line in lines if " PROPERTY GRAPH " not in line)


def _all_rights(ask: Ask, contents: Contents, is_choice: bool) -> Iterator[str]:
    chosen = (
        {each.oid for each in (*contents.tables, *contents.views, *contents.sequences)} if is_choice else None
    )
    yield from _owners(ask, chosen)
    sources = [_CLASSES, _COLUMNS] if is_choice else [_SCHEMAS, _TYPES, _CLASSES, _COLUMNS]
    for source in sources:
        yield from _grants(ask(_GRANTS.format(objects=source)), chosen, source is _COLUMNS)
    if not is_choice:
        yield from _defaults(ask(_DEFAULTS))


def _owners(ask: Ask, chosen: Collection[int] | None) -> Iterator[str]:
    queries = (_OWNED,) if chosen is not None else (_OWNED_SCHEMAS, _OWNED_TYPES, _OWNED)
    for query in queries:
        for oid, kind, name, owner in ask(query):
            if chosen is None or oid in chosen:
                yield f"ALTER {_WORDS.get(kind, kind)} {name} OWNER TO {owner};"


def _grants(rows: Rows, chosen: Collection[int] | None, is_columns: bool) -> Iterator[str]:
    objects: dict[tuple[str, str], list[tuple[Any, ...]]] = {}
    for row in rows:
        if chosen is None or row[0] in chosen:
            objects.setdefault((row[1], row[2]), []).append(row)
    for (kind, name), items in sorted(objects.items()):
        statements = list(_of_object(kind, name, items))
        if name == "public" and set(statements[1:]) == _USUAL_PUBLIC:
            continue
        yield from (
            statements
            if not is_columns
            else [line for line in statements if line.startswith(("GRANT", "SET"))]
        )


def _of_object(kind: str, name: str, items: list[tuple[Any, ...]]) -> Iterator[str]:
    """What makes an object's rights out of the usual ones: all are taken back, then granted one by one."""
    owner = items[0][3]
    yield f"REVOKE ALL ON {kind} {name} FROM PUBLIC, {owner};"
    grouped: dict[tuple[str, str, bool], list[str]] = {}
    for _, _, _, _, grantee, grantor, privilege, is_grantable, part in items:
        shown = f"{privilege} ({part})" if part else privilege
        grouped.setdefault((grantor, grantee, is_grantable), []).append(shown)
    for (grantor, grantee, is_grantable), privileges in sorted(
        grouped.items(), key=lambda i: (i[0][0] != owner, i)
    ):
        option = " WITH GRANT OPTION" if is_grantable else ""
        grant = f"GRANT {', '.join(sorted(privileges))} ON {kind} {name} TO {grantee}{option};"
        if grantor == owner:
            yield grant
        else:
            yield f"SET SESSION AUTHORIZATION {grantor};"
            yield grant
            yield "SET SESSION AUTHORIZATION DEFAULT;"


def _defaults(rows: Rows) -> Iterator[str]:
    places: dict[tuple[str, str | None, str], list[tuple[Any, ...]]] = {}
    for row in rows:
        places.setdefault(row[:3], []).append(row)
    for (role, schema, kind), items in places.items():
        where = f"ALTER DEFAULT PRIVILEGES FOR ROLE {role}{f' IN SCHEMA {schema}' if schema else ''}"
        objects = _DEFAULT_KINDS[kind]
        if schema is None:
            yield f"{where} REVOKE ALL ON {objects} FROM PUBLIC, {role};"
        for _, _, _, grantee, privilege, is_grantable, _ in items:
            yield f"{where} GRANT {privilege} ON {objects} TO {grantee}{' WITH GRANT OPTION' if is_grantable else ''};"
