"""INSERT, UPDATE, DELETE and MERGE.  The nodes that come out are listed in `bridge`."""

from __future__ import annotations

from sqlglot import expressions as exp

from skerry_engine.errors import NotSupportedError
from skerry_engine.sql.primary_syntax import LiteralInSyntax
from skerry_engine.sql.query_syntax import QueryParser


class DataParser(QueryParser):
    """Adds the statements that change data: the whole of what a plan can be made for."""

    def data_statement(self) -> exp.Expression:
        index = self.index
        if self.word() != "with":
            return self.data_statement_body()
        with_ = self.with_clause()
        if self.word() in ("insert", "update", "delete", "merge"):
            node = self.data_statement_body()
            node.set("with_", with_)
            return node
        self.index = index  # WITH of a query: read it again where it belongs
        return self.query()

    def data_statement_body(self) -> exp.Expression:
        index = self.index
        word = self.word()
        readers = {"insert": self.insert, "update": self.update, "delete": self.delete, "merge": self.merge}
        if word not in readers:
            return self.query()
        self.index += 1
        return self.mark(readers[word](), index)

    # --- INSERT -----------------------------------------------------------------------------------

    def insert(self) -> exp.Expression:
        self.expect_word("into")
        table = self.relation_name()
        if self.accept_word("as"):
            table.set("alias", exp.TableAlias(this=self.identifier(), columns=[]))
        node = exp.Insert(this=table)
        if self.accept_phrase("default", "values"):
            node.set("default", True)
        else:
            self.insert_source(node)
        node.set("conflict", self.on_conflict())
        node.set("returning", self.returning())
        return node

    def insert_source(self, node: exp.Insert) -> None:
        """[(columns)] [OVERRIDING ...] query."""
        if self.at("(") and not self.is_query_in_parentheses():
            self.expect("(")
            columns = [self.target_column()]
            while self.accept(","):
                columns.append(self.target_column())
            self.expect(")")
            node.set("columns", columns)
        if self.accept_word("overriding"):
            which = self.accept_one_of("system", "user")
            if not which:
                raise self.error()
            self.expect_word("value")
            node.set("overriding", which.upper())
        node.set("expression", self.query())

    def is_query_in_parentheses(self) -> bool:
        if self.at("(", 1):
            return True
        return self.word_at(1) in ("select", "values", "with", "table")

    def target_column(self) -> exp.Expression:
        """A column to assign to, perhaps with subscripts or fields."""
        index = self.index
        column = self.mark(exp.Column(this=self.identifier()), index)
        return self.indirection(column, index)

    def on_conflict(self) -> exp.Expression | None:
        index = self.index
        if not self.accept_words("on", "conflict"):
            return None
        node = exp.OnConflict()
        if self.accept_words("on", "constraint"):
            node.set("constraint", self.identifier())
        elif self.accept("("):
            place = self.index
            node.meta["target"] = self.tokens.starts[place - 1] + 1
            keys = [self.conflict_key()]
            while self.accept(","):
                keys.append(self.conflict_key())
            self.expect(")")
            node.set("conflict_keys", keys)
            if self.accept_word("where"):
                node.set("index_predicate", self.expression())
            if any(place <= index < self.index for index in self.literals):
                raise LiteralInSyntax  # which indexes are meant depends on the constants
        self.expect_word("do")
        if self.accept_word("nothing"):
            node.set("action", "NOTHING")
        else:
            self.expect_word("update", "set")
            node.set("action", "UPDATE")
            node.set("expressions", self.assignments())
            node.set("where", self.where())
        return self.mark(node, index)

    def conflict_key(self) -> exp.Expression:
        """A column, or an expression in parentheses or that is a call."""
        key = self.primary()
        if self.accept_word("collate"):
            key = self.collate(key)
        if self.at_name():
            raise self.unsupported("an operator class in ON CONFLICT")
        if self.word() in ("asc", "desc"):
            raise self.error()
        return key

    # --- UPDATE, DELETE ---------------------------------------------------------------------------

    def update(self) -> exp.Expression:
        table = self.changed_table()
        self.expect_word("set")
        node = exp.Update(this=table, expressions=self.assignments())
        index = self.index
        if self.accept_word("from"):
            node.set("from_", self.mark(exp.From(expressions=self.from_items()), index))
        node.set("where", self.where())
        node.set("returning", self.returning())
        return node

    def changed_table(self) -> exp.Table:
        """[ONLY] name [*] [[AS] alias] of an UPDATE or DELETE (SET is no alias without AS)."""
        table = self.relation()
        if self.accept_word("as") or (self.at_alias() and self.word() != "set"):
            table.set("alias", exp.TableAlias(this=self.identifier(), columns=[]))
        return table

    def assignments(self) -> list[exp.Expression]:
        found = [self.assignment()]
        while self.accept(","):
            found.append(self.assignment())
        return found

    def assignment(self) -> exp.Expression:
        """column = value, or (columns) = row or subquery."""
        index = self.index
        target: exp.Expression
        if self.accept("("):
            columns = [self.target_column()]
            while self.accept(","):
                columns.append(self.target_column())
            self.expect(")")
            target = exp.Tuple(expressions=columns)
        else:
            target = self.target_column()
        self.expect_operator("=")
        place = self.index
        value = self.expression()
        if isinstance(target, exp.Tuple) and not isinstance(value, (exp.Tuple, exp.Subquery)):
            raise NotSupportedError(
                "source for a multiple-column UPDATE item must be a sub-SELECT or ROW() expression",
                position=value.meta.get("position", self.tokens.starts[place] + 1),
            )
        return self.mark(exp.EQ(this=target, expression=value), index)

    def delete(self) -> exp.Expression:
        self.expect_word("from")
        node = exp.Delete(this=self.changed_table())
        index = self.index
        if self.accept_word("using"):
            node.set("using", self.mark(exp.From(expressions=self.from_items()), index))
        node.set("where", self.where())
        node.set("returning", self.returning())
        return node

    def returning(self) -> exp.Expression | None:
        index = self.index
        if not self.accept_word("returning"):
            return None
        return self.mark(exp.Returning(expressions=self.targets()), index)

    # --- MERGE ------------------------------------------------------------------------------------

    def merge(self) -> exp.Expression:
        self.expect_word("into")
        table = self.relation()
        if self.accept_word("as") or self.at_alias():
            table.set("alias", exp.TableAlias(this=self.identifier(), columns=[]))
        self.expect_word("using")
        source = self.from_item()
        self.expect_word("on")
        condition = self.expression()
        branches: list[exp.Expression] = []
        while self.word() == "when":
            branches.append(self.merge_branch())
        if not branches:
            raise self.error()
        return exp.Merge(this=table, using=source, on=condition, whens=branches)

    def merge_branch(self) -> exp.Expression:
        index = self.index
        self.expect_word("when")
        matched = not self.accept_word("not")
        self.expect_word("matched")
        condition = self.expression() if self.accept_word("and") else None
        self.expect_word("then")
        action = self.merge_update_or_delete() if matched else self.merge_insert()
        return self.mark(exp.When(matched=matched, condition=condition, then=action), index)

    def merge_update_or_delete(self) -> exp.Expression:
        index = self.index
        if self.accept_words("do", "nothing"):
            return self.mark(exp.Var(this="DO NOTHING"), index)
        if self.accept_word("delete"):
            return self.mark(exp.Delete(), index)
        self.expect_word("update", "set")
        return self.mark(exp.Update(expressions=self.assignments()), index)

    def merge_insert(self) -> exp.Expression:
        index = self.index
        if self.accept_words("do", "nothing"):
            return self.mark(exp.Var(this="DO NOTHING"), index)
        self.expect_word("insert")
        node = exp.Insert()
        if self.accept_words("default", "values"):
            node.set("default", True)
            return self.mark(node, index)
        if self.at("("):
            self.index += 1
            columns = [self.target_column()]
            while self.accept(","):
                columns.append(self.target_column())
            self.expect(")")
            node.set("columns", columns)
        if self.accept_word("overriding"):
            node.set("overriding", (self.accept_one_of("system", "user")).upper())
            self.expect_word("value")
        place = self.index
        self.expect_word("values")
        values = self.values_rows(place)
        if len(values.expressions) != 1:
            raise self.error()
        node.set("expression", values)
        return self.mark(node, index)
