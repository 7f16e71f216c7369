"""Grammar to parse tables: `python -m skerry_engine.gql.make_tables` writes tables.json beside it.

lark reads grammar.lark and works out the LALR(1) automaton.  That takes a second, so it is done when the grammar
changes, not when somebody opens a database: the tables are package data, and running them (parser.py) needs no lark.
A test compares them with the grammar.

    terminals   names; a keyword or punctuation stands as it is written, token classes as lark names them
    rules       [nonterminal, length, action, plan]
                action   the builder's method; "" hands the one child through; "[]" makes a list for the rule above
                plan     which symbols become children: [index, is a list to lay open, Nones before] ..., [Nones]
    rows        what a state does on a terminal: [code, [terminals]] ...; n > 0: go to state n; -n: reduce rule n - 1
    gotos       what state follows a nonterminal: [nonterminal, state, ...]
    states      [row, goto] for each
    starts      the first state for each start symbol, and the one in which it has been read
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

STARTS: Final = ("program", "graph_table")
HERE: Final = Path(__file__).parent


def read_grammar(grammar: str) -> Any:
    """The grammar as lark understands it, with its automaton.  Raises lark's GrammarError for conflicts."""
    from lark import Lark
    from lark.lexer import Lexer

    class NoLexer(Lexer):
        def __init__(self, _conf: object) -> None:
            pass

        def lex(self, *_: object) -> Iterator[Any]:
            return iter(())

    return Lark(
        grammar, parser="lalr", lexer=NoLexer, start=list(STARTS), maybe_placeholders=True, strict=True
    )


class _Writer:
    """Numbers what lark names, always in the same way: lark's own numbers differ from run to run."""

    def __init__(self, reader: Any) -> None:
        self.table = reader.parser.parser._parse_table
        self.rules: list[Any] = sorted(reader.rules, key=_rule_order)
        written = {t.name: t.pattern.value for t in reader.terminals}
        used = {symbol.name for rule in self.rules for symbol in rule.expansion if symbol.is_term}
        names = ["$END", *sorted(used - written.keys()), *sorted(written)]
        self.terminal_numbers = {name: number for number, name in enumerate(names)}
        self.terminals = [written.get(name, name) for name in names]
        origins = {rule.origin.name for rule in self.rules} | {f"$root_{start}" for start in STARTS}
        self.nonterminals = {name: number for number, name in enumerate(sorted(origins))}
        self.rule_numbers = {rule: number for number, rule in enumerate(self.rules)}
        self.rows: dict[str, int] = {}
        self.gotos: dict[str, int] = {}
        self.order = self._order()
        # 0 is no state, so that a code's sign tells shift from reduce
        self.state_numbers = {state: number for number, state in enumerate(self.order, 1)}

    def _order(self) -> list[int]:
        """All states, in the order in which a walk from the start symbols meets them."""
        order = [self.table.start_states[start] for start in STARTS]
        seen = set(order)
        for state in order:
            for _, (action, argument) in sorted(self.table.states[state].items()):
                if _is_shift(action) and argument not in seen:
                    seen.add(argument)
                    order.append(argument)
        return order

    def tables(self) -> dict[str, Any]:
        states = [[0, 0]] + [self._state(self.table.states[state]) for state in self.order]
        starts = {
            start: [self.state_numbers[self.table.start_states[start]], self._end(start)] for start in STARTS
        }
        return {
            "terminals": self.terminals,
            "rules": [self._rule(rule) for rule in self.rules],
            "rows": [json.loads(row) for row in self.rows],
            "gotos": [json.loads(row) for row in self.gotos],
            "states": states,
            "starts": starts,
        }

    def _end(self, start: str) -> int:
        return self.state_numbers[self.table.end_states[start]]

    def _state(self, transitions: dict[str, Any]) -> list[int]:
        groups: dict[int, list[int]] = {}
        goto: list[int] = []
        for name, (action, argument) in sorted(transitions.items()):
            if name not in self.terminal_numbers:
                goto += [self.nonterminals[name], self.state_numbers[argument]]
                continue
            code = self.state_numbers[argument] if _is_shift(action) else -1 - self.rule_numbers[argument]
            groups.setdefault(code, []).append(self.terminal_numbers[name])
        row = [[code, sorted(terminals)] for code, terminals in sorted(groups.items())]
        return [
            self.rows.setdefault(json.dumps(row), len(self.rows)),
            self.gotos.setdefault(json.dumps(goto), len(self.gotos)),
        ]

    def _rule(self, rule: Any) -> list[Any]:
        plan = self._plan(rule)
        is_single = len(plan) == 2 and plan[-1] == [0] and not plan[0][1] and not plan[0][2]
        if rule.origin.name.startswith("_"):
            action = "[]"
        elif rule.options.expand1 and not rule.alias and is_single:
            action = ""
        else:
            action = rule.alias or rule.origin.name
        return [self.nonterminals[rule.origin.name], len(rule.expansion), action, plan]

    @staticmethod
    def _plan(rule: Any) -> list[list[int]]:
        """Which symbols become children, with the Nones for what is missing of [...] before and behind them."""
        missing = rule.options.empty_indices or [False] * len(rule.expansion)
        gaps = [len(gap) for gap in "".join(str(int(is_empty)) for is_empty in missing).split("0")]
        plan: list[list[int]] = []
        nones = 0
        for index, symbol in enumerate(rule.expansion):
            nones += gaps[index]
            if not symbol.is_term or rule.options.keep_all_tokens or not symbol.filter_out:
                is_list = not symbol.is_term and symbol.name.startswith("_")
                plan.append([index, int(is_list), nones])
                nones = 0
        return [*plan, [nones + gaps[len(rule.expansion)]]]


def _is_shift(action: object) -> bool:
    return str(action) == "Shift"


def _rule_order(rule: Any) -> tuple[object, ...]:
    return rule.origin.name, [symbol.name for symbol in rule.expansion], rule.alias or "", rule.order


def written_tables() -> str:
    """What tables.json is to hold."""
    reader = read_grammar((HERE / "grammar.lark").read_text(encoding="utf-8"))
    return json.dumps(_Writer(reader).tables(), separators=(",", ":")) + "\n"


def main() -> None:
    """Write the tables of the grammar beside this module."""
    (HERE / "tables.json").write_text(written_tables(), encoding="utf-8")


if __name__ == "__main__":
    main()
