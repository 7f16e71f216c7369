"""What a conversation needs of the server around it: the only way out of the protocol package."""

from __future__ import annotations

from typing import Protocol

from skerry_engine.errors import DatabaseError
from skerry_server.protocol.scram import ScramExchange
from skerry_server.protocol.startup import StartupRequest
from skerry_server.session_api import Session


class Host(Protocol):
    """The server, as one connection sees it."""

    def offers_tls(self) -> bool:
        """Whether the connection, which is in the clear, may be encrypted."""
        ...

    def authenticate(self, request: StartupRequest) -> ScramExchange | None:
        """How the client has to prove who it is; None: not at all.  Raises DatabaseError to refuse it (FATAL)."""
        ...

    def admit(self, request: StartupRequest) -> Session:
        """Open a session for a client; raises DatabaseError to refuse it (FATAL)."""
        ...

    def key(self) -> tuple[int, int]:
        """The connection's backend pid and cancel secret."""
        ...

    def cancel(self, backend_pid: int, secret: int) -> None:
        """Cancel what another connection runs, if the secret is right."""
        ...

    def log_end(self, error: DatabaseError) -> None:
        """Log that the connection ends with a FATAL error."""
        ...

    def log_fault(self, error: BaseException) -> None:
        """Log an internal failure with its traceback."""
        ...
