"""The control file: what makes a directory a database."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from skerry_engine.errors import DatabaseDamaged, IncompatibleFormat
from skerry_engine.log import control as control_module
from skerry_engine.log.control import (
    CONTROL_BYTES,
    Control,
    new_control,
    pack_control,
    read_control,
    unpack_control,
    write_control,
)
from skerry_engine.log.disk import OsDisk

CONTROL = Control(bytes(range(16)), 848_000_000_000_000)


def test_it_comes_back_as_written(tmp_path: Path) -> None:
    disk = OsDisk(tmp_path)
    assert read_control(disk) is None
    write_control(disk, CONTROL)
    assert read_control(disk) == CONTROL
    assert disk.list("") == ["control"]
    assert (tmp_path / "control").stat().st_size == CONTROL_BYTES


def test_the_remains_of_a_longer_attempt_do_not_matter(tmp_path: Path) -> None:
    (tmp_path / "control.new").write_bytes(b"x" * 100)
    write_control(OsDisk(tmp_path), CONTROL)
    assert read_control(OsDisk(tmp_path)) == CONTROL


def test_every_database_is_another() -> None:
    made = {new_control(0).cluster_id for _ in range(100)}
    assert len(made) == 100
    assert {uuid.UUID(bytes=cluster_id).version for cluster_id in made} == {4}


def test_any_flipped_bit_is_noticed() -> None:
    whole = pack_control(CONTROL)
    for bit in range(8 * len(whole)):
        data = bytearray(whole)
        data[bit // 8] ^= 1 << bit % 8
        with pytest.raises(DatabaseDamaged, match="control is damaged"):
            unpack_control(bytes(data))


def test_any_other_length_is_noticed() -> None:
    whole = pack_control(CONTROL)
    for data in [whole[:size] for size in range(len(whole))] + [whole + b"\0", whole + whole]:
        with pytest.raises(DatabaseDamaged):
            unpack_control(data)


@pytest.mark.parametrize("more", [b"", b"what a later version keeps here"])
def test_a_newer_version_is_told_from_damage(monkeypatch: pytest.MonkeyPatch, more: bytes) -> None:
    monkeypatch.setattr(control_module, "FORMAT_VERSION", 3)
    newer = bytearray(pack_control(CONTROL) + more)
    newer[12:16] = control_module._checksum(bytes(newer)).to_bytes(4, "big")
    monkeypatch.undo()
    with pytest.raises(IncompatibleFormat, match="format version 3, and this version of Skerry knows 2"):
        unpack_control(bytes(newer))
