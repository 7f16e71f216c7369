"""Tokens to syntax tree: an LALR(1) automaton run over grammar.lark's tables.

    tokens ──kind, keyword──> terminals ──tables──> shifts and reductions ──builders──> tree

The stack holds states, what has been built, and where each piece begins.  A reduction calls the builder that its rule
names, with the text's `Source`, the position, and the children (see grammar.lark).

Keywords are no reserved words.  A word that is a keyword is read as a name

- where the state knows no such keyword, but a name: `(n:Order)`, `n.limit`, `{value: 1}`, `AS count`.  Reserved words
  (tables.RESERVED) only where no value can begin, so that `WHERE x = RETURN x` fails at RETURN;
- where the state knows both, and what follows the keyword is not what it asks for: `RETURN path`, `LET date = 1`.
  Never for reserved words.

Errors name what stands there and what could.  For that the automaton is run dry for every terminal: LALR tables know
only whether a terminal may follow in some context, this one may be another.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from skerry_engine import errors
from skerry_engine.gql import tree
from skerry_engine.gql.build_actions import ACTIONS
from skerry_engine.gql.diagnosis import located, unexpected
from skerry_engine.gql.lexer import tokenize
from skerry_engine.gql.source import Source, Unlift
from skerry_engine.gql.tables import Rule, Tables, tables
from skerry_engine.sql.lexer import PUNCTUATION, QUOTED, WORD, Tokens
from skerry_engine.sql.normalise import Normalised

_T = TypeVar("_T")


def parse(text: str) -> tree.Program:
    """The program that a text holds; its literals stay in the tree.  Raises SyntaxError."""
    return parse_tokens(_tokens(text))


def parse_tokens(tokens: Tokens) -> tree.Program:
    """The program that a token list holds, nothing lifted.  Raises SyntaxError."""
    return _run(Source(tokens, {}), "program", tree.Program)


def parse_normalised(normalised: Normalised) -> tree.Program:
    """The program of a normalised statement.  A lifted literal that is none is put back (`unlift`)."""
    return _unlifting(normalised, "program", tree.Program)


def parse_graph_table(text: str) -> tree.GraphTable:
    """What stands in the brackets of GRAPH_TABLE, its literals in the tree.  Raises SyntaxError."""
    return _run(Source(_tokens(text), {}), "graph_table", tree.GraphTable)


def parse_graph_table_tokens(tokens: Tokens, literal_at: dict[int, int]) -> tree.GraphTable:
    """As `parse_graph_table`; `literal_at` tells for a token's index which lifted literal it stands for.

    Raises `source.Unlift` if one of them is no value.
    """
    return _run(Source(tokens, literal_at), "graph_table", tree.GraphTable)


def _tokens(text: str) -> Tokens:
    try:
        return tokenize(text)
    except errors.SyntaxError as error:
        raise located(error, text) from None


def _unlifting(normalised: Normalised, start: str, result: type[_T]) -> _T:
    try:
        return _run(Source(normalised.tokens, normalised.literal_at), start, result)
    except Unlift:
        normalised.unlift()
        return _run(Source(normalised.tokens, {}), start, result)


def _run(source: Source, start: str, result: type[_T]) -> _T:
    try:
        built = Automaton(tables(), source, ACTIONS).run(start)
    except errors.SyntaxError as error:
        raise located(error, source.tokens.text) from None
    except RecursionError:
        raise errors.StatementTooComplex("the statement is nested too deeply") from None
    assert isinstance(built, result)
    return built


class Automaton:
    """One run over one statement's tokens."""

    def __init__(self, table: Tables, source: Source, actions: dict[str, Callable[..., object]]) -> None:
        self.table: Tables = table
        self.source: Source = source
        self.actions: dict[str, Callable[..., object]] = actions
        self.terminals: list[int] = terminals_of(table, source.tokens)
        self.states: list[int] = []
        self.values: list[object] = []
        self.positions: list[int] = []

    def run(self, start: str) -> object:
        """Read everything; what the start symbol's builder returned."""
        table = self.table
        actions = table.actions
        rules = table.rules
        first, last = table.starts[start]
        states, values, positions = self.states, self.values, self.positions
        states.append(first)
        starts = self.source.tokens.starts
        index = 0
        terminal = self.terminals[0]
        row = actions[first]
        while True:
            code = row.get(terminal, 0)
            if code >= 0:
                if code == 0 or terminal in table.keywords:
                    chosen = self.chosen(index, row, code)
                    if chosen != terminal:
                        terminal = chosen
                        continue
                states.append(code)
                values.append(self.value(index, terminal))
                positions.append(starts[index] + 1)
                row = actions[code]
                index += 1
                terminal = self.terminals[index]
                continue
            rule = rules[-1 - code]
            self.reduce(rule, index)
            state = table.gotos[states[-1]][rule.nonterminal]
            states.append(state)
            if state == last and terminal == table.end:
                return values[-1]
            row = actions[state]

    def reduce(self, rule: Rule, index: int) -> None:
        """Replace a rule's symbols on the stacks by what its builder makes of them."""
        length = rule.length
        states, values, positions = self.states, self.values, self.positions
        if length == 0:
            position = self.source.tokens.starts[index] + 1
            positions.append(position)
            values.append(self.build(rule, position, []))
            return
        del states[-length:]
        if length == 1 and rule.only == 0:
            return
        position = positions[-length]
        symbols = values[-length:]
        del values[-length:]
        if length > 1:
            del positions[-length + 1 :]
        values.append(self.build(rule, position, symbols))

    def build(self, rule: Rule, position: int, symbols: list[object]) -> object:
        """What a rule makes of its symbols."""
        if rule.only >= 0:
            return symbols[rule.only]
        children = symbols if rule.is_plain else _children(rule, symbols)
        return children if rule.is_list else self.actions[rule.action](self.source, position, *children)

    def value(self, index: int, terminal: int) -> object:
        """What a token is to the builders: a name its text, anything else its index."""
        if terminal == self.table.identifier or self.source.tokens.kinds[index] == QUOTED:
            return self.source.tokens.values[index]
        return index

    def chosen(self, index: int, row: dict[int, int], code: int) -> int:
        """The terminal that token `index` is in a state that does `code` on what it is by itself.

        Raises SyntaxError if it can stand there neither as it is nor as a name.
        """
        table = self.table
        terminal = self.terminals[index]
        name = table.identifier
        if terminal in table.keywords and name in row:
            if code == 0:
                if terminal not in table.reserved or table.integer not in row:
                    return name
            elif terminal not in table.reserved:
                following = self.terminals[index + 1]
                after = table.actions[code]
                if following not in after and (following not in table.keywords or name not in after):
                    return name
        if code == 0:
            if terminal in table.pairs.values():
                alone = table.words.get(self.source.tokens.values[index].upper(), name)
                if alone in row:
                    return alone
            raise unexpected(self.source.tokens, index, self.expected())
        return terminal

    def expected(self) -> list[str]:
        """The terminals that could stand at the place reached."""
        table = self.table
        return [
            table.terminals[terminal] for terminal in table.actions[self.states[-1]] if self.accepts(terminal)
        ]

    def accepts(self, terminal: int) -> bool:
        """Whether the automaton would take `terminal` next: run without building anything."""
        table = self.table
        states = list(self.states)
        lasts = [last for _, last in table.starts.values()]
        while True:
            code = table.actions[states[-1]].get(terminal, 0)
            if code >= 0:
                return code > 0
            rule = table.rules[-1 - code]
            if rule.length:
                del states[-rule.length :]
            states.append(table.gotos[states[-1]][rule.nonterminal])
            if terminal == table.end and states[-1] in lasts:
                return True


def _children(rule: Rule, symbols: list[object]) -> list[object]:
    """The symbols that the builder gets, lists laid open, with None for what is missing."""
    children: list[object] = []
    for index, is_list, nones in rule.plan:
        for _ in range(nones):
            children.append(None)
        if is_list:
            found = symbols[index]
            assert isinstance(found, list)
            if not children and index == 0:
                children = found  # a list's rule lengthens the list that it began with
            else:
                children += found
        else:
            children.append(symbols[index])
    for _ in range(rule.trailing):
        children.append(None)
    return children


def terminals_of(table: Tables, tokens: Tokens) -> list[int]:
    """The terminal of each token, for a word that of its keyword."""
    found: list[int] = []
    kinds, values = tokens.kinds, tokens.values
    words, classes, numbers = table.words, table.classes, table.numbers
    for index, kind in enumerate(kinds):
        if kind == WORD:
            word = values[index].upper()
            terminal = words.get(word, table.identifier)
            if word in table.first_of_pairs:
                terminal = table.pairs.get((word, values[index + 1].upper()), terminal)
            found.append(terminal)
        elif kind == PUNCTUATION:
            found.append(numbers.get(values[index], -1))
        else:
            found.append(classes[kind])
    return found
