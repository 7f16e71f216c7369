"""inet, cidr, macaddr, macaddr8: texts, binary forms, and what is in an address.

    inet, cidr    family (2: IPv4, 3: IPv6)  network address  bits of the mask  whole address
                  1 byte                     4 or 16 bytes    1 byte            4 or 16 bytes

So bytes in their own order are in PostgreSQL's: by family, network, length of the mask, then host.  A hardware address
is its 6 or 8 bytes.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable

from skerry_engine.errors import InvalidBinaryRepresentation, InvalidTextRepresentation

IPV4 = 2
IPV6 = 3
_SIZES = {IPV4: 4, IPV6: 16}
_V4 = re.compile(r"\d{1,3}(?:\.\d{1,3}){0,3}", re.ASCII)
_MASK = re.compile(r"\d{1,3}", re.ASCII)

Address = tuple[int, int, int]
"""Family, address as a number, bits of the mask."""


# --- parts --------------------------------------------------------------------------------------------------


def packed(family: int, number: int, bits: int) -> bytes:
    """The value for an address with a mask."""
    size = _SIZES[family]
    network = number & mask_of(family, bits)
    return bytes((family,)) + network.to_bytes(size, "big") + bytes((bits,)) + number.to_bytes(size, "big")


def unpacked(value: bytes) -> Address:
    """The parts of a value."""
    size = _SIZES[value[0]]
    return value[0], int.from_bytes(value[size + 2 :], "big"), value[size + 1]


def width(family: int) -> int:
    """Bits in an address."""
    return _SIZES[family] * 8


def mask_of(family: int, bits: int) -> int:
    """The mask as a number."""
    total = width(family)
    return ((1 << bits) - 1) << (total - bits)


# --- text ---------------------------------------------------------------------------------------------------


def read_inet(text: str) -> bytes:
    """inet from text.  Raises InvalidTextRepresentation."""
    return packed(*_parsed(text, "inet"))


def read_cidr(text: str) -> bytes:
    """cidr from text.  Raises InvalidTextRepresentation."""
    family, number, bits = _parsed(text, "cidr")
    if number & ~mask_of(family, bits):
        raise InvalidTextRepresentation(
            f'invalid cidr value: "{text}"', detail="Value has bits set to right of mask."
        )
    return packed(family, number, bits)


def _parsed(text: str, type_name: str) -> Address:
    error = InvalidTextRepresentation(f'invalid input syntax for type {type_name}: "{text}"')
    written, slash, mask = text.partition("/")
    if slash and _MASK.fullmatch(mask) is None:
        raise error
    family = IPV6 if ":" in written else IPV4
    if family == IPV6:
        try:
            number = int(ipaddress.IPv6Address(written))
        except ValueError:
            raise error from None
        bits = 128
    else:
        number, bits = _parsed_v4(written, type_name == "cidr" or bool(slash), error)
    if slash:
        bits = int(mask)
    if bits > width(family) or "%" in written:
        raise error
    return family, number, bits


def _parsed_v4(written: str, is_cidr: bool, error: InvalidTextRepresentation) -> tuple[int, int]:
    """The address and the bits that it has by itself: a cidr may leave out what is zero, and then its class counts."""
    if _V4.fullmatch(written) is None:
        raise error
    parts = [int(part) for part in written.split(".")]
    if any(part > 255 for part in parts) or (len(parts) < 4 and not is_cidr):
        raise error
    number = int.from_bytes(bytes(parts).ljust(4, b"\x00"), "big")
    if len(parts) == 4 or not is_cidr:
        return number, 32
    first = parts[0]
    by_class = (
        32 if first >= 240 else 8 if first >= 224 else 24 if first >= 192 else 16 if first >= 128 else 8
    )
    return number, max(by_class, 8 * len(parts))


def write_inet(value: bytes) -> str:
    """inet as text: the mask only where it says something."""
    family, number, bits = unpacked(value)
    text = host_text(family, number)
    return text if bits == width(family) else f"{text}/{bits}"


def write_cidr(value: bytes) -> str:
    """cidr as text, always with its mask."""
    family, number, bits = unpacked(value)
    return f"{host_text(family, number)}/{bits}"


def host_text(family: int, number: int) -> str:
    """An address without a mask."""
    if family == IPV4:
        return str(ipaddress.IPv4Address(number))
    if number >> 32 in (0, 0xFFFF) and (number >> 32 or number >> 16):
        prefix = "::ffff:" if number >> 32 else "::"
        return prefix + str(ipaddress.IPv4Address(number & 0xFFFFFFFF))
    return ipaddress.IPv6Address(number).compressed


def inet_object(value: bytes) -> object:
    """What Python programs get: an address; one in its network where there is a mask."""
    text = write_inet(value)
    return ipaddress.ip_interface(text) if "/" in text else ipaddress.ip_address(text)


def cidr_object(value: bytes) -> object:
    """What Python programs get: a network."""
    return ipaddress.ip_network(write_cidr(value))


# --- binary: family, bits, whether it is a cidr, length, address --------------------------------------------


def address_packer(is_cidr: bool) -> Callable[[bytes], bytes]:
    """The function that makes the wire's form."""

    def pack(value: bytes) -> bytes:
        family, number, bits = unpacked(value)
        size = _SIZES[family]
        return bytes((family, bits, int(is_cidr), size)) + number.to_bytes(size, "big")

    return pack


