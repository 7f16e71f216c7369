"""What stands in FROM: tables, subqueries, functions and joins, with their aliases.

The nodes that come out are listed in `bridge`.
"""

from __future__ import annotations

from sqlglot import expressions as exp

from skerry_engine.errors import SyntaxError
from skerry_engine.sql import keywords
from skerry_engine.sql.graph_table import closing_index, graph_table_text
from skerry_engine.sql.lexer import QUOTED, WORD
from skerry_engine.sql.normalise import Normalised
from skerry_engine.sql.primary_syntax import QUERY_CONTINUES, QUERY_WORDS
from skerry_engine.sql.special_calls import SpecialCallParser
from skerry_engine.sql.types_syntax import parse_type

_JOIN_WORDS = frozenset(("join", "cross", "inner", "left", "right", "full", "natural"))


class FromParser(SpecialCallParser):
    """Adds FROM items to the expression grammar."""

    def __init__(self, source: Normalised) -> None:
        super().__init__(source)
        self.item_parentheses = 0  # how many parentheses around a FROM item are open

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
        if self.word() == "graph_table" and self.at("(", 1):
            return self.graph_table(index)
        if self.is_function_item():
            return self.function_item(index, False)
        if self.word() in ("xmltable",) and self.at("(", 1):
            raise self.unsupported("XMLTABLE")
        return self.aliased_relation()

    def graph_table(self, index: int) -> exp.Expression:
        """GRAPH_TABLE (...) [AS] [alias]: what is in the brackets is for GQL's parser."""
        end = closing_index(self.tokens, index + 1)
        if not self.at(")", end - index):
            raise self.error(end)
        text = graph_table_text(self.tokens, index + 2, end, self.tokens.starts[index] + 1)
        node = exp.TableFromRows(this=exp.Literal.string(text.text))
        node.meta["graph_table"] = text
        self.index = end + 1
        node.set("alias", self.table_alias())
        return self.mark(node, index)

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
        if self.word() == "graph_table" and self.at("(", 1):
            return self.graph_table(self.index)  # which is lateral without the word, too
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
