"""Roles' passwords: only verifiers of SCRAM-SHA-256 (RFC 5802, 7677) are kept, in PostgreSQL's form.

    SCRAM-SHA-256$4096:<salt>$<StoredKey>:<ServerKey>              base64; 16 bytes of salt, 32 of each key

Of a verifier nobody learns the password, save by trying words; who has it can't log in with it either, but can
pretend to be the server.  A password is prepared by SASLprep, and taken as it is where that can't be (as PostgreSQL
and its clients do).

What it does not do: MD5, and the exchange of messages (the server's: `skerry_server.protocol.scram`).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from typing import Final

from skerry_engine import errors

ITERATIONS: Final = 4096
SALT_BYTES: Final = 16
KEY_BYTES: Final = 32
MAX_PASSWORD_CHARACTERS: Final = 65_536

_VERIFIER: Final = re.compile(
    r"SCRAM-SHA-256\$([0-9]{1,8}):([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+):([A-Za-z0-9+/=]+)"
)
_MD5: Final = re.compile(r"md5[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Verifier:
    """What a server needs to check who knows a password."""

    iterations: int
    salt: bytes
    stored_key: bytes
    server_key: bytes

    def __str__(self) -> str:
        salt, stored, server = map(_base64, (self.salt, self.stored_key, self.server_key))
        return f"SCRAM-SHA-256${self.iterations}:{salt}${stored}:{server}"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a role logs in with: a verifier's text ('' for none), and until when (microseconds since 2000; None: for
    ever) it is good."""

    verifier: str
    valid_until_us: int | None = None


def kept_password(text: str) -> str:
    """What is kept of the password that a statement gives: itself where it is a verifier.

    Raises InvalidParameterValue for one too long, NotSupportedError for a hash by MD5.
    """
    if read_verifier(text) is not None:
        return text
    if _MD5.fullmatch(text):
        raise errors.NotSupportedError(
            "passwords hashed by MD5 are not supported", hint="Give the password itself."
        )
    if len(text) > MAX_PASSWORD_CHARACTERS:
        raise errors.InvalidParameterValue(f"a password has {MAX_PASSWORD_CHARACTERS} characters at most")
    return str(make_verifier(text))


def make_verifier(password: str, salt: bytes | None = None, iterations: int = ITERATIONS) -> Verifier:
    """The verifier of a password, with a salt of its own."""
    salt = secrets.token_bytes(SALT_BYTES) if salt is None else salt
    salted = hashlib.pbkdf2_hmac("sha256", _prepared(password), salt, iterations)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    return Verifier(iterations, salt, hashlib.sha256(client_key).digest(), server_key)


def _prepared(password: str) -> bytes:
    from scramp.utils import ScramException, saslprep

    try:
        return str(saslprep(password)).encode()
    except ScramException:
        return password.encode()


def mock_verifier(user: str, secret: bytes) -> Verifier:
    """A verifier that no password fits, the same at every attempt: who asks for a role that does not exist (or has no
    password) sees what he would see if it did."""
    salt = hmac.digest(secret, b"salt " + user.encode(), "sha256")[:SALT_BYTES]
    return Verifier(ITERATIONS, salt, secrets.token_bytes(KEY_BYTES), secrets.token_bytes(KEY_BYTES))


def read_verifier(text: str) -> Verifier | None:
    """A verifier's parts; None where the text is none."""
    match = _VERIFIER.fullmatch(text)
    if match is None:
        return None
    try:
        salt, stored, server = (base64.b64decode(part, validate=True) for part in match.groups()[1:])
    except binascii.Error:
        return None
    if len(stored) != KEY_BYTES or len(server) != KEY_BYTES or not salt or not int(match[1]):
        return None
    return Verifier(int(match[1]), salt, stored, server)


def fits(password: str, text: str) -> bool:
    """Whether a verifier is that password's."""
    verifier = read_verifier(text)
    if verifier is None:
        return False
    other = make_verifier(password, verifier.salt, verifier.iterations)
    return hmac.compare_digest(other.stored_key, verifier.stored_key)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
