"""ALTER TABLE, INDEX, VIEW and SEQUENCE, and the forms that all objects share: RENAME, OWNER TO,
SET SCHEMA."""

from __future__ import annotations

from skerry_engine.sql import statements as st
from skerry_engine.sql.ddl_syntax import DefinitionParser
from skerry_engine.sql.types_syntax import parse_type

_REFUSED_ACTIONS = frozenset(
    ("inherit", "attach", "detach", "enable", "disable", "force", "of", "replica", "options")
)


class AlterParser(DefinitionParser):
    """Reads ALTER of relations and the shared forms."""

    def alter_relation(self, kind: str) -> st.Statement:
        """ALTER TABLE, VIEW, INDEX or SEQUENCE behind that word."""
        if self.accept_words("all", "in", "tablespace"):
            return self.not_supported(f"ALTER {kind.upper()} ALL IN TABLESPACE")
        if_exists = self.accept_if_exists()
        only = kind == "table" and self.accept_word("only")
        name = self.object_name()
        self.accept_operator("*")
        shared = self.shared_alteration(kind, name, if_exists)
        if shared is not None:
            return shared
        if kind == "sequence" and self.word() != "set":
            return st.AlterSequence(name, self.sequence_options(), if_exists)
        actions = [self.alter_action()]
        while self.accept(","):
            actions.append(self.alter_action())
        return st.AlterTable(name, tuple(actions), kind, if_exists, only)

    def shared_alteration(self, kind: str, name: st.ObjectName, if_exists: bool) -> st.Statement | None:
        """RENAME, OWNER TO, SET SCHEMA; None when another action follows."""
        if self.accept_word("rename"):
            return self.rename(kind, name, if_exists)
        if self.accept_words("owner", "to"):
            return st.SetOwner(kind, name, self.role_name(), if_exists)
        if self.accept_words("set", "schema"):
            return st.SetSchema(kind, name, self.name(), if_exists)
        return None

    def rename(self, kind: str, name: st.ObjectName, if_exists: bool) -> st.Statement:
        if self.accept_word("to"):
            return st.Rename(kind, name, self.name(), if_exists=if_exists)
        part = "constraint" if self.accept_word("constraint") else "column"
        if part == "column":
            self.accept_word("column")
        old_name = self.name()
        self.expect_word("to")
        return st.Rename(kind, name, self.name(), part, old_name, if_exists)

    def alter_action(self) -> st.AlterAction:
        """One action of ALTER TABLE."""
        word = self.word()
        self.index += 1
        if word == "add":
            return self.add_action()
        if word == "drop":
            return self.drop_action()
        if word == "alter":
            if self.accept_word("constraint"):
                return self.alter_constraint()
            self.accept_word("column")
            return self.alter_column()
        if word == "validate":
            self.expect_word("constraint")
            return st.ValidateConstraint(self.name())
        if (
            word in _REFUSED_ACTIONS
            or (word == "no" and self.word() in ("inherit", "force"))
            or word == "not"
        ):
            raise self.unsupported(f"ALTER TABLE ... {word.upper()}", self.index - 1)
        if word == "cluster":
            self.expect_word("on")
            return st.ColumnTuning(None, "cluster on", self.name())
        if word in ("set", "reset"):
            return self.set_table_option(word)
        raise self.error(self.index - 1)

    def add_action(self) -> st.AlterAction:
        if self.word() in ("constraint", "check", "unique", "primary", "foreign", "exclude"):
            return st.AddConstraint(self.table_constraint())
        self.accept_word("column")
        if_not_exists = self.accept_if_not_exists()
        return st.AddColumn(self.column_definition(), if_not_exists)

    def drop_action(self) -> st.AlterAction:
        is_constraint = self.accept_word("constraint")
        if not is_constraint:
            self.accept_word("column")
        if_exists = self.accept_if_exists()
        name = self.name()
        cascade = self.accept_cascade()
        if is_constraint:
            return st.DropConstraint(name, if_exists, cascade)
        return st.DropColumn(name, if_exists, cascade)

    def alter_constraint(self) -> st.AlterAction:
        name = self.name()
        marked = self.constraint_attributes(st.ConstraintDefinition("foreign", name), in_column=True)
        return st.AlterConstraint(name, marked.deferrable, marked.initially_deferred)

    def alter_column(self) -> st.AlterAction:
        name = self.name()
        if self.accept_words("set", "data", "type") or self.accept_word("type"):
            return self.alter_column_type(name)
        if self.accept_words("set", "default"):
            begin = self.index
            tree = self.expression()
            return st.SetDefault(name, st.SourceExpression(self.source(begin), tree))
        if self.word() == "drop":
            return self.drop_from_column(name)
        if self.accept_words("set", "not", "null"):
            return st.SetNotNull(name, True)
        if self.accept_word("add"):
            return self.add_identity(name)
        return self.alter_column_option(name)

    def drop_from_column(self, name: str) -> st.AlterAction:
        self.index += 1
        if self.accept_word("default"):
            return st.SetDefault(name, None)
        if self.accept_phrase("not", "null"):
            return st.SetNotNull(name, False)
        if self.accept_word("identity"):
            return st.DropIdentity(name, self.accept_if_exists())
        if self.word() == "expression":
            self.index += 1
            return st.DropExpression(name, self.accept_if_exists())
        raise self.error()

    def alter_column_type(self, name: str) -> st.AlterAction:
        type_name = parse_type(self)
        collation = self.object_name() if self.accept_word("collate") else None
        using = self.source_expression() if self.accept_word("using") else None
        return st.AlterColumnType(name, type_name, collation, using)

    def add_identity(self, name: str) -> st.AlterAction:
        self.expect_word("generated")
        identity = self.generated_when()
        self.expect_word("as", "identity")
        options = st.SequenceOptions()
        if self.accept("("):
            options = self.sequence_options(in_parentheses=True)
        return st.AddIdentity(name, identity, options)

    def alter_column_option(self, name: str) -> st.AlterAction:
        """SET GENERATED, SET sequence option, RESTART; SET STATISTICS and other advice."""
        if self.word() == "restart" or (self.word() == "set" and self.is_identity_option()):
            return self.set_identity(name)
        word = self.accept_one_of("set", "reset")
        if not word:
            raise self.error()
        if self.at("("):
            begin = self.index
            self.option_list()
            return st.ColumnTuning(name, word, self.source(begin))
        what = self.accept_one_of("statistics", "storage", "compression")
        if not what:
            raise self.error()
        value = str(self.signed_integer()) if what == "statistics" else self.label()
        return st.ColumnTuning(name, what, value)

    def is_identity_option(self) -> bool:
        return self.word_at(1) in (
            "generated", "increment", "minvalue", "maxvalue", "no", "start", "restart", "cache", "cycle",
            "sequence",
        )  # fmt: skip

    def set_identity(self, name: str) -> st.AlterAction:
        identity = ""
        found: dict[str, object] = {}
        while self.word() in ("set", "restart"):
            if self.accept_words("set", "generated"):
                identity = self.generated_when()
                continue
            self.accept_word("set")
            if not self.sequence_option(found):
                raise self.error()
        return st.SetIdentity(name, identity, st.SequenceOptions(**found))  # type: ignore[arg-type]

    def set_table_option(self, word: str) -> st.AlterAction:
        """SET (...), RESET (...), SET WITHOUT CLUSTER, SET LOGGED, ...: storage advice."""
        if self.at("("):
            begin = self.index
            self.option_list()
            return st.ColumnTuning(None, word, self.source(begin))
        if self.accept_words("without", "cluster") or self.accept_words("without", "oids"):
            return st.ColumnTuning(None, "set without", self.values[self.index - 1])
        raise self.unsupported(f"ALTER TABLE ... SET {self.word().upper()}")
