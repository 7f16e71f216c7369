"""The names that templates use: helpers which generated code calls or reads.

`helper` adds a function under its own name; constants are added by assignment.  The code generator gives a
query's source this dictionary (or a copy) as its globals.
Names beginning with `_` are the generated code's own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

NAMESPACE: dict[str, object] = {}

_F = TypeVar("_F", bound=Callable[..., object])


def helper(function: _F) -> _F:
    """Make `function` available to templates under its name."""
    name = function.__name__
    assert name not in NAMESPACE, name
    NAMESPACE[name] = function
    return function
