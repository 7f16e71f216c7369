"""The client's side of the wire protocol, without I/O.

    commands ──> ClientProtocol ──> take_output(): bytes for the server
    bytes from the server ──> receive() ──> events

`protocol` knows what may be said and what must be answered; `commands` makes messages; `events` is what the answers
become.  Sockets, event loops, timeouts and Python's values are others' business (`skerry.network`, `skerry.aio`).
"""

from __future__ import annotations
