"""Parameters that a session keeps: SESSION SET VALUE $name = value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from skerry_engine.session.state import SessionState


@dataclass(frozen=True, slots=True)
class SessionParameter:
    """A parameter of the session.  `kind` 'value': a value of the type `type_oid`; 'graph': a graph as the setting
    names it."""

    kind: str
    value: object
    type_oid: int = 0


def session_values(session: SessionState, names: Sequence[str]) -> tuple[list[int], list[object]] | None:
    """The types and values of a statement's parameters, all of them the session's; None where one is not."""
    found = [session.graph_parameters.get(name) for name in names]
    known = [each for each in found if isinstance(each, SessionParameter) and each.kind == "value"]
    if not known or len(known) < len(found):
        return None
    return [each.type_oid for each in known], [each.value for each in known]
