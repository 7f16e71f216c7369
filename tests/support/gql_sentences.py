"""Random sentences of GQL's grammar, of any of its symbols."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from skerry_engine.gql.make_tables import HERE, read_grammar

WORDS_WANTED = 25
NAMES = ["a", "b", "x", "Person", "été", "count", "date", "path", "value", "Trail", "v"]
# Quoted ones are not for every place: they stand where the grammar asks for QUOTED
TOKENS: dict[str, list[str]] = {
    "IDENT": NAMES,
    "QUOTED": ["`x y`", "`a``b`", "`match`", "`\\u00e9`"],
    "DOUBLE_QUOTED": ['"x"', '"it\'s ""so"""', '"\\n"'],
    "STRING": ["'x'", "''", "'it''s'", "'\\\\ \\' \\t'", "@'a\\b'"],
    "INTEGER": ["0", "1", "7", "1_000", "0x1F", "9223372036854775808"],
    "NUMERIC": ["1.5", ".5", "3.", "2M", "1e3M"],
    "FLOAT": ["1e3", "2.5F", "1e-07", "3D"],
    "BYTES": ["X''", "x'0A ff'"],
    "PARAM": ["$p", "$1", "$`a b`"],
    "REFERENCE": ["$$g"],
}
SPLIT = {
    "WITH_TIME": ["WITH", "WITHOUT"],
    "LIST_OF": ["LIST", "ARRAY"],
    "ANY_OF": ["ANY"],
    "ANY_VALUE": ["ANY"],
    "VALUE_OF": ["VALUE"],
    "PROPERTY_VALUE": ["PROPERTY"],
    "RECORD_OF": ["RECORD"],
}
Rules = dict[str, list[list[Any]]]


@lru_cache(maxsize=1)
def grammar() -> tuple[Rules, dict[str, str], dict[str, int]]:
    """Rules by nonterminal, terminals as they are written, and how deep each nonterminal's shortest tree is."""
    reader = read_grammar((HERE / "grammar.lark").read_text(encoding="utf-8"))
    written = {t.name: t.pattern.value for t in reader.terminals}
    rules: Rules = {}
    for rule in reader.rules:
        rules.setdefault(rule.origin.name, []).append(list(rule.expansion))
    depths: dict[str, int] = {}
    while len(depths) < len(rules):
        for name, choices in rules.items():
            known = [d for d in (depth_of(choice, depths) for choice in choices) if d is not None]
            if known:
                depths[name] = min(known) + 1
    return rules, written, depths


def depth_of(symbols: list[Any], depths: dict[str, int]) -> int | None:
    found = [0 if s.is_term else depths.get(s.name) for s in symbols]
    return None if None in found else max((d for d in found if d is not None), default=0)


class Speaker:
    """Says random sentences; `tokens` are what names and literals to take from."""

    def __init__(self, seed: int, tokens: Mapping[str, Sequence[str]] = TOKENS) -> None:
        self.random = random.Random(seed)
        self.tokens = tokens
        self.rules, self.written, self.depths = grammar()

    def sentence(self, start: str) -> str:
        words: list[str] = []
        self.say(start, words)
        return " ".join(words)

    def say(self, name: str, words: list[str]) -> None:
        choices = self.rules[name]
        if len(words) < WORDS_WANTED:
            choice = self.random.choice(choices)
        else:
            choice = min(choices, key=lambda c: depth_of(c, self.depths) or 0)
        for symbol in choice:
            if symbol.is_term:
                words.append(self.word(symbol.name))
            else:
                self.say(symbol.name, words)

    def word(self, name: str) -> str:
        if name in self.tokens:
            return self.random.choice(self.tokens[name])
        text = self.written[name]
        text = self.random.choice(SPLIT[text]) if text in SPLIT else text
        return text.lower() if self.random.random() < 0.2 else text
