"""Ways to spoil JSON trees, for tests of what reads them."""

from __future__ import annotations

import copy
from random import Random
from typing import Any

ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 1 << 70, 1.5, "", "x", "@", [], [1], [[]], {}, {"@": 1}, {"@": "no such kind"},
    {"@": "bytes", "text": "zz"}, {"@": "bytes"}, {"@": "decimal", "text": "one"}, {"@": "float", "text": "nan"},
    {"@": "int", "text": "-0x8000000000000000"}, {"@": "SqlType", "oid": 23}, {"@": "SqlType"},
    {"@": "Address", "class_oid": 1, "oid": 2}, {"@": "expr.Const", "type": {"@": "SqlType", "oid": 23}},
    {"@": "function", "oid": 0, "name": "f", "arg_types": [], "return_type": 0},
    {"@": "function", "oid": 1, "name": "text_io", "arg_types": [25], "return_type": 999999, "form": "text"},
    {"@": "function", "oid": 0, "name": "f", "arg_types": [], "return_type": 23, "form": "elements"},
)  # fmt: skip


def spoiled(tree: Any, random: Random) -> Any:
    """A copy of the tree in which one place holds something else, is gone, doubled, or swapped with another."""
    found = copy.deepcopy(tree)
    places = list(_places(found))
    parent, key = random.choice(places)
    way = random.randrange(6)
    if way == 0:
        del parent[key]
    elif way == 1:
        other, other_key = random.choice(places)
        parent[key] = copy.deepcopy(other[other_key])
    elif way == 2 and isinstance(parent, list):
        parent.insert(key, copy.deepcopy(parent[key]))
    elif way == 3 and isinstance(parent, dict):
        parent[random.choice(["oid", "name", "extra", "@", "type", "columns"])] = parent.pop(key)
    elif way == 4 and isinstance(parent[key], int):
        parent[key] += random.choice([-1, 1, 1 << 40, -(1 << 40)])
    else:
        parent[key] = copy.deepcopy(random.choice(ODD_VALUES))
    return found


def _places(tree: Any) -> Any:
    """Every (container, key or number) in a tree."""
    items = list(tree.items()) if isinstance(tree, dict) else list(enumerate(tree))
    for key, value in items:
        yield tree, key
        if isinstance(value, (dict, list)):
            yield from _places(value)
