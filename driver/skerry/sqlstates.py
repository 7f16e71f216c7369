"""From a SQLSTATE back to the exception class, for errors that come over the network.

The classes are those of `skerry_engine.errors`, so `except skerry.UniqueViolation` works embedded and over
the network alike.  Two classes can share a SQLSTATE (40001 is T001 or T005): the Skerry code, which travels
in field R of ErrorResponse, tells them apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from skerry_engine import errors

_BY_CLASS: dict[str, type[errors.DatabaseError]] = {
    "0A": errors.NotSupportedError,
    "08": errors.OperationalError,
    "21": errors.ProgrammingError,
    "22": errors.DataError,
    "23": errors.IntegrityError,
    "25": errors.InternalError,
    "28": errors.OperationalError,
    "40": errors.OperationalError,
    "42": errors.ProgrammingError,
    "53": errors.OperationalError,
    "54": errors.OperationalError,
    "55": errors.OperationalError,
    "57": errors.OperationalError,
    "58": errors.OperationalError,
    "XX": errors.InternalError,
}


def _subclasses(cls: type[errors.DatabaseError]) -> Iterator[type[errors.DatabaseError]]:
    """All of them, the more general ones first: of several with one SQLSTATE it stands for the most general."""
    level: list[type[errors.DatabaseError]] = [cls]
    while level:
        level = [child for parent in level for child in parent.__subclasses__()]
        yield from level


def _index() -> dict[tuple[str, str | None], type[errors.DatabaseError]]:
    found: dict[tuple[str, str | None], type[errors.DatabaseError]] = {}
    for cls in _subclasses(errors.DatabaseError):
        if "sqlstate" in cls.__dict__:
            found.setdefault((cls.sqlstate, cls.code), cls)
    return found


_BY_SQLSTATE = _index()
_BY_GQLSTATUS = {
    (cls.sqlstate, cls.gqlstatus): cls
    for cls in _subclasses(errors.DatabaseError)
    if "gqlstatus" in cls.__dict__ and "sqlstate" not in cls.__dict__
}
_CODES = sorted({code for _, code in _BY_SQLSTATE if code is not None})


def error_class(
    sqlstate: str, code: str | None = None, gqlstatus: str | None = None
) -> type[errors.DatabaseError]:
    """The class for a SQLSTATE and a Skerry code, or a GQLSTATUS of its own; the SQLSTATE's category when Skerry has
    no class for it."""
    own = _BY_GQLSTATUS.get((sqlstate, gqlstatus))
    if own is not None:
        return own
    for candidate in (code, None, *_CODES):
        found = _BY_SQLSTATE.get((sqlstate, candidate))
        if found is not None:
            return found
    return _BY_CLASS.get(sqlstate[:2], errors.DatabaseError)


def error_from_fields(fields: Mapping[str, str]) -> errors.DatabaseError:
    """The exception for an ErrorResponse, its fields keyed by their one-letter codes."""
    sqlstate = fields.get("C", "XX000")
    routine = fields.get("R")
    cls = error_class(sqlstate, routine if routine in _CODES else None, fields.get("G"))
    position = fields.get("P", "")
    error = cls(
        fields.get("M", ""),
        detail=fields.get("D"),
        hint=fields.get("H"),
        position=int(position) if position.isdigit() else None,
        context=fields.get("W"),
        schema=fields.get("s"),
        table=fields.get("t"),
        column=fields.get("c"),
        datatype=fields.get("d"),
        constraint=fields.get("n"),
    )
    if error.sqlstate != sqlstate:
        error.sqlstate = sqlstate
    return error
