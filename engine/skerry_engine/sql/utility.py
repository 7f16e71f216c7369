"""Every statement that is no query: which reader takes it, by its first words.

    utility_session   transactions, settings, prepared statements, cursors, notifications, LOCK
    utility_objects   databases, schemas, sequences, roles, privileges, comments, DROP, maintenance, EXPLAIN
    ddl_syntax        CREATE TABLE, INDEX, VIEW            alter_syntax   ALTER and RENAME
    type_definition_syntax   CREATE and ALTER TYPE, DOMAIN
    copy_syntax       COPY                                 graph_syntax   CREATE and ALTER PROPERTY GRAPH

What PostgreSQL knows and Skerry refuses comes back as `NotSupported`; what neither knows is a syntax error.
"""

from __future__ import annotations

from collections.abc import Callable

from skerry_engine.sql import statements as st
from skerry_engine.sql.copy_syntax import CopyParser
from skerry_engine.sql.graph_syntax import GraphParser
from skerry_engine.sql.lexer import WORD
from skerry_engine.sql.normalise import Normalised
from skerry_engine.sql.type_definition_syntax import TypeParser
from skerry_engine.sql.utility_objects import ObjectParser
from skerry_engine.sql.utility_session import SessionParser

_REFUSED_STATEMENTS = {
    "do": "DO",
    "call": "CALL",
    "import": "IMPORT FOREIGN SCHEMA",
    "security": "SECURITY LABEL",
    "load": "LOAD",
}
_CREATE_REFUSED = frozenset(
    """access aggregate cast collation constraint conversion default event foreign function language
    operator policy procedure publication rule server statistics subscription tablespace text
    transform trigger""".split()
)
_ALTER_REFUSED = _CREATE_REFUSED | {"extension", "large", "routine", "system"}


