"""SCRAM-SHA-256 from the server's side (RFC 5802, 7677, 5929), without I/O.

    server   AuthenticationSASL           SCRAM-SHA-256-PLUS (over TLS), SCRAM-SHA-256
    client   SASLInitialResponse          mechanism, client-first:  gs2 header, n=<user, not looked at>, r=<nonce>
    server   AuthenticationSASLContinue   server-first:  r=<nonce + ours>, s=<salt>, i=<iterations>
    client   SASLResponse                 client-final:  c=<binding>, r=<nonce>, p=<proof that he knows the password>
    server   AuthenticationSASLFinal      server-final:  v=<proof that we know its verifier>; then AuthenticationOk

-PLUS binds the exchange to the TLS connection by the hash of the server's certificate, so that nobody in between can
pass it on; a client that could have bound it and was told that we can't (gs2 flag `y`) is told that it was lied to.  An
exchange with a mock verifier (see `catalog.passwords`) goes the same way and fails at the same place.

Messages are put together here and not by scramp, which refuses what libpq sends: an empty user name.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from typing import Final

from skerry_engine.catalog.passwords import Verifier
from skerry_engine.errors import InvalidAuthorization, InvalidPassword, ProtocolViolation
from skerry_server.protocol.numbers import int32

PLAIN: Final = "SCRAM-SHA-256"
PLUS: Final = "SCRAM-SHA-256-PLUS"
_BINDING: Final = "p=tls-server-end-point"
_NO_RESPONSE: Final = 0xFFFF_FFFF
_NONCE_BYTES: Final = 18


class ScramExchange:
    """One client's proof of identity.  `binding` is the hash of our certificate, over TLS; None in the clear."""

    def __init__(self, user: str, verifier: Verifier, binding: bytes | None) -> None:
        self._user = user
        self._verifier = verifier
        self._binding = binding
        self._header = ""
        self._nonce = ""
        self._said = ""
        self.is_over = False

    def mechanisms(self) -> list[str]:
        """What the client may choose from, best first."""
        return [PLUS, PLAIN] if self._binding is not None else [PLAIN]

    def answer(self, body: bytes) -> bytes:
        """What to answer to the client's next message; `is_over` once it has proved itself.

        Raises InvalidPassword, InvalidAuthorization, ProtocolViolation.
        """
        return self._begin(body) if not self._nonce else self._end(_decoded(body))

    def _begin(self, body: bytes) -> bytes:
        mechanism, response = _initial_response(body)
        if mechanism not in self.mechanisms():
            raise ProtocolViolation("client selected an invalid SASL authentication mechanism")
        flag, _, rest = _decoded(response).partition(",")
        authorization, _, bare = rest.partition(",")
        self._check_flag(flag, mechanism == PLUS)
        if authorization:
            raise InvalidAuthorization("client uses authorization identity, but it is not supported")
        if not bare.startswith("n="):
            raise _malformed("The user's name is missing.")
        theirs = _attribute(bare.partition(",")[2].split(",")[0], "r")
        if not theirs or not theirs.isascii() or not theirs.isprintable():
            raise _malformed("The nonce is no good.")
        self._header = f"{flag},,"
        self._nonce = theirs + base64.b64encode(secrets.token_bytes(_NONCE_BYTES)).decode("ascii")
        salt = base64.b64encode(self._verifier.salt).decode("ascii")
        first = f"r={self._nonce},s={salt},i={self._verifier.iterations}"
        self._said = f"{bare},{first}"
        return first.encode()

    def _check_flag(self, flag: str, is_plus: bool) -> None:
        """The gs2 header's flag: whether the client binds the exchange (p), could have (y), or can't (n)."""
        if is_plus and flag != _BINDING:
            raise InvalidAuthorization("SCRAM channel binding negotiation error")
        if not is_plus and flag not in ("n", "y"):
            raise _malformed("The channel binding flag is no good.")
        if flag == "y" and self._binding is not None:
            raise InvalidAuthorization(
                "SCRAM channel binding negotiation error",
                detail="The client supports SCRAM channel binding but thinks the server does not.  "
                "However, this server does support channel binding.",
            )

    def _end(self, message: str) -> bytes:
        unproved, _, proof = message.rpartition(",")
        channel, _, rest = unproved.partition(",")
        bound = self._header.encode() + (self._binding or b"" if self._header.startswith("p") else b"")
        if not hmac.compare_digest(_base64(_attribute(channel, "c")), bound):
            raise InvalidAuthorization("SCRAM channel binding check failed")
        if not hmac.compare_digest(_attribute(rest.split(",")[0], "r").encode(), self._nonce.encode()):
            raise _malformed("Nonce does not match.")
        said = f"{self._said},{unproved}".encode()
        self._check_proof(said, _base64(_attribute(proof, "p")))
        signature = hmac.digest(self._verifier.server_key, said, "sha256")
        self.is_over = True
        return b"v=" + base64.b64encode(signature)

    def _check_proof(self, said: bytes, proof: bytes) -> None:
        stored = self._verifier.stored_key
        signature = hmac.digest(stored, said, "sha256")
        if len(proof) != len(signature):
            raise _malformed("The proof is no good.")
        key = bytes([mine ^ theirs for mine, theirs in zip(signature, proof, strict=True)])
        if not hmac.compare_digest(hashlib.sha256(key).digest(), stored):
            raise InvalidPassword(f'password authentication failed for user "{self._user}"')


def _malformed(detail: str) -> ProtocolViolation:
    return ProtocolViolation("malformed SCRAM message", detail=detail)


def _attribute(text: str, name: str) -> str:
    """The value of `name=value`."""
    if not text.startswith(f"{name}="):
        raise _malformed(f'Attribute "{name}" is missing.')
    return text[2:]


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise _malformed("It is not in base64.") from None


def _decoded(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise _malformed("It is not in UTF-8.") from None


def _initial_response(body: bytes) -> tuple[str, bytes]:
    """SASLInitialResponse: the mechanism, and the client's first message."""
    end = body.find(b"\0")
    if end < 0 or len(body) < end + 5:
        raise _malformed("It is too short.")
    length = int32(body, end + 1)
    response = body[end + 5 :]
    if length == _NO_RESPONSE or length != len(response):
        raise _malformed("The client's first message is missing.")
    return body[:end].decode("ascii", "replace"), response
