"""What PEP 249 wants of the module itself, and what connections and cursors of both worlds share.

Nothing here talks to a database.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from skerry.abc import ColumnInfo
from skerry_engine import errors

apilevel = "2.0"
threadsafety = 2
paramstyle = "pyformat"

Description = tuple[str, int, None, None, int | None, int | None, None]
ErrorHandler = Callable[[Any, Any, type[errors.Error], errors.Error], object]
"""Called with the connection, the cursor (or None), the error's class and the error; it should raise one."""
Message = tuple[type[Exception], Exception]

_NUMERIC_OID = 1700
_LENGTH_OIDS = (1042, 1043)
_MODIFIER_OFFSET = 4

_SKIPPED = r"(?:\s|--[^\n]*\n|/\*.*?\*/)*"
_TRANSACTION_WORDS = re.compile(
    rf"{_SKIPPED}(?:BEGIN|START|COMMIT|END|ROLLBACK|ABORT)\b", re.IGNORECASE | re.DOTALL
)


def is_about_transactions(text: str) -> bool:
    """Whether the statement is about transactions themselves: no BEGIN goes before it."""
    return _TRANSACTION_WORDS.match(text) is not None


def described(column: ColumnInfo) -> Description:
    """A column as `Cursor.description` has it."""
    oid, modifier = column.type_oid, column.type_modifier
    precision = scale = None
    if oid == _NUMERIC_OID and modifier >= _MODIFIER_OFFSET:
        precision = (modifier - _MODIFIER_OFFSET) >> 16
        scale = (modifier - _MODIFIER_OFFSET) & 0xFFFF
    elif oid in _LENGTH_OIDS and modifier >= _MODIFIER_OFFSET:
        precision = modifier - _MODIFIER_OFFSET
    return (column.name, oid, None, None, precision, scale, None)


class Rollback(Exception):
    """Raised inside `with connection.transaction()`: rolls that block back and leaves it, quietly.

    With a block as its argument that one is left, and all those inside it.
    """

    def __init__(self, block: object = None) -> None:
        super().__init__(block)
        self.block = block


class ServerInfo(NamedTuple):
    """What a connection is connected to.

    `host` is '' and `port` 0 for a database in this process; `backend_pid` is the session's number there, 0 if it has
    none.  `settings` are those that a server reports.
    """

    host: str
    port: int
    database: str
    user: str
    backend_pid: int
    server_version: str
    settings: dict[str, str]


# --- two-phase commit ---------------------------------------------------------------------------------------

_MAX_FORMAT_ID = 0x7FFF_FFFF
_MAX_PART = 64


@dataclass(frozen=True, slots=True)
class Xid:
    """A transaction's name in two-phase commit, as X/Open has it; its three parts can be taken apart like a tuple's.

    Names that were not made by `Connection.xid` have no `format_id`: all is in `gtrid`.  `prepared`, `owner` and
    `database` are told by `tpc_recover`.
    """

    format_id: int | None
    gtrid: str
    bqual: str
    prepared: object = field(default=None, compare=False)
    owner: str | None = field(default=None, compare=False)
    database: str | None = field(default=None, compare=False)

    def __len__(self) -> int:
        return 3

    def __getitem__(self, place: int) -> int | str | None:
        return (self.format_id, self.gtrid, self.bqual)[place]

    def __iter__(self) -> Iterator[int | str | None]:
        return iter((self.format_id, self.gtrid, self.bqual))

    def __str__(self) -> str:
        """The name that PREPARE TRANSACTION gets: the one that psycopg would give it."""
        if self.format_id is None:
            return self.gtrid
        parts = [base64.b64encode(part.encode()).decode() for part in (self.gtrid, self.bqual)]
        return f"{self.format_id}_{parts[0]}_{parts[1]}"

    @classmethod
    def make(cls, format_id: int, gtrid: str, bqual: str) -> Xid:
        """A checked name.  Raises InterfaceError for parts that X/Open does not allow."""
        if not 0 <= format_id <= _MAX_FORMAT_ID:
            raise errors.InterfaceError("format_id must be a non-negative 32-bit integer")
        for name, part in (("gtrid", gtrid), ("bqual", bqual)):
            if len(part) > _MAX_PART or not all(" " <= each <= "~" for each in part):
                raise errors.InterfaceError(f"{name} must be at most {_MAX_PART} printable ASCII characters")
        return cls(format_id, gtrid, bqual)

    @classmethod
    def parse(cls, text: str) -> Xid:
        """A name read back."""
        number, _, rest = text.partition("_")
        first, _, second = rest.partition("_")
        try:
            parts = [base64.b64decode(each, validate=True).decode() for each in (first, second)]
            made = cls.make(int(number), parts[0], parts[1])
        except (ValueError, binascii.Error, errors.InterfaceError):
            return cls(None, text, "")
        return made if str(made) == text else cls(None, text, "")


def quoted_text(text: str) -> str:
    """A text as a literal of SQL."""
    marked = "E" if "\\" in text else ""
    return f"{marked}'" + text.replace("\\", "\\\\").replace("'", "''") + "'"