class UtilityParser(SessionParser, CopyParser, GraphParser, TypeParser, ObjectParser):
    """Reads one utility statement."""

    def __init__(self, source: Normalised) -> None:
        super().__init__(source)
        self.readers: dict[str, Callable[[], st.Statement]] = {
            **self.session_readers(),
            "copy": self.copy,
            "create": self.create,
            "alter": self.alter,
            "drop": self.drop,
            "comment": self.comment,
            "grant": self.grant,
            "revoke": self.revoke,
            "truncate": self.truncate,
            "vacuum": self.vacuum,
            "analyze": self.analyze,
            "analyse": self.analyze,
            "reindex": self.reindex,
            "refresh": self.refresh_materialized_view,
            "cluster": self.cluster,
            "checkpoint": self.checkpoint,
            "reassign": self.reassign_owned,
            "backup": self.backup,
            "explain": self.explain,
        }

    def whole_statement(self) -> st.Statement:
        """The statement, which must be all there is."""
        statement = self.statement()
        self.accept(";")
        self.expect_end()
        return statement

    def statement(self) -> st.Statement:
        word = self.word()
        reader = self.readers.get(word)
        if reader is not None:
            self.index += 1
            return reader()
        if word in _REFUSED_STATEMENTS:
            return self.not_supported(_REFUSED_STATEMENTS[word])
        raise self.error()

    def create(self) -> st.Statement:
        """CREATE behind the word itself."""
        or_replace = self.accept_phrase("or", "replace")
        if self.accept_word("unique"):
            self.expect_word("index")
            return self.create_index(unique=True)
        if self.accept_word("index"):
            return self.create_index(unique=False)
        persistence = self.persistence()
        word = self.word()
        if word == "recursive":
            return self.not_supported("CREATE RECURSIVE VIEW")
        if self.accept_word("view"):
            return self.create_view(persistence, or_replace)
        if not or_replace and persistence != "t" and self.accept_words("materialized", "view"):
            if persistence == "u":
                raise self.unsupported("UNLOGGED MATERIALIZED VIEW")
            return self.create_materialized_view()
        if not or_replace and self.accept_words("property", "graph"):
            return self.create_property_graph(persistence)
        if or_replace or (persistence != "p" and word not in ("table", "sequence")):
            return self.refused_create(word)
        if word in ("role", "group") or (word == "user" and self.word_at(1) != "mapping"):
            return self.role_statement(is_alter=False)
        self.index += 1
        if word == "table":
            return self.create_table(persistence)
        if word == "sequence":
            return self.create_sequence(persistence)
        if word == "database":
            return self.create_database()
        if word == "schema":
            return self.create_schema()
        if word == "extension":
            return self.create_extension()
        if word == "type":
            return self.create_type()
        if word == "domain":
            return self.create_domain()
        self.index -= 1
        return self.refused_create(word)

    def refused_create(self, word: str) -> st.Statement:
        if word in _CREATE_REFUSED or word in ("user", "trusted", "procedural", "property"):
            return self.refused_object("CREATE")
        raise self.error()

    def alter(self) -> st.Statement:
        """ALTER behind the word itself."""
        word = self.word()
        if word in ("role", "group") or (word == "user" and self.word_at(1) != "mapping"):
            return self.alter_role()
        if word == "default" and self.word_at(1) == "privileges":
            return self.alter_default_privileges()
        if word in ("table", "view", "index", "sequence"):
            self.index += 1
            return self.alter_relation(word)
        if word in ("database", "schema"):
            self.index += 1
            return self.alter_database() if word == "database" else self.alter_named(word)
        if self.accept_words("property", "graph"):
            return self.alter_property_graph()
        if self.accept_word("type"):
            return self.alter_type()
        if self.accept_word("domain"):
            return self.alter_domain()
        if self.accept_words("materialized", "view"):
            return self.alter_relation("materialized view")
        if word in _ALTER_REFUSED or word == "user":
            return self.refused_object("ALTER")
        if self.kind() != WORD:
            raise self.error()
        raise self.error()

    def alter_database(self) -> st.Statement:
        name = self.object_name()
        shared = self.shared_alteration("database", name, False)
        if shared is not None:
            return shared
        if self.accept_word("set"):
            if self.word() == "tablespace":
                return self.not_supported("ALTER DATABASE SET TABLESPACE")
            setting = self.set_rest(False)
            if isinstance(setting, st.SetSetting):
                return st.AlterDatabase(name.name, setting)
            return self.not_supported("ALTER DATABASE ... SET of this kind")
        if self.accept_word("reset"):
            reset = self.reset()
            assert isinstance(reset, st.ResetSetting)
            return st.AlterDatabase(name.name, reset)
        self.accept_word("with")
        return st.AlterDatabase(name.name, None, self.database_options())

    def alter_role(self) -> st.Statement:
        start = self.index
        self.label()
        is_all = self.word() == "all"
        name = self.role_name_or_all()
        if self.word() in ("set", "reset", "in"):
            return self.role_setting(None if is_all else name)
        self.index = start
        return self.role_statement(is_alter=True)

    def role_name_or_all(self) -> str:
        return "all" if self.accept_word("all") else self.role_name()

    def role_setting(self, name: str | None) -> st.Statement:
        """[IN DATABASE name] SET ... or RESET ..."""
        database = self.name() if self.accept_words("in", "database") else None
        if self.accept_word("set"):
            setting: st.Statement = self.set_rest(False)
        elif self.accept_word("reset"):
            setting = self.reset()
        else:
            raise self.error()
        if not isinstance(setting, (st.SetSetting, st.ResetSetting)):
            return self.not_supported("ALTER ROLE ... SET of this kind")
        return st.AlterRoleSetting(name, database, setting)

    def alter_named(self, kind: str) -> st.Statement:
        """ALTER SCHEMA: RENAME and OWNER TO only."""
        name = self.object_name()
        shared = self.shared_alteration(kind, name, False)
        if shared is None:
            raise self.error()
        return shared