def address_unpacker(is_cidr: bool) -> Callable[[bytes], bytes]:
    """The function that reads the wire's form.  It raises InvalidBinaryRepresentation."""
    name = "cidr" if is_cidr else "inet"

    def unpack(data: bytes) -> bytes:
        if len(data) < 4 or data[0] not in _SIZES:
            raise InvalidBinaryRepresentation(f'invalid address family in external "{name}" value')
        family, bits, _, size = data[:4]
        if bits > width(family):
            raise InvalidBinaryRepresentation(f'invalid bits in external "{name}" value')
        if size != _SIZES[family] or len(data) != 4 + size:
            raise InvalidBinaryRepresentation(f'invalid length in external "{name}" value')
        number = int.from_bytes(data[4:], "big")
        if is_cidr and number & ~mask_of(family, bits):
            raise InvalidBinaryRepresentation(
                'invalid external "cidr" value', detail="Value has bits set to right of mask."
            )
        return packed(family, number, bits)

    return unpack


# --- hardware addresses -------------------------------------------------------------------------------------

_PAIRS = re.compile(r"[0-9a-fA-F]{1,2}([:-])[0-9a-fA-F]{1,2}(?:\1[0-9a-fA-F]{1,2}){4,6}")
_GROUPS = re.compile(
    r"[0-9a-fA-F]{6}[:-][0-9a-fA-F]{6}|[0-9a-fA-F]{4}([.-])[0-9a-fA-F]{4}(?:\1[0-9a-fA-F]{4}){1,2}"
)
_PLAIN = re.compile(r"[0-9a-fA-F]{12}(?:[0-9a-fA-F]{4})?")


def mac_reader(size: int) -> Callable[[str], bytes]:
    """The reader of macaddr (6 bytes) or macaddr8 (8; 6 are widened).  It raises InvalidTextRepresentation."""
    name = "macaddr" if size == 6 else "macaddr8"

    def read(text: str) -> bytes:
        found = _mac_bytes(text.strip())
        if found is not None and len(found) == 6 and size == 8:
            found = widened(found)
        if found is None or len(found) != size:
            raise InvalidTextRepresentation(f'invalid input syntax for type {name}: "{text}"')
        return found

    return read


def _mac_bytes(text: str) -> bytes | None:
    if _PAIRS.fullmatch(text):
        return bytes(int(part, 16) for part in re.split("[:-]", text))
    if _GROUPS.fullmatch(text) or _PLAIN.fullmatch(text):
        return bytes.fromhex(re.sub("[^0-9a-fA-F]", "", text))
    return None


def widened(value: bytes) -> bytes:
    """A 48-bit address as a 64-bit one."""
    return value[:3] + b"\xff\xfe" + value[3:]


def write_mac(value: bytes) -> str:
    """A hardware address as text."""
    return value.hex(":")


def mac_unpacker(size: int) -> Callable[[bytes], bytes]:
    """The function that reads a hardware address off the wire.  It raises InvalidBinaryRepresentation."""

    def unpack(data: bytes) -> bytes:
        if len(data) == 6 and size == 8:
            return widened(data)
        if len(data) != size:
            raise InvalidBinaryRepresentation("insufficient data left in message")
        return bytes(data)

    return unpack
