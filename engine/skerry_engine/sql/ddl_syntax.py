"""CREATE TABLE, CREATE TABLE AS, CREATE INDEX, CREATE VIEW: the skeleton of definitions, kept without loss.

sqlglot's trees drop parts of these (NULLS NOT DISTINCT, operator classes, constraint attributes), so they
are read into
`statements`; the expressions and queries inside come from the query grammar, each with its source text.
"""

from __future__ import annotations

from dataclasses import replace

from sqlglot import expressions as exp

from skerry_engine.errors import NotSupportedError, SyntaxError
from skerry_engine.sql import statements as st
from skerry_engine.sql.lexer import QUOTED, WORD
from skerry_engine.sql.types_syntax import TypeName, parse_type
from skerry_engine.sql.utility_base import UtilityBase

_SERIAL_TYPES = {
    "serial": ("serial", "int4"),
    "serial4": ("serial", "int4"),
    "bigserial": ("bigserial", "int8"),
    "serial8": ("bigserial", "int8"),
    "smallserial": ("smallserial", "int2"),
    "serial2": ("smallserial", "int2"),
}
_CONSTRAINT_WORDS = frozenset(("constraint", "check", "unique", "primary", "foreign", "exclude"))
_LIKE_OPTIONS = frozenset(
    (
        "all",
        "comments",
        "compression",
        "constraints",
        "defaults",
        "generated",
        "identity",
        "indexes",
        "statistics",
        "storage",
    )
)


