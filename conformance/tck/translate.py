"""Cypher's clauses as GQL's statements.

    WITH a, count(*) AS n ORDER BY n SKIP 1 LIMIT 2 WHERE n > 3
    RETURN a, COUNT(*) AS n GROUP BY a ORDER BY n OFFSET 1 LIMIT 2 NEXT FILTER n > 3

CREATE is INSERT, UNWIND is FOR, WITH is RETURN and NEXT (LET or FILTER where it keeps all columns).  Result columns get
the names that Cypher gives them: an expression's text.  What has no such translation raises NotGql.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tck.cursor import NotGql
from tck.cypher import NAME, QUOTED, NotCypher
from tck.expressions import Expressions, Piece
from tck.names import RESERVED, identifier


@dataclass(frozen=True)
class Translation:
    """GQL text, and what in it is Cypher's own."""

    text: str
    extensions: frozenset[str]


def translate(cypher: str) -> Translation:
    """A Cypher query in GQL.  Raises NotGql where there is no equivalent, NotCypher for what is no query."""
    clauses = Clauses(cypher)
    text = clauses.query()
    return Translation(text, frozenset(clauses.extensions))


@dataclass
class _Item:
    """An item of RETURN or WITH; `name` is the column's."""

    piece: Piece
    name: str
    is_named: bool


