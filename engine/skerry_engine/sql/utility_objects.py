"""Databases, schemas, sequences, roles, privileges, comments, DROP, and the maintenance statements."""

from __future__ import annotations

from skerry_engine.errors import SyntaxError
from skerry_engine.sql import statements as st
from skerry_engine.sql.lexer import STRING, WORD
from skerry_engine.sql.types_syntax import parse_type
from skerry_engine.sql.utility_base import UtilityBase

_DROP_KINDS = (
    ("table",),
    ("view",),
    ("materialized", "view"),
    ("index",),
    ("sequence",),
    ("schema",),
    ("type",),
    ("domain",),
    ("collation",),
    ("conversion",),
    ("statistics",),
    ("foreign", "table"),
    ("extension",),
    ("property", "graph"),
)
_COMMENT_KINDS = (
    *_DROP_KINDS,
    ("column",),
    ("database",),
    ("role",),
    ("tablespace",),
)
_REFUSED_COMMENT_KINDS = frozenset(
    """access aggregate cast event function language large operator policy procedure publication routine
    rule server subscription text transform trigger""".split()
)
_DROP_REFUSED = frozenset(
    """access aggregate cast event function language operator owned policy procedure publication routine rule
    server subscription tablespace text transform trigger user""".split()
)
_PRIVILEGE_OBJECTS = (
    ("property", "graph"),
    ("graph",),
    ("table",),
    ("sequence",),
    ("database",),
    ("schema",),
    ("function",),
    ("procedure",),
    ("routine",),
    ("type",),
    ("domain",),
    ("language",),
    ("tablespace",),
)
_ROLE_FLAGS = frozenset(
    ("superuser", "createdb", "createrole", "inherit", "login", "replication", "bypassrls")
)


