"""The protocol as a table: which message may come in which state, and how large it may be.

The rules, in prose.

-   A connection begins in STARTUP, where packets have no type byte (see `startup`).  It leaves it once.
-   In READY the client may send anything but COPY's messages; those are leftovers of a COPY that failed
    while the client was still sending, and are dropped.  A statement runs to its end before the next message
    is looked at: pipelined messages wait in the input buffer, so there is no state for "busy".
-   An error in the extended protocol (Parse, Bind, Describe, Execute, Close, Flush) leads to SKIPPING:
    everything up to the next Sync is dropped, save Terminate.  An error in a simple Query does not: its
    ReadyForQuery follows.
-   COPY FROM STDIN leads to COPY_IN.  There CopyData, CopyDone and CopyFail are taken; Flush and Sync are
    dropped, because libpq sends Sync right after an Execute without knowing that it was a COPY; anything
    else means that both sides have lost each other: FATAL.
-   Terminate always ends the connection, silently.  A type byte that is not in the table, or a length beyond
    the limit of its type, is FATAL: the stream can't be trusted any more.

                Query,FunctionCall   Parse..Execute,Close,Flush   Sync     CopyData,Done,Fail   Terminate
    READY       take                 take                         take     drop                 take
    SKIPPING    drop                 drop                         take     drop                 take
    COPY_IN     violation            violation (Flush: drop)      drop     take                 violation

What this module does not do: it has no behaviour; `backend` acts on it.
"""

from __future__ import annotations

from typing import Final

# --- the client's message types: the byte that opens each -------------------------------------------------

BIND: Final = 0x42  # B
CLOSE: Final = 0x43  # C
DESCRIBE: Final = 0x44  # D
EXECUTE: Final = 0x45  # E
FUNCTION_CALL: Final = 0x46  # F
FLUSH: Final = 0x48  # H
PARSE: Final = 0x50  # P
QUERY: Final = 0x51  # Q
SYNC: Final = 0x53  # S
TERMINATE: Final = 0x58  # X
COPY_DONE: Final = 0x63  # c
COPY_DATA: Final = 0x64  # d
COPY_FAIL: Final = 0x66  # f
PASSWORD: Final = 0x70  # p: only while a client proves who it is (`FrameReader.next_password_message`)

# --- states -----------------------------------------------------------------------------------------------

STARTUP: Final = 0
READY: Final = 1
SKIPPING: Final = 2
COPY_IN: Final = 3
CLOSED: Final = 4

# --- what to do with a message ----------------------------------------------------------------------------

TAKE: Final = 0
DROP: Final = 1
VIOLATION: Final = 2

_QUERIES: Final = (QUERY, FUNCTION_CALL)
_EXTENDED: Final = (PARSE, BIND, DESCRIBE, EXECUTE, CLOSE, FLUSH)
_COPY: Final = (COPY_DATA, COPY_DONE, COPY_FAIL)


def _row(queries: int, extended: int, sync: int, copy: int, terminate: int) -> dict[int, int]:
    row = dict.fromkeys(_QUERIES, queries)
    row.update(dict.fromkeys(_EXTENDED, extended))
    row.update(dict.fromkeys(_COPY, copy))
    row[SYNC] = sync
    row[TERMINATE] = terminate
    return row


def _table() -> dict[int, dict[int, int]]:
    table = {
        READY: _row(TAKE, TAKE, TAKE, DROP, TAKE),
        SKIPPING: _row(DROP, DROP, TAKE, DROP, TAKE),
        COPY_IN: _row(VIOLATION, VIOLATION, DROP, TAKE, VIOLATION),
    }
    table[COPY_IN][FLUSH] = DROP
    return table


TRANSITIONS: Final[dict[int, dict[int, int]]] = _table()

# Messages that PostgreSQL calls extended: an error in one of them is followed by SKIPPING.
EXTENDED: Final = frozenset(_EXTENDED)

# --- limits -----------------------------------------------------------------------------------------------

STARTUP_PACKET_BYTES: Final = 10_000
SMALL_MESSAGE_BYTES: Final = 10_000
PASSWORD_MESSAGE_BYTES: Final = 10_000
LARGE_MESSAGE_BYTES: Final = 256 * 1024 * 1024

_LARGE: Final = (QUERY, PARSE, BIND, FUNCTION_CALL, COPY_DATA)

# Largest allowed length field per message type; a type that is absent does not exist.
LENGTH_LIMITS: Final[dict[int, int]] = {
    kind: LARGE_MESSAGE_BYTES if kind in _LARGE else SMALL_MESSAGE_BYTES
    for kind in (*_QUERIES, *_EXTENDED, *_COPY, SYNC, TERMINATE)
}

# --- codes of untyped packets -----------------------------------------------------------------------------

PROTOCOL_3_0: Final = 0x0003_0000
CANCEL_REQUEST: Final = 80_877_102
SSL_REQUEST: Final = 80_877_103
GSSENC_REQUEST: Final = 80_877_104