class DefinitionParser(UtilityBase):
    """Reads definitions of tables, indexes and views."""

    # --- tables -----------------------------------------------------------------------------------

    def persistence(self) -> str:
        """TEMP, UNLOGGED or nothing, before TABLE, VIEW or SEQUENCE."""
        self.accept_one_of("global", "local")
        if self.accept_one_of("temp", "temporary"):
            return "t"
        return "u" if self.accept_word("unlogged") else "p"

    def create_table(self, persistence: str) -> st.Statement:
        """CREATE TABLE behind the word TABLE."""
        if_not_exists = self.accept_if_not_exists()
        name = self.object_name()
        if self.accept_words("partition", "of"):
            return self.not_supported("PARTITION OF")
        if self.word() == "of":
            return self.not_supported("CREATE TABLE OF")
        if self.word() in ("as", "with", "on", "tablespace", "using") or self.is_column_name_list():
            return self.create_table_as(name, if_not_exists, persistence)
        elements, constraints = self.table_elements()
        if self.accept_word("inherits"):
            self.expect("(")
            return self.not_supported("INHERITS")
        if self.accept_words("partition", "by"):
            return self.not_supported("PARTITION BY")
        options, on_commit, tablespace = self.table_suffixes()
        return st.CreateTable(
            name, elements, constraints, if_not_exists, persistence, on_commit, options, tablespace
        )

    def is_column_name_list(self) -> bool:
        """Whether `(a, b) AS` follows: names without types."""
        return (
            self.at("(")
            and self.kinds[self.index + 1] in (WORD, QUOTED)
            and (self.at(",", 2) or self.at(")", 2))
        )

    def table_elements(
        self,
    ) -> tuple[tuple[st.ColumnDefinition | st.LikeTable, ...], tuple[st.ConstraintDefinition, ...]]:
        """(column | constraint | LIKE table, ...), possibly empty."""
        elements: list[st.ColumnDefinition | st.LikeTable] = []
        constraints: list[st.ConstraintDefinition] = []
        self.expect("(")
        if self.accept(")"):
            return (), ()
        while True:
            if self.word() in _CONSTRAINT_WORDS:
                constraints.append(self.table_constraint())
            elif self.word() == "like":
                elements.append(self.like_table())
            else:
                elements.append(self.column_definition())
            if not self.accept(","):
                break
        self.expect(")")
        return tuple(elements), tuple(constraints)

    def like_table(self) -> st.LikeTable:
        self.index += 1
        table = self.object_name()
        including: set[str] = set()
        while self.word() in ("including", "excluding"):
            adds = self.accept_one_of("including", "excluding") == "including"
            option = self.accept_one_of(*_LIKE_OPTIONS)
            if not option:
                raise self.error()
            named = _LIKE_OPTIONS - {"all"} if option == "all" else {option}
            including = including | named if adds else including - named
        return st.LikeTable(table, frozenset(including))

    def table_suffixes(self) -> tuple[tuple[st.Option, ...], str, str | None]:
        """USING, WITH, ON COMMIT, TABLESPACE."""
        self.table_access_method()
        options: tuple[st.Option, ...] = ()
        if self.accept_words("without", "oids"):
            pass
        elif self.word() == "with" and self.at("(", 1):
            self.index += 1
            options = self.storage_options()
        on_commit = ""
        if self.accept_words("on", "commit"):
            if self.accept_words("delete", "rows"):
                on_commit = "delete rows"
            elif self.accept_word("drop"):
                on_commit = "drop"
            else:
                self.expect_word("preserve", "rows")
        tablespace = self.name() if self.accept_word("tablespace") else None
        return options, on_commit, tablespace

    def table_access_method(self) -> None:
        """USING heap: there is no other."""
        if self.accept_word("using"):
            method = self.name()
            if method != "heap":
                raise NotSupportedError(
                    f'access method "{method}" is not supported', position=self.position()
                )

    def create_table_as(self, name: st.ObjectName, if_not_exists: bool, persistence: str) -> st.Statement:
        columns = self.names_in_parentheses() if self.at("(") else ()
        _options, on_commit, _tablespace = self.table_suffixes()
        self.expect_word("as")
        if self.word() == "execute":
            return self.not_supported("CREATE TABLE AS EXECUTE")
        end = self.last_index()
        with_data = True
        if self.values[end - 2 : end] == ["with", "data"]:
            query = self.plan_query(end - 2)
            self.index += 2
        elif self.values[end - 3 : end] == ["with", "no", "data"]:
            query = self.plan_query(end - 3)
            self.index += 3
            with_data = False
        else:
            query = self.plan_query(end)
        return st.CreateTableAs(name, query, columns, if_not_exists, persistence, on_commit, with_data)

    # --- columns ----------------------------------------------------------------------------------

    def column_definition(self) -> st.ColumnDefinition:
        position = self.position()
        name = self.name()
        written = parse_type(self)
        serial, type_name = self.serial_type(written)
        column = st.ColumnDefinition(name, type_name, position, serial=serial)
        while True:
            changed = self.column_clause(column)
            if changed is None:
                return column
            column = changed

    def serial_type(self, written: TypeName) -> tuple[str, TypeName]:
        """('serial' and its kin or '', the column's type)."""
        if len(written.names) != 1 or written.names[0] not in _SERIAL_TYPES or written.modifiers:
            return "", written
        if written.dimensions:
            raise NotSupportedError("array of serial is not implemented", position=written.position)
        serial, integer = _SERIAL_TYPES[written.names[0]]
        return serial, TypeName(("pg_catalog", integer), position=written.position)

    def column_clause(self, column: st.ColumnDefinition) -> st.ColumnDefinition | None:
        """`column` with one more clause; None when none follows."""
        if self.accept_word("collate"):
            return replace(column, collation=self.object_name())
        if self.word() in ("storage", "compression") and self.kinds[self.index + 1] == WORD:
            self.index += 1
            return replace(column, storage=self.label())
        position = self.position()
        constraint_name = self.name() if self.accept_word("constraint") else None
        word = self.word()
        if word == "not" and self.word_at(1) not in ("deferrable", "valid"):
            self.expect_word("not", "null")
            self.refuse_null_conflict(column, True, position)
            return replace(column, not_null=True, not_null_name=constraint_name or column.not_null_name)
        if self.accept_word("null"):
            self.refuse_null_conflict(column, False, position)
            return replace(column, not_null=False)
        if word == "default":
            self.index += 1
            return self.with_default(column, position)
        if word == "generated":
            self.index += 1
            return self.with_generation(column, position)
        if word in ("check", "unique", "primary", "references"):
            constraint = self.column_constraint(word, column.name, constraint_name, position)
            return replace(column, constraints=(*column.constraints, constraint))
        if constraint_name is not None:
            raise self.error()
        if word in ("deferrable", "initially") or (word == "not" and self.word_at(1) == "deferrable"):
            name = (
                "INITIALLY " + self.word_at(1).upper()
                if word == "initially"
                else self.values[self.index].upper()
            )
            raise SyntaxError(f"misplaced {name.replace('NOT', 'NOT DEFERRABLE')} clause", position=position)
        return None

    def refuse_null_conflict(self, column: st.ColumnDefinition, not_null: bool, position: int) -> None:
        if column.not_null is not None and column.not_null != not_null:
            raise SyntaxError(
                f'conflicting NULL/NOT NULL declarations for column "{column.name}"', position=position
            )

    def with_default(self, column: st.ColumnDefinition, position: int) -> st.ColumnDefinition:
        begin = self.index
        tree = self.restricted_expression()
        if column.default is not None:
            raise SyntaxError(
                f'multiple default values specified for column "{column.name}"', position=position
            )
        return replace(column, default=st.SourceExpression(self.source(begin), tree))

    def with_generation(self, column: st.ColumnDefinition, position: int) -> st.ColumnDefinition:
        """GENERATED ... AS IDENTITY, or AS (expression) STORED."""
        when = self.position()
        identity = self.generated_when()
        self.expect_word("as")
        if self.accept_word("identity"):
            if column.identity:
                raise SyntaxError(
                    f'multiple identity specifications for column "{column.name}"', position=position
                )
            options = st.SequenceOptions()
            if self.accept("("):
                options = self.sequence_options(in_parentheses=True)
            return replace(column, identity=identity, identity_options=options)
        self.expect("(")
        expression = self.source_expression()
        self.expect(")")
        if identity != "a":
            raise SyntaxError("for a generated column, GENERATED ALWAYS must be specified", position=when)
        self.expect_word("stored")
        self.refuse_combination(column, position)
        return replace(column, generated=expression, generated_position=position)

    def refuse_combination(self, column: st.ColumnDefinition, position: int) -> None:
        """A generation expression beside something else that gives the column its values, written before it."""
        if column.generated is not None:
            raise SyntaxError(
                f'multiple generation clauses specified for column "{column.name}"', position=position
            )

    def generated_when(self) -> str:
        """ALWAYS ('a') or BY DEFAULT ('d')."""
        if self.accept_word("always"):
            return "a"
        self.expect_word("by", "default")
        return "d"

    # --- constraints ------------------------------------------------------------------------------

    def column_constraint(
        self, word: str, column: str, name: str | None, position: int
    ) -> st.ConstraintDefinition:
        """A column's own constraint, from its first keyword on."""
        self.index += 1
        if word == "check":
            constraint = self.check(name, position)
        elif word == "references":
            constraint = st.ConstraintDefinition(
                "foreign", name, (column,), references=self.references(), position=position
            )
        else:
            if word == "primary":
                self.expect_word("key")
            distinct = self.nulls_distinct() if word == "unique" else True
            constraint = st.ConstraintDefinition(
                word, name, (column,), nulls_distinct=distinct, position=position
            )
            self.index_parameters()
        return self.constraint_attributes(constraint, in_column=True)

    def table_constraint(self) -> st.ConstraintDefinition:
        position = self.position()
        name = self.name() if self.accept_word("constraint") else None
        word = self.word()
        if word == "exclude":
            raise self.unsupported("EXCLUDE")
        if word not in _CONSTRAINT_WORDS or word == "constraint":
            raise self.error()
        self.index += 1
        if word == "check":
            constraint = self.check(name, position)
        elif word == "foreign":
            self.expect_word("key")
            columns = self.names_in_parentheses()
            self.expect_word("references")
            constraint = st.ConstraintDefinition(
                "foreign", name, columns, references=self.references(), position=position
            )
        else:
            constraint = self.key_constraint(word, name, position)
        return self.constraint_attributes(constraint, in_column=False)

    def check(self, name: str | None, position: int) -> st.ConstraintDefinition:
        self.expect("(")
        expression = self.source_expression()
        self.expect(")")
        return st.ConstraintDefinition("check", name, expression=expression, position=position)

    def key_constraint(self, word: str, name: str | None, position: int) -> st.ConstraintDefinition:
        """PRIMARY KEY or UNIQUE of a table."""
        if word == "primary":
            self.expect_word("key")
        if self.accept_words("using", "index"):
            return st.ConstraintDefinition(word, name, using_index=self.name(), position=position)
        distinct = self.nulls_distinct() if word == "unique" else True
        columns = self.names_in_parentheses()
        include = self.names_in_parentheses() if self.accept_word("include") else ()
        self.index_parameters()
        return st.ConstraintDefinition(
            word, name, columns, nulls_distinct=distinct, include=include, position=position
        )

    def nulls_distinct(self) -> bool:
        """NULLS [NOT] DISTINCT: whether nulls differ from each other."""
        if self.accept_words("nulls", "not", "distinct"):
            return False
        self.accept_words("nulls", "distinct")
        return True

    def index_parameters(self) -> None:
        """WITH (...) and USING INDEX TABLESPACE of a key: storage advice without effect here."""
        if self.word() == "with" and self.at("(", 1):
            self.index += 1
            self.storage_options()
        if self.accept_words("using", "index", "tablespace"):
            self.name()

    def references(self) -> st.References:
        """What stands behind REFERENCES."""
        table = self.object_name()
        columns = self.names_in_parentheses() if self.at("(") else ()
        match = "simple"
        if self.accept_word("match"):
            match = self.accept_one_of("full", "partial", "simple")
            if not match:
                raise self.error()
            if match == "partial":
                raise NotSupportedError("MATCH PARTIAL not yet implemented", position=self.position())
        actions = {"delete": "no action", "update": "no action"}
        delete_columns: tuple[str, ...] = ()
        seen: set[str] = set()
        while self.word() == "on" and self.word_at(1) in actions and self.word_at(1) not in seen:
            event = self.word_at(1)
            seen.add(event)
            self.index += 2
            actions[event] = self.referential_action()
            if actions[event].startswith("set") and self.at("("):
                if event == "update":
                    raise NotSupportedError(
                        "a column list with SET NULL is only supported for ON DELETE actions",
                        position=self.position(),
                    )
                delete_columns = self.names_in_parentheses()
        return st.References(table, columns, actions["delete"], actions["update"], match, delete_columns)

    def referential_action(self) -> str:
        for words in (("no", "action"), ("restrict",), ("cascade",), ("set", "null"), ("set", "default")):
            if self.accept_words(*words):
                return " ".join(words)
        raise self.error()

    def constraint_attributes(
        self, constraint: st.ConstraintDefinition, in_column: bool
    ) -> st.ConstraintDefinition:
        """[NOT] DEFERRABLE, INITIALLY ..., NOT VALID, NO INHERIT, in any order."""
        deferrable: bool | None = None
        deferred: bool | None = None
        while True:
            index = self.index
            if self.accept_words("not", "deferrable"):
                deferrable = False
            elif self.accept_word("deferrable"):
                deferrable = True
            elif self.accept_word("initially"):
                when = self.accept_one_of("deferred", "immediate")
                if not when:
                    raise self.error()
                deferred = when == "deferred"
            elif not in_column and self.accept_words("not", "valid"):
                constraint = replace(constraint, not_valid=True)
                continue
            elif self.accept_words("no", "inherit"):
                constraint = replace(constraint, no_inherit=True)
                continue
            else:
                break
            if constraint.kind == "check":
                raise NotSupportedError(
                    "CHECK constraints cannot be marked DEFERRABLE", position=self.tokens.starts[index] + 1
                )
            if deferred and deferrable is False:
                raise SyntaxError(
                    "constraint declared INITIALLY DEFERRED must be DEFERRABLE",
                    position=self.tokens.starts[index] + 1,
                )
        return replace(constraint, deferrable=bool(deferrable or deferred), initially_deferred=bool(deferred))

    # --- indexes ----------------------------------------------------------------------------------

    def create_index(self, unique: bool) -> st.Statement:
        """CREATE [UNIQUE] INDEX behind the word INDEX."""
        concurrently = self.accept_word("concurrently")
        if_not_exists = self.accept_if_not_exists()
        name = None if self.word() == "on" else self.name()
        if name is None and if_not_exists:
            raise self.error()
        self.expect_word("on")
        only = self.accept_word("only")
        table = self.object_name()
        self.accept_operator("*")
        method = self.name() if self.accept_word("using") else "btree"
        columns = self.index_columns()
        include = self.names_in_parentheses() if self.accept_word("include") else ()
        nulls_distinct = self.nulls_distinct()
        options = self.storage_options() if self.accept_word("with") else ()
        tablespace = self.name() if self.accept_word("tablespace") else None
        where = self.source_expression() if self.accept_word("where") else None
        return st.CreateIndex(
            table, columns, name, unique, method, where, include, nulls_distinct, if_not_exists,
            concurrently, only, options, tablespace,
        )  # fmt: skip

    def index_columns(self) -> tuple[st.IndexColumn, ...]:
        self.expect("(")
        columns = [self.index_column()]
        while self.accept(","):
            columns.append(self.index_column())
        self.expect(")")
        return tuple(columns)

    def index_column(self) -> st.IndexColumn:
        position = self.position()
        begin = self.index
        node = self.primary()
        name: str | None = None
        expression: st.SourceExpression | None = None
        if isinstance(node, exp.Column) and self.values[begin] != "(" and not node.args.get("table"):
            name = node.name
        elif isinstance(node, (exp.Literal, exp.Null, exp.Parameter)) and self.values[begin] != "(":
            raise self.error(begin)
        else:
            expression = st.SourceExpression(self.source(begin), node)
        collation: st.ObjectName | None = None
        bare = node.unnest()
        if isinstance(bare, exp.Collate) and isinstance(bare.this, exp.Column) and bare.this.table == "":
            name, expression = bare.this.name, None
            schema, last = bare.args.get("schema"), bare.expression
            collation = st.ObjectName((last.name,) if schema is None else (schema.name, last.name), position)
        if self.accept_word("collate"):
            collation = self.object_name()
        operator_class: st.ObjectName | None = None
        if self.at_name() and not (self.word() == "nulls" and self.word_at(1) in ("first", "last")):
            operator_class = self.object_name()
            if self.at("("):
                self.option_list()
        descending = self.accept_one_of("asc", "desc") == "desc"
        nulls_first = self.nulls_first()
        return st.IndexColumn(name, expression, collation, operator_class, descending, nulls_first, position)

    # --- views ------------------------------------------------------------------------------------

    def create_view(self, persistence: str, or_replace: bool) -> st.Statement:
        """CREATE VIEW behind the word VIEW."""
        name = self.object_name()
        columns = self.names_in_parentheses() if self.at("(") else ()
        options = self.storage_options() if self.accept_word("with") else ()
        self.expect_word("as")
        query = self.source_query()
        check_option = ""
        if self.accept_word("with"):
            check_option = self.accept_one_of("local", "cascaded") or "cascaded"
            self.expect_word("check", "option")
        return st.CreateView(name, query, columns, or_replace, persistence, options, check_option)

    def create_materialized_view(self) -> st.Statement:
        """CREATE MATERIALIZED VIEW behind the word VIEW."""
        if_not_exists = self.accept_if_not_exists()
        name = self.object_name()
        columns = self.names_in_parentheses() if self.at("(") else ()
        self.table_access_method()
        options = self.storage_options() if self.accept_word("with") else ()
        tablespace = self.name() if self.accept_word("tablespace") else None
        self.expect_word("as")
        query = self.source_query()
        with_data = self.with_data()
        return st.CreateMaterializedView(name, query, columns, if_not_exists, options, tablespace, with_data)

    def refresh_materialized_view(self) -> st.Statement:
        """REFRESH MATERIALIZED VIEW behind the word REFRESH."""
        self.expect_word("materialized", "view")
        concurrently = self.accept_word("concurrently")
        name = self.object_name()
        return st.RefreshMaterializedView(name, concurrently, self.with_data())

    def with_data(self) -> bool:
        """WITH [NO] DATA; with data where nothing is said."""
        if not self.accept_word("with"):
            return True
        is_empty = self.accept_word("no")
        self.expect_word("data")
        return not is_empty