class ObjectParser(UtilityBase):
    """Reads statements about objects that are no tables, and about all objects alike."""

    # --- databases and schemas --------------------------------------------------------------------

    def create_database(self) -> st.Statement:
        name = self.name()
        self.accept_word("with")
        return st.CreateDatabase(name, self.database_options())

    def database_options(self) -> dict[str, str | None]:
        """OWNER = x ENCODING 'y' ...: DEFAULT counts as not given."""
        found: dict[str, str | None] = {}
        while self.kind() == WORD:
            index = self.index
            option = self.non_reserved_word()
            if option == "connection":
                self.expect_word("limit")
                option = "connection_limit"
            self.accept_operator("=")
            if option in found:
                raise self.redundant(index)
            found[option] = None if self.accept_word("default") else self.option_value()
        return found

    def drop_database(self) -> st.Statement:
        if_exists = self.accept_if_exists()
        name = self.name()
        force = False
        if self.accept_word("with") or self.at("("):
            force = any(option.name == "force" for option in self.option_list())
        return st.DropDatabase(name, if_exists, force)

    def create_schema(self) -> st.Statement:
        if_not_exists = self.accept_if_not_exists()
        name = "" if self.word() == "authorization" else self.name()
        owner = self.role_name() if self.accept_word("authorization") else None
        elements: list[st.Statement] = []
        while self.word() in ("create", "grant"):
            if if_not_exists:
                raise self.unsupported("CREATE SCHEMA IF NOT EXISTS with schema elements")
            elements.append(self.statement())
        return st.CreateSchema(name or owner or "", if_not_exists, owner, tuple(elements))

    def create_sequence(self, persistence: str) -> st.Statement:
        if_not_exists = self.accept_if_not_exists()
        name = self.object_name()
        return st.CreateSequence(name, self.sequence_options(), if_not_exists, persistence)

    def create_extension(self) -> st.Statement:
        if_not_exists = self.accept_if_not_exists()
        name = self.name()
        self.accept_word("with")
        schema: str | None = None
        while self.word() in ("schema", "version", "cascade"):
            word = self.label()
            if word == "schema":
                schema = self.name()
            elif word == "version":
                self.option_value()
        return st.CreateExtension(name, if_not_exists, schema)

    # --- DROP -------------------------------------------------------------------------------------

    def drop(self) -> st.Statement:
        """DROP behind the word itself."""
        if self.accept_word("database"):
            return self.drop_database()
        if self.accept_words("owned", "by"):
            return st.DropOwned(self.grantees(), self.accept_cascade())
        if self.word() in ("role", "user", "group") and self.word_at(1) not in ("mapping",):
            return self.drop_role()
        kind = self.object_kind(_DROP_KINDS)
        if not kind:
            if self.word() not in _DROP_REFUSED:
                raise self.error()
            return self.refused_object("DROP")
        concurrently = kind == "index" and self.accept_word("concurrently")
        if_exists = self.accept_if_exists()
        names = self.object_names()
        return st.Drop(kind, names, if_exists, self.accept_cascade(), concurrently)

    def object_kind(self, kinds: tuple[tuple[str, ...], ...]) -> str:
        """The kind of object that is named next; '' for none of these."""
        for words in kinds:
            if self.accept_words(*words):
                return " ".join(words)
        return ""

    def refused_object(self, verb: str) -> st.Statement:
        """CREATE, ALTER or DROP of what Skerry does not have, by the words that name it."""
        if self.kind() != WORD:
            raise self.error()
        what = self.word()
        two_words = ("event", "foreign", "access", "text", "user", "materialized", "large", "constraint")
        if what in two_words and self.word_at(1):
            what += " " + self.word_at(1)
        return self.not_supported(f"{verb} {what.upper()}")

    # --- roles and privileges ---------------------------------------------------------------------

    def role_statement(self, is_alter: bool) -> st.Statement:
        """CREATE or ALTER ROLE, USER or GROUP; that word is next."""
        kind = self.label()
        name = self.role_name()
        if is_alter and self.word() == "rename":
            self.index += 1
            self.expect_word("to")
            return st.Rename("role", st.ObjectName((name,)), self.role_name())
        if is_alter and kind == "group":
            return self.group_members(name)
        self.accept_word("with")
        lists: dict[str, tuple[str, ...]] = {}
        return st.CreateRole(name, self.role_options(lists, is_alter), kind, is_alter, lists)

    def group_members(self, name: str) -> st.Statement:
        """ALTER GROUP name ADD or DROP USER names."""
        is_grant = self.accept_word("add")
        if not is_grant:
            self.expect_word("drop")
        self.expect_word("user")
        return st.Grant(is_grant, ((name, ()),), "group", (), self.grantees())

    def role_options(self, lists: dict[str, tuple[str, ...]], is_alter: bool) -> dict[str, str | None]:
        found: dict[str, str | None] = {}
        while self.kind() == WORD:
            word = self.word()
            self.index += 1
            plain = word[2:] if word.startswith("no") and word[2:] in _ROLE_FLAGS else word
            if {"connection": "connection_limit", "valid": "valid_until"}.get(plain, plain) in found:
                raise self.redundant(self.index - 1)
            if word in _ROLE_FLAGS:
                found[word] = "true"
            elif word.startswith("no") and word[2:] in _ROLE_FLAGS:
                found[word[2:]] = "false"
            elif word in ("encrypted", "unencrypted") and self.word() == "password":
                continue
            elif word == "password":
                found[word] = None if self.accept_word("null") else self.string()
            elif word == "connection":
                self.expect_word("limit")
                found["connection_limit"] = str(self.signed_integer())
            elif word == "valid":
                self.expect_word("until")
                found["valid_until"] = self.string()
            elif word in ("in", "role", "admin", "user") and not is_alter:
                self.role_list(word, lists)
            elif word == "sysid":
                self.signed_integer()
            else:
                raise SyntaxError(
                    f'unrecognized role option "{word}"', position=self.tokens.starts[self.index - 1] + 1
                )
        return found

    def role_list(self, word: str, lists: dict[str, tuple[str, ...]]) -> None:
        """IN ROLE, ROLE, ADMIN and their older words."""
        if word == "in" and not self.accept_one_of("role", "group"):
            raise self.error()
        key = {"in": "in_role", "user": "role"}.get(word, word)
        if key in lists:
            raise self.redundant(self.index - 1)
        lists[key] = self.grantees()

    def drop_role(self) -> st.Statement:
        kind = self.label()
        if_exists = self.accept_if_exists()
        names = [self.role_name()]
        while self.accept(","):
            names.append(self.role_name())
        return st.DropRole(tuple(names), if_exists, kind)

    def grant(self) -> st.Statement:
        return self.privileges(True)

    def revoke(self) -> st.Statement:
        return self.privileges(False)

    def privileges(self, is_grant: bool) -> st.Statement:
        option = False
        if not is_grant:
            option = self.accept_words("grant", "option", "for") or self.accept_words(
                "admin", "option", "for"
            )
        granted = self.privilege_list()
        preposition = "to" if is_grant else "from"
        if self.accept_word(preposition):
            grantees = self.grantees()
            option = self.accept_words("with", "admin", "option") or option
            if self.accept_words("granted", "by"):
                self.role_name()
            return st.Grant(is_grant, granted, "role", (), grantees, option, cascade=self.accept_cascade())
        self.expect_word("on")
        kind, names, all_in_schema = self.privilege_target()
        self.expect_word(preposition)
        grantees = self.grantees()
        option = self.accept_words("with", "grant", "option") or option
        if self.accept_words("granted", "by"):
            self.role_name()
        cascade = self.accept_cascade()
        return st.Grant(is_grant, granted, kind, names, grantees, option, all_in_schema, cascade)

    def privilege(self) -> tuple[str, tuple[str, ...]]:
        name = self.label()
        return name, self.names_in_parentheses() if self.at("(") else ()

    def privilege_target(self) -> tuple[str, tuple[st.ObjectName, ...], bool]:
        """(kind, names, whether the names are schemas whose objects are all meant)."""
        if self.accept_word("all"):
            kind = self.label().removesuffix("s")
            self.expect_word("in", "schema")
            return kind, self.object_names(), True
        kind = self.object_kind(_PRIVILEGE_OBJECTS) or "table"
        if kind in ("function", "procedure", "routine"):
            raise self.unsupported(f"privileges on a {kind}")
        return kind, self.object_names(), False

    def alter_default_privileges(self) -> st.Statement:
        """ALTER DEFAULT PRIVILEGES [FOR ROLE roles] [IN SCHEMA schemas] GRANT or REVOKE ..."""
        self.index += 2
        roles: tuple[str, ...] = ()
        schemas: tuple[str, ...] = ()
        while True:
            if self.accept_word("for"):
                if not self.accept_one_of("role", "user"):
                    raise self.error()
                roles = self.grantees()
            elif self.accept_words("in", "schema"):
                schemas = tuple(name.name for name in self.object_names())
            else:
                return st.AlterDefaultPrivileges(roles, schemas, self.default_action())

    def default_action(self) -> st.Grant:
        is_grant = self.accept_word("grant")
        if not is_grant:
            self.expect_word("revoke")
        option = not is_grant and self.accept_words("grant", "option", "for")
        granted = self.privilege_list()
        self.expect_word("on")
        kind = self.accept_one_of("tables", "sequences", "functions", "routines", "types", "schemas")
        if not kind:
            raise self.error()
        self.expect_word("to" if is_grant else "from")
        grantees = self.grantees()
        option = self.accept_words("with", "grant", "option") or option
        cascade = self.accept_cascade()
        return st.Grant(is_grant, granted, kind.removesuffix("s"), (), grantees, option, False, cascade)

    def privilege_list(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Privileges with their columns; () for ALL."""
        if self.accept_word("all"):
            self.accept_word("privileges")
            return (("all", self.names_in_parentheses()),) if self.at("(") else ()
        granted = [self.privilege()]
        while self.accept(","):
            granted.append(self.privilege())
        return tuple(granted)

    def reassign_owned(self) -> st.Statement:
        self.expect_word("owned", "by")
        roles = self.grantees()
        self.expect_word("to")
        return st.ReassignOwned(roles, self.role_name())

    def grantees(self) -> tuple[str, ...]:
        found: list[str] = []
        while True:
            self.accept_word("group")
            found.append(self.role_name())
            if not self.accept(","):
                return tuple(found)

    # --- COMMENT ----------------------------------------------------------------------------------

    def comment(self) -> st.Statement:
        self.expect_word("on")
        if self.accept_word("constraint"):
            name = self.object_name()
            self.expect_word("on")
            kind = "domain constraint" if self.accept_word("domain") else "constraint"
            on = self.object_name()
            return st.Comment(kind, name, self.comment_text(), on)
        if self.word() in _REFUSED_COMMENT_KINDS:
            return self.refused_object("COMMENT ON")
        kind = self.object_kind(_COMMENT_KINDS)
        if not kind:
            raise self.error()
        if kind in ("type", "domain"):
            position = self.position()
            return st.Comment(kind, st.ObjectName(parse_type(self).names, position), self.comment_text())
        return st.Comment(kind, self.dotted_name(), self.comment_text())

    def comment_text(self) -> str | None:
        self.expect_word("is")
        return None if self.accept_word("null") else self.string()

    # --- maintenance ------------------------------------------------------------------------------

    def truncate(self) -> st.Statement:
        self.accept_word("table")
        tables = self.relation_names()
        restart = False
        if self.accept_phrase("restart", "identity"):
            restart = True
        else:
            self.accept_phrase("continue", "identity")
        return st.Truncate(tables, restart, self.accept_cascade())

    def vacuum(self) -> st.Statement:
        options = self.flag_options()
        if not options:
            for word in ("full", "freeze", "verbose", "analyze"):
                if self.accept_word(word) or (word == "analyze" and self.accept_word("analyse")):
                    options[word] = "true"
        return st.Vacuum(self.maintained_tables(), options)

    def analyze(self) -> st.Statement:
        options = self.flag_options()
        if not options and self.accept_word("verbose"):
            options["verbose"] = "true"
        return st.Vacuum(self.maintained_tables(), options, is_analyze=True)

    def flag_options(self) -> dict[str, str]:
        """(option [value], ...) with missing values as 'true'."""
        if not self.at("("):
            return {}
        return {
            option.name: option.value if isinstance(option.value, str) else "true"
            for option in self.option_list()
        }

    def maintained_tables(self) -> tuple[st.MaintainedTable, ...]:
        if self.at_end() or self.at(";"):
            return ()
        found: list[st.MaintainedTable] = []
        while True:
            name = self.object_name()
            found.append(st.MaintainedTable(name, self.names_in_parentheses() if self.at("(") else ()))
            if not self.accept(","):
                return tuple(found)

    def reindex(self) -> st.Statement:
        self.flag_options()
        kind = self.accept_one_of("index", "table", "schema", "database", "system")
        if not kind:
            raise self.error()
        concurrently = self.accept_word("concurrently")
        return st.Reindex(kind, self.object_name(), concurrently)

    def cluster(self) -> st.Statement:
        self.accept_word("verbose")
        if self.at_end() or self.at(";"):
            return st.Cluster()
        table = self.object_name()
        return st.Cluster(table, self.name() if self.accept_word("using") else None)

    def checkpoint(self) -> st.Statement:
        return st.Checkpoint()

    def backup(self) -> st.Statement:
        self.expect_word("to")
        return st.Backup(self.string())

    def explain(self) -> st.Statement:
        """EXPLAIN [ANALYZE] [VERBOSE] or (options), and the statement to explain."""
        options: dict[str, str] = {}
        if (
            self.at("(")
            and self.word_at(1) not in ("select", "with", "values", "table")
            and not self.at("(", 1)
        ):
            options = {name: value.lower() for name, value in self.flag_options().items()}
            if "analyse" in options:
                options["analyze"] = options.pop("analyse")
        else:
            if self.accept_one_of("analyze", "analyse"):
                options["analyze"] = "true"
            if self.accept_word("verbose"):
                options["verbose"] = "true"
        return st.Explain(options, self.explained())

    def explained(self) -> st.Statement:
        word = self.word()
        if word in ("create", "execute", "declare", "refresh"):
            return self.statement()
        if self.kind() == STRING or (not word and not self.at("(")):
            raise self.error()
        return self.plan_query(self.last_index())