class Clauses(Expressions):
    """The translator of whole queries."""

    def query(self) -> str:
        """All of the text."""
        text = self._union()
        self.take_symbol(";")
        if not self.at_end():
            raise self.unexpected("the end")
        return text

    def subquery(self) -> str:
        """A query in braces."""
        return self._union()

    def _union(self) -> str:
        parts = [self._single()]
        while self.take_word("UNION"):
            parts.append("UNION ALL" if self.take_word("ALL") else "UNION DISTINCT")
            parts.append(self._single())
        return "\n".join(parts)

    def _single(self) -> str:
        statements: list[str] = []
        while not self.at_end() and not self.is_symbol("}", ";") and not self.is_word("UNION"):
            statements.append(self._clause(is_first=not statements))
        return "\n".join(statements)

    def _clause(self, is_first: bool) -> str:
        clauses: dict[str, Callable[[], str]] = {
            "MATCH": self._match,
            "OPTIONAL": self._match,
            "UNWIND": self._unwind,
            "CREATE": self._create,
            "MERGE": self._merge,
            "SET": self._set,
            "REMOVE": self._remove,
            "DELETE": self._delete,
            "DETACH": self._delete,
            "RETURN": self._return,
        }
        word = self.token.word
        if word == "WITH":
            return self._with(is_first)
        if word in ("CALL", "FOREACH", "LOAD", "START"):
            raise NotGql(f"{word} as Cypher has it")
        if word not in clauses:
            raise self.unexpected("a clause")
        return clauses[word]()

    # --- reading --------------------------------------------------------------------------------------------------

    def _match(self) -> str:
        optional = "OPTIONAL " if self.take_word("OPTIONAL") else ""
        self.expect_word("MATCH")
        text = f"{optional}MATCH {self.patterns()}"
        if self.take_word("WHERE"):
            text += f" WHERE {self.expression().text}"
        return text

    def _unwind(self) -> str:
        self.expect_word("UNWIND")
        piece = self.expression()
        self.expect_word("AS")
        return f"FOR {identifier(self.expect_name())} IN {piece.text}"

    def _return(self) -> str:
        self.expect_word("RETURN")
        distinct = "DISTINCT " if self.take_word("DISTINCT") else ""
        everything, items = self._items()
        tail = self._order_and_page()
        if everything and items:
            return f"{_let(items)}\nRETURN {distinct}*{tail}"
        return "RETURN " + distinct + ("*" if everything else _result(items)) + tail

    def _with(self, is_first: bool) -> str:
        self.expect_word("WITH")
        distinct = "DISTINCT " if self.take_word("DISTINCT") else ""
        everything, items = self._items(must_be_named=True)
        tail = self._order_and_page()
        begin = self.at
        condition = f"\nFILTER {self.expression().text}" if self.take_word("WHERE") else ""
        behind = self._names_between(begin, self.at)
        if everything and not distinct and not tail and not any(item.piece.aggregates for item in items):
            if not items and not condition and is_first:
                raise NotCypher("WITH * of nothing")
            return ((_let(items) if items else "") + condition).strip("\n") or "FILTER TRUE"
        if everything and items:
            raise NotGql("WITH * beside aggregates, DISTINCT, ORDER BY or LIMIT")
        kept = {item.name for item in items}
        if condition and not everything and not distinct and not tail and not behind <= kept:
            return _filtered_first(items, condition)
        return f"RETURN {distinct}{'*' if everything else _result(items)}{tail}\nNEXT{condition}"

    def _names_between(self, begin: int, end: int) -> set[str]:
        """The names in a range of tokens that may be variables."""
        found: set[str] = set()
        for index in range(begin, end):
            token, before, after = (
                self.tokens[index],
                self.tokens[index - 1].text,
                self.tokens[index + 1].text,
            )
            is_name = token.kind == QUOTED or (token.kind == NAME and token.word not in RESERVED)
            if is_name and before not in (".", ":", "|") and after not in ("(", ":"):
                found.add(token.text)
        return found

    def _items(self, must_be_named: bool = False) -> tuple[bool, list[_Item]]:
        """Whether there is a star, and the items."""
        everything = self.take_symbol("*")
        items: list[_Item] = []
        if everything and not self.take_symbol(","):
            return True, items
        while True:
            items.append(self._item(must_be_named))
            if not self.take_symbol(","):
                return everything, items

    def _item(self, must_be_named: bool) -> _Item:
        start = self.token.start
        piece = self.expression()
        end = self.tokens[self.at - 1].end
        if self.take_word("AS"):
            return _Item(piece, self.expect_name(), True)
        if must_be_named and not piece.variable:
            raise NotCypher("an expression of WITH has no name")
        return _Item(piece, piece.variable or self.source[start:end], False)

    def _order_and_page(self) -> str:
        text = " ORDER BY " + self._order() if self.take_word("ORDER", "BY") else ""
        for word, gql in (("SKIP", "OFFSET"), ("LIMIT", "LIMIT")):
            if self.take_word(word):
                count = self.expression().text
                if not count.isdigit() and not count.startswith("$"):
                    raise NotGql(f"{word} by an expression")
                text += f" {gql} {count}"
        return text

    def _order(self) -> str:
        keys: list[str] = []
        while True:
            key = self.expression().text
            for word, gql in (("DESCENDING", "DESC"), ("DESC", "DESC"), ("ASCENDING", "ASC"), ("ASC", "ASC")):
                if self.take_word(word):
                    key += f" {gql}"
            keys.append(key)
            if not self.take_symbol(","):
                return ", ".join(keys)

    # --- writing --------------------------------------------------------------------------------------------------

    def _create(self) -> str:
        self.expect_word("CREATE")
        return f"INSERT {self.patterns()}"

    def _merge(self) -> str:
        self.expect_word("MERGE")
        self.extensions.add("MERGE")
        text = f"MERGE {self.patterns()}"
        if "]-(" in text and "<-[" not in text:
            raise NotGql("MERGE of a relationship without direction")
        while self.take_word("ON"):
            action = self.expect_name().upper()
            text += f" ON {action} {self._set()}"
        return text

    def _set(self) -> str:
        self.expect_word("SET")
        items: list[str] = []
        while True:
            items += self._set_item()
            if not self.take_symbol(","):
                return "SET " + ", ".join(items) if items else "FILTER TRUE"

    def _set_item(self) -> list[str]:
        if self.is_symbol("("):
            raise NotGql("SET of an expression's property")
        target = identifier(self.expect_name())
        if self.is_symbol(":"):
            return [f"{target}:{label}" for label in self._labels("&").split("&")]
        if self.take_symbol("."):
            name = identifier(self.expect_name())
            if self.is_symbol("."):
                raise NotGql("SET of a property's part")
            self.expect_symbol("=")
            return [f"{target}.{name} = {self.expression().text}"]
        adds = self.take_symbol("+=")
        if not adds:
            self.expect_symbol("=")
        if not self.is_symbol("{"):
            raise NotGql("SET of all properties by an expression")
        entries = [(identifier(name), piece.text) for name, piece in self.map_entries()]
        if adds:
            return [f"{target}.{name} = {value}" for name, value in entries]
        return [f"{target} = {{" + ", ".join(f"{name}: {value}" for name, value in entries) + "}"]

    def _remove(self) -> str:
        self.expect_word("REMOVE")
        items: list[str] = []
        while True:
            target = identifier(self.expect_name())
            if self.is_symbol(":"):
                items += [f"{target}:{label}" for label in self._labels("&").split("&")]
            else:
                self.expect_symbol(".")
                items.append(f"{target}.{identifier(self.expect_name())}")
            if not self.take_symbol(","):
                return "REMOVE " + ", ".join(items)

    def _delete(self) -> str:
        detach = "DETACH " if self.take_word("DETACH") else ""
        self.expect_word("DELETE")
        items = [self.expression()]
        while self.take_symbol(","):
            items.append(self.expression())
        if not all(item.variable for item in items):
            self.extensions.add("DELETE of an expression")
        return f"{detach}DELETE " + ", ".join(item.text for item in items)


def _filtered_first(items: list[_Item], condition: str) -> str:
    """WITH items WHERE a condition that sees what was there before: new names, the condition, then the projection."""
    if any(item.piece.aggregates for item in items):
        raise NotGql("WHERE behind WITH that sees variables from before an aggregation")
    new = [item for item in items if item.piece.variable != item.name]
    definitions = f"{_let(new)}\n" if new else ""
    names = ", ".join(identifier(item.name) for item in items)
    return f"{definitions}{condition.strip()}\nRETURN {names}\nNEXT"


def _let(items: list[_Item]) -> str:
    return "LET " + ", ".join(f"{identifier(item.name)} = {item.piece.text}" for item in items)


def _result(items: list[_Item]) -> str:
    """RETURN's items, and by what they are grouped if some aggregate."""
    texts = [
        item.piece.text
        if item.piece.variable == item.name
        else f"{item.piece.text} AS {identifier(item.name)}"
        for item in items
    ]
    text = ", ".join(texts)
    if not any(item.piece.aggregates for item in items):
        return text
    keys = [identifier(item.name) for item in items if not item.piece.aggregates]
    return f"{text} GROUP BY {', '.join(keys) or '()'}"
