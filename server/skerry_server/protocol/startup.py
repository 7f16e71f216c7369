"""Start-up: everything before the first typed message.

The client opens with untyped packets.  Each starts with a 32-bit code:

    SSLRequest, GSSENCRequest   once each: answered by one byte, 'S' (TLS follows) or 'N' (the client goes on in
                                the clear)
    CancelRequest               pid and secret of another connection; no answer, the connection closes
    major.minor version         name/value pairs up to an empty name: the start-up message proper

Of the pairs, `user` is required and `database` defaults to it; `options` holds command-line settings
(`-c name=value`, `--name=value`, with backslash escapes); names that begin with `_pq_.` are protocol
extensions, which NegotiateProtocolVersion declines; all others are settings of the session.

What it does not do: authenticate (see `scram`, and the rules in `skerry_server.authentication`).
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import Final

from skerry_engine.errors import (
    InvalidAuthorization,
    InvalidParameterValue,
    NotSupportedError,
    ProtocolViolation,
    SyntaxError,
)
from skerry_server.protocol.codes import CANCEL_REQUEST, GSSENC_REQUEST, PROTOCOL_3_0, SSL_REQUEST
from skerry_server.protocol.frontend import decode_text

_CODE: Final = Struct(">I").unpack_from
_CANCEL: Final = Struct(">iI").unpack_from

# Bytes of a name in the catalog; longer ones are cut, as PostgreSQL does.
_NAME_BYTES: Final = 63


# PostgreSQL's words for a Boolean setting, with the abbreviations that it takes.
_TRUE: Final = ("1", "on", "y", "ye", "yes", "t", "tr", "tru", "true")
_FALSE: Final = ("0", "of", "off", "n", "no", "f", "fa", "fal", "fals", "false")


@dataclass(frozen=True, slots=True)
class EncryptionRequest:
    """SSLRequest (`is_tls`) or GSSENCRequest: answer 'N' and read on, unless there is TLS."""

    is_tls: bool


@dataclass(frozen=True, slots=True)
class CancelRequest:
    """Cancel what the connection with this pid runs, if the secret is right."""

    backend_pid: int
    secret: int


@dataclass(frozen=True, slots=True)
class StartupRequest:
    """The start-up message: who wants which database, with which settings."""

    user: str
    database: str
    settings: dict[str, str]
    minor_version: int
    unknown_options: list[str]


class StartupReader:
    """Reads start-up packets; remembers which encryption requests were answered."""

    def __init__(self) -> None:
        self._answered: set[int] = set()

    def read(self, body: bytes) -> EncryptionRequest | CancelRequest | StartupRequest:
        """One packet, without its length.  Raises DatabaseError (FATAL) when it is no good."""
        code: int = _CODE(body)[0]
        if code in (SSL_REQUEST, GSSENC_REQUEST) and code not in self._answered:
            self._answered.add(code)
            return EncryptionRequest(code == SSL_REQUEST)
        if code == CANCEL_REQUEST:
            return _read_cancel(body)
        if code >> 16 != PROTOCOL_3_0 >> 16:
            raise NotSupportedError(
                f"unsupported frontend protocol {code >> 16}.{code & 0xFFFF}: server supports 3.0 to 3.0"
            )
        return _read_startup(_read_pairs(body), code & 0xFFFF)


def _read_cancel(body: bytes) -> CancelRequest:
    if len(body) != 12:
        raise ProtocolViolation("invalid length of cancel request packet")
    backend_pid, secret = _CANCEL(body, 4)
    return CancelRequest(backend_pid, secret)


def _read_pairs(body: bytes) -> list[tuple[str, str]]:
    if len(body) < 5 or body[-1] != 0:
        raise _bad_layout()
    strings = body[4:-1].split(b"\0")
    if strings.pop() != b"" or len(strings) % 2:
        raise _bad_layout()
    if b"" in strings[::2]:
        raise _bad_layout()
    texts = [decode_text(string) for string in strings]
    return list(zip(texts[::2], texts[1::2], strict=True))


def _bad_layout() -> ProtocolViolation:
    return ProtocolViolation("invalid startup packet layout: expected terminator as last byte")


def _read_startup(pairs: list[tuple[str, str]], minor_version: int) -> StartupRequest:
    user = ""
    database = ""
    settings: dict[str, str] = {}
    unknown: list[str] = []
    for name, value in pairs:
        if name == "user":
            user = value
        elif name == "database":
            database = value
        elif name == "options":
            settings.update(read_options(value))
        elif name == "replication":
            _check_replication(value)
        elif name.startswith("_pq_."):
            unknown.append(name)
        else:
            settings[name] = value
    if not user:
        raise InvalidAuthorization("no PostgreSQL user name specified in startup packet")
    return StartupRequest(_cut(user), _cut(database or user), settings, minor_version, unknown)


def _cut(name: str) -> str:
    return name.encode()[:_NAME_BYTES].decode("utf-8", "ignore")


def _check_replication(value: str) -> None:
    word = value.lower()
    if word in _TRUE or word == "database":
        raise NotSupportedError("replication connections are not supported")
    if word not in _FALSE:
        raise InvalidParameterValue(f'invalid value for parameter "replication": "{value}"')


def read_options(text: str) -> dict[str, str]:
    """The settings in a start-up `options` string; raises SyntaxError for any other switch."""
    settings: dict[str, str] = {}
    words = _split_words(text)
    position = 0
    while position < len(words):
        word = words[position]
        position += 1
        if word.startswith("--"):
            assignment = word[2:]
        elif word == "-c" and position < len(words):
            assignment = words[position]
            position += 1
        elif word.startswith("-c") and len(word) > 2:
            assignment = word[2:]
        else:
            raise SyntaxError(f"invalid command-line argument for server process: {word}")
        name, value = _assignment(assignment, word)
        settings[name] = value
    return settings


def _assignment(assignment: str, switch: str) -> tuple[str, str]:
    name, equals, value = assignment.partition("=")
    if not equals:
        prefix = "--" if switch.startswith("--") else "-c "
        raise SyntaxError(f"{prefix}{assignment} requires a value")
    return name.replace("-", "_"), value


def _split_words(text: str) -> list[str]:
    """Split at white space; a backslash makes the next character ordinary."""
    words: list[str] = []
    word: list[str] = []
    in_word = False
    escaped = False
    for character in text:
        if escaped:
            word.append(character)
            escaped = False
        elif character == "\\":
            escaped = in_word = True
        elif character.isspace():
            if in_word:
                words.append("".join(word))
            word = []
            in_word = False
        else:
            word.append(character)
            in_word = True
    if in_word:
        words.append("".join(word))
    return words
