"""Queries: SELECT, VALUES, TABLE, WITH, set operations, and what stands in FROM.

PostgreSQL's rule names are given where they help: select_no_parens is `query`, simple_select `query_term`.
The nodes that come out are listed in `bridge`.
"""

from __future__ import annotations

from sqlglot import expressions as exp

from skerry_engine.errors import InvalidRowCountInLimit, SyntaxError, WindowingError
from skerry_engine.sql import keywords
from skerry_engine.sql.expression_syntax import QUERY_CONTINUES, QUERY_WORDS
from skerry_engine.sql.lexer import OPERATOR, QUOTED, WORD
from skerry_engine.sql.normalise import Normalised
from skerry_engine.sql.special_calls import SpecialCallParser
from skerry_engine.sql.types_syntax import parse_type

_SET_OPERATIONS = {"union": exp.Union, "except": exp.Except, "intersect": exp.Intersect}
_JOIN_WORDS = frozenset(("join", "cross", "inner", "left", "right", "full", "natural"))
_FRAME_WORDS = frozenset(("range", "rows", "groups"))
_OPTION_WORDS = frozenset(("order", "limit", "offset", "fetch", "for"))


class QueryParser(SpecialCallParser):
    """Adds queries to the expression grammar."""

    def __init__(self, source: Normalised) -> None:
        super().__init__(source)
        self.item_parentheses = 0  # how many parentheses around a FROM item are open

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
            wait: str | None = "NOWAIT" if self.accept_word("nowait") else None
            if self.accept_words("skip", "locked"):
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
            raise self.unsupported("SELECT INTO")
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
        node = self.expression()
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
        nulls_first: bool | None = None
        if self.accept_word("nulls"):
            place = self.accept_one_of("first", "last")
            if not place:
                raise self.error()
            nulls_first = place == "first"
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

    # --- FROM -------------------------------------------------------------------------------------

    def from_items(self) -> list[exp.Expression]:
        items = [self.from_item()]
        while self.accept(","):
            items.append(self.from_item())
        return items

    def from_item(self) -> exp.Expression:
        """A table, subquery, function or join tree."""
        self.enter()
        item = self.joins(self.single_item())
        self.leave()
        return item

    def joins(self, left: exp.Expression) -> exp.Expression:
        """The joins behind `left`, grouped to the left."""
        while self.word() in _JOIN_WORDS:
            index = self.index
            natural = self.accept_word("natural")
            cross = not natural and self.accept_word("cross")
            side = self.accept_one_of("left", "right", "full") if not cross else ""
            if side:
                self.accept_word("outer")
            elif not cross:
                self.accept_word("inner")
            self.expect_word("join")
            right = self.single_item()
            if not natural and not cross:
                # JOIN b JOIN c ON .. ON ..: the inner join takes the first condition
                right = self.joins(right) if self.word() in _JOIN_WORDS else right
            node = exp.Join(
                left=left,
                this=right,
                side=side.upper() or None,
                kind="CROSS" if cross else "INNER",
                natural=natural,
            )
            if not natural and not cross:
                self.join_condition(node)
            left = self.mark(node, index)
        return left

    def join_condition(self, node: exp.Join) -> None:
        if self.accept_word("on"):
            node.set("on", self.expression())
            return
        self.expect_word("using")
        node.set("using", self.identifier_list())
        if self.word() == "as":
            self.index += 1
            node.set("using_alias", self.identifier())

    def single_item(self) -> exp.Expression:
        """One item of FROM without joins."""
        index = self.index
        if self.at("("):
            return self.parenthesised_item(index)
        if self.accept_word("lateral"):
            return self.lateral_item(index)
        if self.word() == "rows" and self.word_at(1) == "from" and self.at("(", 2):
            return self.rows_from(index, False)
        if self.word() == "only":
            return self.aliased_relation()
        if self.is_function_item():
            return self.function_item(index, False)
        if self.word() in ("xmltable",) and self.at("(", 1):
            raise self.unsupported("XMLTABLE")
        return self.aliased_relation()

    def is_function_item(self) -> bool:
        """Whether a call follows: a name, qualified or not, and a parenthesis.

        Or a call without parentheses.
        """
        index = self.index
        if self.kinds[index] not in (WORD, QUOTED):
            return False
        word = self.word()
        if word in keywords.RESERVED:
            return word.startswith(("current_", "local", "session_")) or word == "user"
        while self.at(".", index + 1 - self.index) and self.kinds[index + 2] in (WORD, QUOTED):
            index += 2
        return self.at("(", index + 1 - self.index)

    def parenthesised_item(self, index: int) -> exp.Expression:
        """A subquery, or a join tree in parentheses."""
        self.index += 1
        if self.word() in QUERY_WORDS:
            query = self.query()
            self.expect(")")
            return self.mark(self.aliased_subquery(query, False), index)
        self.item_parentheses += 1
        item = self.from_item()
        self.item_parentheses -= 1
        if isinstance(item, exp.Subquery) and item.args.get("alias") is None:
            query = self.query_rest(item.this)
            self.expect(")")
            return self.mark(self.aliased_subquery(query, False), index)
        if not isinstance(item, exp.Join):
            raise self.error()
        self.expect(")")
        item.set("alias", self.table_alias())
        return item

    def aliased_subquery(self, query: exp.Expression, lateral: bool) -> exp.Subquery:
        """A subquery with its alias, which only a further operand of a parenthesised query may lack."""
        alias = self.table_alias()
        if alias is None:
            is_operand = self.item_parentheses > 0 and (self.at(")") or self.word() in QUERY_CONTINUES)
            if not is_operand:
                what, example = (
                    ("VALUES", "VALUES ...") if isinstance(query, exp.Values) else ("subquery", "SELECT ...")
                )
                raise SyntaxError(
                    f"{what} in FROM must have an alias",
                    hint=f"For example, FROM ({example}) [AS] foo.",
                    position=query.meta.get("position", 2) - 1,
                )
        return exp.Subquery(this=query, alias=alias, lateral=lateral)

    def lateral_item(self, index: int) -> exp.Expression:
        if self.accept("("):
            query = self.query()
            self.expect(")")
            return self.mark(self.aliased_subquery(query, True), index)
        if self.word() == "rows" and self.word_at(1) == "from":
            return self.rows_from(index, True)
        return self.function_item(index, True)

    def function_item(self, index: int, lateral: bool) -> exp.Expression:
        place = self.index
        call = self.primary()
        if not isinstance(call, (exp.Anonymous, exp.Coalesce, exp.Greatest, exp.Least, exp.Nullif, exp.Cast)):
            raise self.error(place)
        return self.mark(self.function_suffixes(exp.Lateral(expressions=[call], lateral=lateral)), index)

    def rows_from(self, index: int, lateral: bool) -> exp.Expression:
        self.index += 3
        calls: list[exp.Expression] = []
        while True:
            if not self.is_function_item():
                raise self.error()
            calls.append(self.primary())
            if self.word() == "as":
                raise self.unsupported("a column definition list in ROWS FROM")
            if not self.accept(","):
                break
        self.expect(")")
        node = exp.Lateral(expressions=calls, lateral=lateral, rows_from=True)
        return self.mark(self.function_suffixes(node), index)

    def function_suffixes(self, node: exp.Lateral) -> exp.Lateral:
        """WITH ORDINALITY, alias, column definitions."""
        if self.accept_words("with", "ordinality"):
            node.set("ordinality", True)
        has_as = self.accept_word("as")
        if has_as and self.at("("):
            node.set("columns", self.column_definitions())
            return node
        if not has_as and not self.at_alias():
            return node
        name = self.identifier()
        columns: list[exp.Identifier] = []
        if self.at("("):
            if self.at(",", 2) or self.at(")", 2):
                columns = self.identifier_list()
            else:
                node.set("columns", self.column_definitions())
        node.set("alias", exp.TableAlias(this=name, columns=columns))
        return node

    def column_definitions(self) -> list[exp.Expression]:
        """(name type, ...)."""
        self.expect("(")
        found: list[exp.Expression] = []
        while True:
            name = self.identifier()
            index = self.index
            cast = self.cast_node(exp.Null(), parse_type(self), index)
            found.append(exp.ColumnDef(this=name, kind=cast.args["to"]))
            if self.word() == "collate":
                raise self.unsupported("COLLATE in a column definition list")
            if not self.accept(","):
                break
        self.expect(")")
        return found

    # --- relations and aliases --------------------------------------------------------------------

    def relation_name(self) -> exp.Table:
        """A possibly qualified relation name."""
        index = self.index
        parts = [self.identifier()]
        while self.accept("."):
            parts.append(self.label_identifier())
        if len(parts) > 3:
            shown = ".".join(part.name for part in parts)
            raise SyntaxError(
                f"improper qualified name (too many dotted names): {shown}",
                position=self.tokens.starts[index] + 1,
            )
        parts.reverse()
        node = exp.Table(
            this=parts[0],
            db=parts[1] if len(parts) > 1 else None,
            catalog=parts[2] if len(parts) > 2 else None,
        )
        return self.mark(node, index)

    def relation(self) -> exp.Table:
        """[ONLY] name [*]."""
        only = self.accept_word("only")
        bracketed = only and self.accept("(")
        node = self.relation_name()
        if bracketed:
            self.expect(")")
        if not only:
            self.accept_operator("*")
        node.set("only", only)
        return node

    def aliased_relation(self) -> exp.Table:
        node = self.relation()
        node.set("alias", self.table_alias())
        if self.word() == "tablesample":
            raise self.unsupported("TABLESAMPLE")
        return node

    def at_alias(self) -> bool:
        return self.at_name()

    def table_alias(self) -> exp.TableAlias | None:
        """[AS] name [(columns)]."""
        has_as = self.accept_word("as")
        if not has_as and not self.at_alias():
            return None
        name = self.identifier()
        return exp.TableAlias(this=name, columns=self.identifier_list() if self.at("(") else [])

    def identifier_list(self) -> list[exp.Identifier]:
        """(a, b, c)."""
        self.expect("(")
        names = [self.identifier()]
        while self.accept(","):
            names.append(self.identifier())
        self.expect(")")
        return names
