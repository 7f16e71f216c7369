"""Functions and operators of inet, cidr, macaddr, macaddr8."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

from skerry_engine.errors import InvalidParameterValue, NumericValueOutOfRange
from skerry_engine.functions.comparisons import define_comparisons, define_extremes, define_three_way
from skerry_engine.functions.registry import define
from skerry_engine.values.network import (
    IPV4,
    host_text,
    mask_of,
    packed,
    unpacked,
    widened,
    width,
    write_cidr,
    write_inet,
)

for _prefix in ("network_", "macaddr_", "macaddr8_"):
    define_comparisons(_prefix)
    define_three_way(f"{_prefix}cmp")
define_extremes("network_larger", "network_smaller")


# --- parts --------------------------------------------------------------------------------------------------


def _network(value: bytes) -> bytes:
    family, number, bits = unpacked(value)
    return packed(family, number & mask_of(family, bits), bits)


def _broadcast(value: bytes) -> bytes:
    family, number, bits = unpacked(value)
    return packed(family, number | (mask_of(family, width(family)) & ~mask_of(family, bits)), bits)


def _netmask(value: bytes) -> bytes:
    family, _, bits = unpacked(value)
    return packed(family, mask_of(family, bits), width(family))


def _hostmask(value: bytes) -> bytes:
    family, _, bits = unpacked(value)
    return packed(family, mask_of(family, width(family)) & ~mask_of(family, bits), width(family))


def _host(value: bytes) -> str:
    family, number, _ = unpacked(value)
    return host_text(family, number)


def _with_masklen(value: bytes, bits: int, is_cidr: bool) -> bytes:
    family, number, _ = unpacked(value)
    if bits == -1:
        bits = width(family)
    if not 0 <= bits <= width(family):
        raise InvalidParameterValue(f"invalid mask length: {bits}")
    return packed(family, number & mask_of(family, bits) if is_cidr else number, bits)


def _abbreviated_cidr(value: bytes) -> str:
    family, number, bits = unpacked(value)
    if family != IPV4:
        return write_cidr(value)
    parts = str(ipaddress.IPv4Address(number)).split(".")
    return f"{'.'.join(parts[: max((bits + 7) // 8, 1)])}/{bits}"


define("network_host", _host)
define("network_show", write_cidr)
define("inet_abbrev", write_inet)
define("cidr_abbrev", _abbreviated_cidr)
define("network_family", lambda value: 4 if value[0] == IPV4 else 6)
define("network_masklen", lambda value: unpacked(value)[2])
define("network_network", _network)
define("inet_to_cidr", _network)
define("network_broadcast", _broadcast)
define("network_netmask", _netmask)
define("network_hostmask", _hostmask)
define("inet_set_masklen", lambda value, bits: _with_masklen(value, bits, False))
define("cidr_set_masklen", lambda value, bits: _with_masklen(value, bits, True))
define("inet_same_family", template="{0}[0] == {1}[0]")


# --- containment --------------------------------------------------------------------------------------------


def _is_within(inner: bytes, outer: bytes, is_strict: bool) -> bool:
    family, number, bits = unpacked(inner)
    outer_family, outer_number, outer_bits = unpacked(outer)
    if family != outer_family or bits < outer_bits + is_strict:
        return False
    return (number ^ outer_number) & mask_of(family, outer_bits) == 0


def _overlap(one: bytes, other: bytes) -> bool:
    return _is_within(one, other, False) or _is_within(other, one, False)


def _merge(one: bytes, other: bytes) -> bytes:
    family, number, bits = unpacked(one)
    other_family, other_number, other_bits = unpacked(other)
    if family != other_family:
        raise InvalidParameterValue("cannot merge addresses from different families")
    shared = min(bits, other_bits)
    while (number ^ other_number) & mask_of(family, shared):
        shared -= 1
    return packed(family, number & mask_of(family, shared), shared)


define("network_sub", lambda one, other: _is_within(one, other, True))
define("network_subeq", lambda one, other: _is_within(one, other, False))
define("network_sup", lambda one, other: _is_within(other, one, True))
define("network_supeq", lambda one, other: _is_within(other, one, False))
define("network_overlap", _overlap)
define("inet_merge", _merge)


# --- arithmetic ---------------------------------------------------------------------------------------------


def _bitwise(combine: Callable[[int, int], int], word: str) -> Callable[[bytes, bytes], bytes]:
    def call(one: bytes, other: bytes) -> bytes:
        family, number, bits = unpacked(one)
        other_family, other_number, other_bits = unpacked(other)
        if family != other_family:
            raise InvalidParameterValue(f"cannot {word} inet values of different sizes")
        return packed(family, combine(number, other_number), max(bits, other_bits))

    return call


def _not(value: bytes) -> bytes:
    family, number, bits = unpacked(value)
    return packed(family, number ^ mask_of(family, width(family)), bits)


def _plus(value: bytes, addend: int) -> bytes:
    family, number, bits = unpacked(value)
    if not 0 <= number + addend < 1 << width(family):
        raise NumericValueOutOfRange("result is out of range")
    return packed(family, number + addend, bits)


def _minus(one: bytes, other: bytes) -> int:
    if one[0] != other[0]:
        raise InvalidParameterValue("cannot subtract inet values of different sizes")
    difference = unpacked(one)[1] - unpacked(other)[1]
    if not -(2**63) <= difference < 2**63:
        raise NumericValueOutOfRange("result is out of range")
    return difference


define("inetand", _bitwise(lambda a, b: a & b, "AND"))
define("inetor", _bitwise(lambda a, b: a | b, "OR"))
define("inetnot", _not)
define("inetpl", _plus)
define("int8pl_inet_20_869", lambda addend, value: _plus(value, addend))
define("inetmi_int8", lambda value, subtrahend: _plus(value, -subtrahend))
define("inetmi", _minus)


# --- hardware addresses -------------------------------------------------------------------------------------


def _both(combine: Callable[[int, int], int]) -> Callable[[bytes, bytes], bytes]:
    return lambda one, other: bytes(combine(a, b) for a, b in zip(one, other, strict=True))


def _to_macaddr(value: bytes) -> bytes:
    if value[3:5] != b"\xff\xfe":
        raise NumericValueOutOfRange(
            "macaddr8 data out of range to convert to macaddr",
            hint="Only addresses that have FF and FE as values in the 4th and 5th bytes from the left, for example "
            "xx:xx:xx:ff:fe:xx:xx:xx, are eligible to be converted from macaddr8 to macaddr.",
        )
    return value[:3] + value[5:]


for _mac in ("macaddr", "macaddr8"):
    define(f"{_mac}_and", _both(lambda a, b: a & b))
    define(f"{_mac}_or", _both(lambda a, b: a | b))
    define(f"{_mac}_not", lambda value: bytes(255 - byte for byte in value))
    define(f"{_mac}_trunc", lambda value: value[:3].ljust(len(value), b"\x00"))
define("macaddrtomacaddr8", widened)
define("macaddr8tomacaddr", _to_macaddr)
define("macaddr8_set7bit", lambda value: bytes((value[0] | 2,)) + value[1:])
