"""Functions of bytea and uuid: bytes, hashes, encodings to and from text."""

from __future__ import annotations

import base64
import binascii
import hashlib
import uuid
import zlib

from skerry_engine.errors import (
    ArraySubscriptError,
    CharacterNotInRepertoire,
    InvalidParameterValue,
    SubstringError,
    UntranslatableCharacter,
)
from skerry_engine.functions.comparisons import define_comparisons, define_three_way
from skerry_engine.functions.registry import define
from skerry_engine.values.scalars import decode_escape, decode_hex

# --- comparison ---------------------------------------------------------------------------------------------

define_comparisons("bytea")
define_three_way("byteacmp")
define_comparisons("uuid_")
define_three_way("uuid_cmp")
define("gen_random_uuid", lambda: uuid.uuid4().bytes)


# --- bytes --------------------------------------------------------------------------------------------------


def _substring(data: bytes, start: int, length: int | None = None) -> bytes:
    if length is None:
        return data[max(start, 1) - 1 :]
    if length < 0:
        raise SubstringError("negative substring length not allowed")
    return data[max(start, 1) - 1 : max(start + length - 1, 0)]


def _overlay(data: bytes, new: bytes, start: int, length: int | None = None) -> bytes:
    if start <= 0:
        raise SubstringError("negative substring length not allowed")
    count = len(new) if length is None else length
    return data[: start - 1] + new + _substring(data, start + count)


def _index(data: bytes, index: int, size: int) -> None:
    if not 0 <= index < size:
        raise ArraySubscriptError(f"index {index} out of valid range, 0..{size - 1}")


def _get_byte(data: bytes, index: int) -> int:
    _index(data, index, len(data))
    return data[index]


def _set_byte(data: bytes, index: int, value: int) -> bytes:
    _index(data, index, len(data))
    return data[:index] + bytes([value & 255]) + data[index + 1 :]


def _get_bit(data: bytes, index: int) -> int:
    _index(data, index, 8 * len(data))
    return data[index // 8] >> index % 8 & 1


def _set_bit(data: bytes, index: int, value: int) -> bytes:
    _index(data, index, 8 * len(data))
    if value not in (0, 1):
        raise InvalidParameterValue("new bit must be 0 or 1")
    old = data[index // 8]
    mask = 1 << index % 8
    return _set_byte(data, index // 8, old | mask if value else old & ~mask)


define("byteacat", template="{0} + {1}")
define("byteaoctetlen", template="len({0})")
define("bit_length_bytea", template="8 * len({0})")
define("bytea_substr", _substring)
define("bytea_substr_no_len", _substring)
define("byteaoverlay", _overlay)
define("byteaoverlay_no_len", _overlay)
define("byteapos", template="{0}.find({1}) + 1")
define("byteaGetByte", _get_byte)
define("byteaSetByte", _set_byte)
define("byteaGetBit", _get_bit)
define("byteaSetBit", _set_bit)
define("bytea_bit_count", lambda data: int.from_bytes(data, "big").bit_count())
define("byteatrim", template="{0}.strip({1}) if {1} else {0}")
define("bytealtrim", template="{0}.lstrip({1}) if {1} else {0}")
define("byteartrim", template="{0}.rstrip({1}) if {1} else {0}")
define("bytea_reverse", template="{0}[::-1]")


# --- hashes -------------------------------------------------------------------------------------------------

define("md5_text", lambda text: hashlib.md5(text.encode(), usedforsecurity=False).hexdigest())
define("md5_bytea", lambda data: hashlib.md5(data, usedforsecurity=False).hexdigest())
define("sha224_bytea", lambda data: hashlib.sha224(data).digest())
define("sha256_bytea", lambda data: hashlib.sha256(data).digest())
define("sha384_bytea", lambda data: hashlib.sha384(data).digest())
define("sha512_bytea", lambda data: hashlib.sha512(data).digest())
define("crc32_bytea", zlib.crc32)


# --- encode, decode -----------------------------------------------------------------------------------------


def _unknown_encoding(name: str) -> InvalidParameterValue:
    return InvalidParameterValue(f'unrecognized encoding: "{name}"')


def _encoded(data: bytes, encoding: str) -> str:
    name = encoding.lower()
    if name == "hex":
        return data.hex()
    if name == "base64":
        text = base64.b64encode(data).decode()
        return "\n".join([text[i : i + 76] for i in range(0, len(text), 76)])
    if name == "escape":
        return "".join([_escaped_byte(byte) for byte in data])
    raise _unknown_encoding(encoding)


def _escaped_byte(byte: int) -> str:
    if byte == 0 or byte > 127:
        return f"\\{byte:03o}"
    return "\\\\" if byte == 92 else chr(byte)


def _decoded(text: str, encoding: str) -> bytes:
    name = encoding.lower()
    if name == "hex":
        return decode_hex(text)
    if name == "base64":
        return _decode_base64(text)
    if name == "escape":
        return decode_escape(text)
    raise _unknown_encoding(encoding)


def _decode_base64(text: str) -> bytes:
    stripped = "".join(text.split())
    for character in stripped:
        if not (character.isascii() and (character.isalnum() or character in "+/=")):
            raise InvalidParameterValue(f'invalid symbol "{character}" found while decoding base64 sequence')
    try:
        return base64.b64decode(stripped, validate=True)
    except binascii.Error:
        raise InvalidParameterValue(
            "invalid base64 end sequence",
            hint="Input data is missing padding, is truncated, or is otherwise corrupted.",
        ) from None


define("binary_encode", _encoded)
define("binary_decode", _decoded)


# --- character sets -----------------------------------------------------------------------------------------

_CODECS = {
    "utf8": "utf-8",
    "unicode": "utf-8",
    "latin1": "latin-1",
    "iso88591": "latin-1",
    "latin2": "iso8859-2",
    "latin9": "iso8859-15",
    "win1250": "cp1250",
    "win1251": "cp1251",
    "win1252": "cp1252",
    "koi8r": "koi8-r",
    "eucjp": "euc_jp",
    "sjis": "shift_jis",
    "gbk": "gbk",
    "big5": "big5",
    "sqlascii": "ascii",
}


def _codec(name: str, role: str) -> str:
    key = "".join([character for character in name.lower() if character.isalnum()])
    if key not in _CODECS:
        raise InvalidParameterValue(f'invalid {role} encoding name "{name}"')
    return _CODECS[key]


def _convert_from(data: bytes, encoding: str) -> str:
    try:
        text = data.decode(_codec(encoding, "source"))
    except UnicodeDecodeError as error:
        shown = " ".join([f"0x{byte:02x}" for byte in data[error.start : error.end]])
        raise CharacterNotInRepertoire(
            f'invalid byte sequence for encoding "{encoding.upper()}": {shown}'
        ) from None
    if "\0" in text:
        raise CharacterNotInRepertoire(f'invalid byte sequence for encoding "{encoding.upper()}": 0x00')
    return text


def _convert_to(text: str, encoding: str) -> bytes:
    try:
        return text.encode(_codec(encoding, "destination"))
    except UnicodeEncodeError as error:
        shown = " ".join([f"0x{byte:02x}" for byte in text[error.start].encode()])
        raise UntranslatableCharacter(
            f'character with byte sequence {shown} in encoding "UTF8" has no equivalent in encoding '
            f'"{encoding.upper()}"'
        ) from None


define("pg_convert_from", _convert_from)
define("pg_convert_to", _convert_to)
define("length_in_encoding", lambda data, encoding: len(_convert_from(data, encoding)))
