"""The parse tables (see make_tables.py), read when the first GQL text arrives: some 30 ms, once per process."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Final

from skerry_engine.sql.lexer import (
    END,
    HEX_STRING,
    INTEGER,
    NAMED_PARAMETER,
    NUMERIC,
    PARAMETER,
    QUOTED,
    STRING,
)

_CLASSES: Final = {
    END: "$END",
    QUOTED: "QUOTED",
    STRING: "STRING",
    INTEGER: "INTEGER",
    NUMERIC: "NUMERIC",
    PARAMETER: "PARAM",
    NAMED_PARAMETER: "PARAM",
    HEX_STRING: "BYTES",
    20: "FLOAT",
    21: "DOUBLE_QUOTED",
    22: "REFERENCE",
}
_SYNONYMS: Final = {"VERTEX": "NODE", "RELATIONSHIP": "EDGE", "RELATIONSHIPS": "EDGES"}

# Two tokens that tell together what the first of them alone does not: (word, what follows) -> terminal
_PAIRS: Final = {
    ("WITH", "TIME"): "WITH_TIME",
    ("WITHOUT", "TIME"): "WITH_TIME",
    ("LIST", "<"): "LIST_OF",
    ("ARRAY", "<"): "LIST_OF",
    ("ANY", "<"): "ANY_OF",
    ("ANY", "VALUE"): "ANY_VALUE",
    ("VALUE", "<"): "VALUE_OF",
    ("PROPERTY", "VALUE"): "PROPERTY_VALUE",
    ("RECORD", "{"): "RECORD_OF",
}

RESERVED: Final = frozenset(
    """
    ALL AND ANY AS ASC ASCENDING AT BY CALL CASE CAST CREATE DELETE DESC DESCENDING DETACH DISTINCT DROP ELSE END
    ENDS EXCEPT EXISTS FALSE FILTER FINISH FOR FROM GROUP IF IN INSERT INTERSECT IS LET LIKE LIMIT MATCH MERGE NEXT
    NODETACH NOT NULL OFFSET OPTIONAL OR ORDER OTHERWISE REMOVE RETURN SELECT SET SKIP THEN TRUE UNION UNKNOWN USE
    WHEN WHERE WITH XOR YIELD
    """.split()
)
"""Words that are no variables.  They can still name labels, properties, aliases, graphs."""


class Rule:
    """One production: what to do when its symbols have been read."""

    __slots__ = ("action", "is_list", "is_plain", "length", "nonterminal", "only", "plan", "trailing")

    def __init__(self, nonterminal: int, length: int, action: str, plan: list[list[int]]) -> None:
        self.nonterminal: int = nonterminal
        self.length: int = length
        self.action: str = action
        self.trailing: int = plan[-1][0]
        self.plan: list[tuple[int, bool, int]] = [(p[0], p[1] == 1, p[2]) for p in plan[:-1]]
        self.is_list: bool = action == "[]"
        self.only: int = self.plan[0][0] if action == "" else -1
        # every symbol a child, in order
        self.is_plain: bool = (
            self.trailing == 0
            and [p[0] for p in self.plan] == list(range(length))
            and not any(p[1] or p[2] for p in self.plan)
        )


class Tables:
    """The automaton and what its terminals are called."""

    def __init__(self, source: str) -> None:
        raw = json.loads(source)
        self.terminals: list[str] = raw["terminals"]
        self.rules: list[Rule] = [Rule(*rule) for rule in raw["rules"]]
        rows: list[dict[int, int]] = [{t: code for code, ts in row for t in ts} for row in raw["rows"]]
        gotos: list[dict[int, int]] = [dict(zip(g[::2], g[1::2], strict=True)) for g in raw["gotos"]]
        self.actions: list[dict[int, int]] = [rows[row] for row, _ in raw["states"]]
        self.gotos: list[dict[int, int]] = [gotos[goto] for _, goto in raw["states"]]
        self.starts: dict[str, tuple[int, int]] = {name: (s[0], s[1]) for name, s in raw["starts"].items()}
        self.numbers: dict[str, int] = {name: number for number, name in enumerate(self.terminals)}
        self.identifier: int = self.numbers["IDENT"]
        self.end: int = self.numbers["$END"]
        self.integer: int = self.numbers["INTEGER"]
        self.classes: dict[int, int] = {kind: self.numbers[name] for kind, name in _CLASSES.items()}
        self.words: dict[str, int] = {
            word: number for word, number in self.numbers.items() if word[0].isalpha() and "_OF" not in word
        }
        for word in ["IDENT", *_CLASSES.values(), *_PAIRS.values()]:
            self.words.pop(word, None)
        for word, synonym in _SYNONYMS.items():
            self.words[word] = self.numbers[synonym]
        self.pairs: dict[tuple[str, str], int] = {p: self.numbers[name] for p, name in _PAIRS.items()}
        self.first_of_pairs: frozenset[str] = frozenset(first for first, _ in _PAIRS)
        keywords = set(self.words.values()) | set(self.pairs.values())
        self.keywords: frozenset[int] = frozenset(keywords)
        self.reserved: frozenset[int] = frozenset(self.words[w] for w in RESERVED if w in self.words)


@lru_cache(maxsize=1)
def tables() -> Tables:
    """The tables of this version's grammar."""
    return Tables((Path(__file__).parent / "tables.json").read_text(encoding="utf-8"))
