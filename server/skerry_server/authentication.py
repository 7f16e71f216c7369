"""Who has to prove who he is, and how.

    --auth    a role with a password     a role without one               where the client is
    auto      SCRAM-SHA-256              trusted                          on this machine
              SCRAM-SHA-256              refused, as a wrong password     elsewhere
    scram     SCRAM-SHA-256              refused, as a wrong password     anywhere
    trust     trusted                    trusted                          on this machine
              refused                    refused                          elsewhere

So `skerry serve` works at once with psql on the same machine, a password counts from the moment that it is set, and
from elsewhere nobody comes in without one.  A client is on this machine if its address is a loopback address.

Where a password is asked for, a role that does not exist, one that has no password, and one whose password has expired
are told from a wrong password by nothing: the exchange goes on with a mock verifier, and fails at its end.

What it does not do: anything per database or per network; TLS and client certificates are `tls`'s.
"""

from __future__ import annotations

import ipaddress
from typing import Final

from skerry_engine.catalog.passwords import Credentials, Verifier, mock_verifier, read_verifier
from skerry_engine.errors import InvalidAuthorization
from skerry_engine.values.clock import wall_clock
from skerry_server.protocol.scram import ScramExchange
from skerry_server.protocol.startup import StartupRequest

AUTO: Final = "auto"
SCRAM: Final = "scram"
TRUST: Final = "trust"
METHODS: Final = (AUTO, SCRAM, TRUST)


def is_loopback(host: str) -> bool:
    """Whether an address (or `localhost`) is this machine's own: the only one that trust is for."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped.is_loopback
    return address.is_loopback


def is_trusted(method: str, is_local: bool, credentials: Credentials | None) -> bool:
    """Whether a client need not prove anything.  `credentials` are None where there is no such role."""
    if not is_local or method == SCRAM:
        return False
    return method == TRUST or credentials is None or not credentials.verifier


def exchange_with(
    request: StartupRequest, credentials: Credentials | None, secret: bytes, binding: bytes | None
) -> ScramExchange:
    """How a client proves that it is who it says; one that can't gets an exchange that fails at its end."""
    verifier = _good_verifier(credentials) or mock_verifier(request.user, secret)
    return ScramExchange(request.user, verifier, binding)


def _good_verifier(credentials: Credentials | None) -> Verifier | None:
    if credentials is None:
        return None
    until_us = credentials.valid_until_us
    return None if until_us is not None and until_us < wall_clock() else read_verifier(credentials.verifier)


def not_let_in(request: StartupRequest, host: str, is_encrypted: bool) -> InvalidAuthorization:
    """The rules have nothing for a client from there; in PostgreSQL's words, which clients know."""
    encryption = "SSL encryption" if is_encrypted else "no encryption"
    return InvalidAuthorization(
        f'no pg_hba.conf entry for host "{host}", user "{request.user}", '
        f'database "{request.database}", {encryption}'
    )
