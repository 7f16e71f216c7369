"""Queries: SELECT, VALUES, TABLE, WITH, set operations.

PostgreSQL's rule names are given where they help: select_no_parens is `query`, simple_select `query_term`.
The nodes that come out are listed in `bridge`.
"""

from __future__ import annotations

from sqlglot import expressions as exp

from skerry_engine.errors import InvalidRowCountInLimit, SyntaxError, WindowingError
from skerry_engine.sql import keywords
from skerry_engine.sql.from_syntax import FromParser
from skerry_engine.sql.lexer import OPERATOR, QUOTED, WORD

_SET_OPERATIONS = {"union": exp.Union, "except": exp.Except, "intersect": exp.Intersect}
_FRAME_WORDS = frozenset(("range", "rows", "groups"))
_OPTION_WORDS = frozenset(("order", "limit", "offset", "fetch", "for"))


class QueryParser(FromParser):
    """Adds queries to the expression grammar."""

    # --- the whole query --------------------------------------------------------------------------

    def query(self) -> exp.Expression:
        """A query with WITH, set operations, ORDER BY, LIMIT and row locks."""
        self.enter()
        index = self.index
        with_ = self.with_clause()
        node = self.set_operations(self.query_term(), 1)
        if with_ is not None:
            if node.args.get("with_") is not None:
                raise SyntaxError("multiple WITH clauses not allowed", position=self.tokens.starts[index] + 1)
            node.set("with_", with_)
        self.query_options(node)
        self.leave()
        return node

    def query_rest(self, left: exp.Expression) -> exp.Expression:
        """The same behind a first part that was in parentheses."""
        node = self.set_operations(left, 1)
        self.query_options(node)
        return node

    def set_operations(self, left: exp.Expression, minimum: int) -> exp.Expression:
        """UNION and EXCEPT, and tighter INTERSECT, from left to right."""
        while True:
            word = self.word()
            if word not in _SET_OPERATIONS:
                return left
            level = 2 if word == "intersect" else 1
            if level < minimum:
                return left
            index = self.index
            self.index += 1
            distinct = self.accept_one_of("all", "distinct") != "all"
            right = self.set_operations(self.query_term(), level + 1)
            left = self.mark(_SET_OPERATIONS[word](this=left, expression=right, distinct=distinct), index)

    def query_term(self) -> exp.Expression:
        """SELECT ..., VALUES ..., TABLE t, or a query in parentheses."""
        index = self.index
        if self.accept("("):
            node = self.query()
            self.expect(")")
            return node
        word = self.word()
        if word == "select":
            self.index += 1
            return self.mark(self.select(), index)
        if word == "values":
            self.index += 1
            return self.mark(self.values_rows(index), index)
        if word == "table":
            self.index += 1
            table = self.relation()
            from_ = exp.From(expressions=[table])
            return self.mark(exp.Select(expressions=[exp.Star()], from_=from_), index)
        raise self.error()

    def query_options(self, node: exp.Expression) -> None:
        """ORDER BY, LIMIT, OFFSET, FETCH and FOR UPDATE ... behind a query, in any order PostgreSQL takes."""
        if self.word() not in _OPTION_WORDS:
            return
        index = self.index
        order = self.order_by()
        if order is not None:
            self.set_once(node, "order", order, "multiple ORDER BY clauses not allowed", index)
        locks = self.locks()
        self.limits(node)
        if not locks:
            locks = self.locks()
        if locks:
            node.set("locks", (node.args.get("locks") or []) + locks)

    def set_once(
        self, node: exp.Expression, name: str, value: exp.Expression, message: str, index: int
    ) -> None:
        if node.args.get(name) is not None:
            raise SyntaxError(message, position=self.tokens.starts[index] + 1)
        node.set(name, value)

    def limits(self, node: exp.Expression) -> None:
        """LIMIT and OFFSET, or FETCH FIRST, in either order."""
        seen: set[str] = set()
        while True:
            index = self.index
            if self.accept_word("limit") if "limit" not in seen else False:
                seen.add("limit")
                limit = self.limit_count()
                if limit is not None:
                    self.set_once(node, "limit", limit, "multiple LIMIT clauses not allowed", index)
                if self.at(","):
                    raise SyntaxError(
                        "LIMIT #,# syntax is not supported",
                        hint="Use separate LIMIT and OFFSET clauses.",
                        position=self.tokens.starts[index] + 1,
                    )
            elif self.word() == "fetch" and "limit" not in seen:
                seen.add("limit")
                self.set_once(node, "limit", self.fetch_first(), "multiple LIMIT clauses not allowed", index)
            elif self.accept_word("offset") if "offset" not in seen else False:
                seen.add("offset")
                offset = self.mark(exp.Offset(expression=self.expression()), index)
                self.accept_one_of("row", "rows")
                self.set_once(node, "offset", offset, "multiple OFFSET clauses not allowed", index)
            else:
                return

    def limit_count(self) -> exp.Limit | None:
        """LIMIT's count; None for ALL."""
        index = self.index
        if self.accept_word("all"):
            return None
        return self.mark(exp.Limit(expression=self.expression(), with_ties=False), index)

    def fetch_first(self) -> exp.Limit:
        """FETCH {FIRST | NEXT} [n] {ROW | ROWS} {ONLY | WITH TIES}."""
        self.index += 1
        index = self.index
        if not self.accept_one_of("first", "next"):
            raise self.error()
        if self.word() in ("row", "rows"):
            count: exp.Expression = exp.Literal.number("1")
        else:
            count = self.prefix(False)
        if not self.accept_one_of("row", "rows"):
            raise self.error()
        with_ties = False
        if self.accept_words("with", "ties"):
            with_ties = True
        else:
            self.expect_word("only")
        if with_ties and isinstance(count, exp.Null):
            raise InvalidRowCountInLimit("row count cannot be null in FETCH FIRST ... WITH TIES clause")
        return self.mark(exp.Limit(expression=count, with_ties=with_ties), index)

    def locks(self) -> list[exp.Expression]:
        """FOR UPDATE and its kin, or FOR READ ONLY (which means nothing)."""
        found: list[exp.Expression] = []
        while self.word() == "for":
            index = self.index
            if self.accept_words("for", "read", "only"):
                continue
            self.index += 1
            strength = self.lock_strength()
            tables: list[exp.Expression] = []
            if self.accept_word("of"):
                tables.append(self.relation_name())
                while self.accept(","):
                    tables.append(self.relation_name())
            wait: str | None = None
            if self.accept_word("nowait"):
                wait = "NOWAIT"
            elif self.accept_word("skip"):
                self.expect_word("locked")
                wait = "SKIP LOCKED"
            found.append(self.mark(exp.Lock(strength=strength, expressions=tables, wait=wait), index))
        return found

    def lock_strength(self) -> str:
        for words in (("update",), ("no", "key", "update"), ("share",), ("key", "share")):
            if self.accept_words(*words):
                return " ".join(words).upper()
        raise self.error()

    # --- WITH -------------------------------------------------------------------------------------

    def with_clause(self) -> exp.With | None:
        """WITH and its list, if it follows."""
        index = self.index
        if not self.accept_word("with"):
            return None
        recursive = self.accept_word("recursive")
        tables = [self.common_table()]
        while self.accept(","):
            tables.append(self.common_table())
        return self.mark(exp.With(expressions=tables, recursive=recursive), index)

    def common_table(self) -> exp.Expression:
        index = self.index
        alias = exp.TableAlias(this=self.identifier(), columns=self.identifier_list() if self.at("(") else [])
        self.expect_word("as")
        materialized: bool | None = None
        if self.accept_word("materialized"):
            materialized = True
        elif self.accept_words("not", "materialized"):
            materialized = False
        self.expect("(")
        body = self.data_statement()
        self.expect(")")
        if self.word() in ("search", "cycle"):
            raise self.unsupported(f"{self.word().upper()} in WITH")
        return self.mark(exp.CTE(this=body, alias=alias, materialized=materialized), index)

    def data_statement(self) -> exp.Expression:
        """A query, INSERT, UPDATE, DELETE or MERGE."""
        raise NotImplementedError

    # --- SELECT -----------------------------------------------------------------------------------

    def select(self) -> exp.Select:
        """A SELECT up to its WINDOW clause; the word itself has been read."""
        node = exp.Select()
        node.set("distinct", self.distinct())
        if node.args.get("distinct") is not None or not self.at_target_end():
            node.set("expressions", self.targets())
        if self.word() == "into":
            self.index += 1
            raise SyntaxError("SELECT ... INTO is not allowed here", position=self.position())
        index = self.index
        if self.accept_word("from"):
            node.set("from_", self.mark(exp.From(expressions=self.from_items()), index))
        node.set("where", self.where())
        node.set("group", self.group_by())
        index = self.index
        if self.accept_word("having"):
            node.set("having", self.mark(exp.Having(this=self.expression()), index))
        if self.accept_word("window"):
            node.set("windows", self.window_definitions())
        return node

    def at_target_end(self) -> bool:
        """Whether the target list is empty, which PostgreSQL allows."""
        if self.at_end() or self.at(")") or self.at(";"):
            return True
        word = self.word()
        return (
            word in ("from", "where", "group", "having", "window", "into")
            or word in _SET_OPERATIONS
            or (word in _OPTION_WORDS)
        )

    def distinct(self) -> exp.Distinct | None:
        """DISTINCT [ON (...)] or ALL."""
        index = self.index
        if self.accept_word("all") or not self.accept_word("distinct"):
            return None
        on: list[exp.Expression] | None = None
        if self.accept_word("on"):
            self.expect("(")
            on = self.expressions()
            self.expect(")")
        return self.mark(exp.Distinct(on=on), index)

    def targets(self) -> list[exp.Expression]:
        """A target list, as in SELECT and RETURNING."""
        found = [self.target()]
        while self.accept(","):
            found.append(self.target())
        return found

    def target(self) -> exp.Expression:
        index = self.index
        if self.kinds[index] == OPERATOR and self.values[index] == "*":
            self.index += 1
            return self.mark(exp.Star(), index)
        outer, self.target_depth = self.target_depth, self.depth + 1
        node = self.expression()
        self.target_depth = outer
        if self.accept_word("as"):
            return self.mark(exp.Alias(this=node, alias=self.label_identifier()), index)
        if self.kind() == QUOTED or (self.kind() == WORD and self.word() not in keywords.NOT_BARE_LABEL):
            return self.mark(exp.Alias(this=node, alias=self.label_identifier()), index)
        return node

    def where(self) -> exp.Where | None:
        index = self.index
        if not self.accept_word("where"):
            return None
        if self.at_words("current", "of"):
            raise self.unsupported("WHERE CURRENT OF")
        return self.mark(exp.Where(this=self.expression()), index)

    def group_by(self) -> exp.Group | None:
        index = self.index
        if not self.accept_phrase("group", "by"):
            return None
        distinct = self.accept_one_of("all", "distinct") == "distinct"
        items = [self.group_item()]
        while self.accept(","):
            items.append(self.group_item())
        return self.mark(exp.Group(expressions=items, distinct=distinct), index)

    def group_item(self) -> exp.Expression:
        index = self.index
        if self.at("(") and self.at(")", 1):
            self.index += 2
            return self.mark(exp.Tuple(expressions=[]), index)
        if self.at_words("grouping", "sets"):
            self.index += 2
            self.expect("(")
            sets = [self.group_item()]
            while self.accept(","):
                sets.append(self.group_item())
            self.expect(")")
            return self.mark(exp.GroupingSets(expressions=sets), index)
        word = self.word()
        if word in ("rollup", "cube") and self.at("(", 1):
            self.index += 2
            items = self.expressions()
            self.expect(")")
            return self.mark((exp.Rollup if word == "rollup" else exp.Cube)(expressions=items), index)
        return self.expression()

    def order_by(self) -> exp.Order | None:
        index = self.index
        if not self.accept_word("order"):
            return None
        self.expect_word("by")
        items = [self.ordered()]
        while self.accept(","):
            items.append(self.ordered())
        return self.mark(exp.Order(expressions=items), index)

    def nulls_first(self) -> bool | None:
        """[NULLS FIRST | NULLS LAST]; None when neither is written."""
        if not self.accept_word("nulls"):
            return None
        place = self.accept_one_of("first", "last")
        if not place:
            raise self.error()
        return place == "first"

    def ordered(self) -> exp.Expression:
        """An ORDER BY item."""
        index = self.index
        node = self.expression()
        using: str | None = None
        desc = False
        if self.accept_word("using"):
            using = self.operator_name()[0]
        else:
            desc = self.accept_one_of("asc", "desc") == "desc"
        nulls_first = self.nulls_first()
        return self.mark(exp.Ordered(this=node, desc=desc, nulls_first=nulls_first, using=using), index)

    # --- windows ----------------------------------------------------------------------------------

    def window_definitions(self) -> list[exp.Expression]:
        """The definitions behind WINDOW."""
        found: list[exp.Expression] = []
        while True:
            name = self.identifier()
            self.expect_word("as")
            window = self.window()
            window.set("this", name)
            found.append(window)
            if not self.accept(","):
                return found

    def window(self) -> exp.Window:
        index = self.index
        self.expect("(")
        node = exp.Window()
        if self.at_name() and self.word() not in _FRAME_WORDS and self.word() != "partition":
            node.set("base", self.identifier())
        if self.accept_words("partition", "by"):
            node.set("partition_by", self.expressions())
        node.set("order", self.order_by())
        if self.word() in _FRAME_WORDS:
            node.set("spec", self.frame())
        self.expect(")")
        return self.mark(node, index)

    def frame(self) -> exp.WindowSpec:
        index = self.index
        kind = self.accept_one_of(*_FRAME_WORDS)
        end: tuple[str | exp.Expression, str | None] = ("CURRENT ROW", None)
        is_between = self.accept_word("between")
        start_index = end_index = self.index
        start = self.frame_bound()
        if is_between:
            self.expect_word("and")
            end_index = self.index
            end = self.frame_bound()
        self.check_frame(start, end, is_between, (start_index, end_index))
        node = exp.WindowSpec(
            kind=kind.upper(),
            start=start[0],
            start_side=start[1],
            end=end[0],
            end_side=end[1],
            exclude=self.frame_exclusion(),
        )
        return self.mark(node, index)

    def frame_bound(self) -> tuple[str | exp.Expression, str | None]:
        bound: str | exp.Expression
        if self.accept_words("current", "row"):
            return "CURRENT ROW", None
        bound = "UNBOUNDED" if self.accept_word("unbounded") else self.expression()
        side = self.accept_one_of("preceding", "following")
        if not side:
            raise self.error()
        return bound, side.upper()

    def check_frame(
        self,
        start: tuple[str | exp.Expression, str | None],
        end: tuple[str | exp.Expression, str | None],
        is_between: bool,
        places: tuple[int, int],
    ) -> None:
        """Refuse frames that end before they start, as the grammar does."""
        message = ""
        index = places[1]
        if start == ("UNBOUNDED", "FOLLOWING"):
            index = places[0]
            message = "frame start cannot be UNBOUNDED FOLLOWING"
        elif end == ("UNBOUNDED", "PRECEDING"):
            message = "frame end cannot be UNBOUNDED PRECEDING"
        elif not is_between and start[1] == "FOLLOWING":
            message = "frame starting from following row cannot end with current row"
        elif start[0] == "CURRENT ROW" and end[1] == "PRECEDING":
            message = "frame starting from current row cannot have preceding rows"
        elif start[1] == "FOLLOWING" and (end[1] == "PRECEDING" or end[0] == "CURRENT ROW"):
            message = "frame starting from following row cannot have preceding rows"
        if message:
            raise WindowingError(message, position=self.tokens.starts[index] + 1)

    def frame_exclusion(self) -> str | None:
        if not self.accept_word("exclude"):
            return None
        for words in (("current", "row"), ("group",), ("ties",)):
            if self.accept_words(*words):
                return " ".join(words).upper()
        self.expect_word("no", "others")
        return None

    # --- VALUES -----------------------------------------------------------------------------------

    def values_rows(self, index: int) -> exp.Values:
        """The rows of VALUES; the word (token `index`) has been read."""
        rows: list[exp.Expression] = []
        while True:
            place = self.index
            self.expect("(")
            cells = self.expressions()
            self.expect(")")
            rows.append(self.mark(exp.Tuple(expressions=cells), place))
            if not self.accept(","):
                break
        node = exp.Values(expressions=rows)
        row_list = self.row_lists.get(index)
        if row_list is not None:
            node.set("row_list", row_list)
        return node
