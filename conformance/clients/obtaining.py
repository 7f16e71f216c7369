"""Where the suites come from: source distributions by `pip download`, and virtual environments, both in the cache."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
from collections.abc import Sequence
from pathlib import Path

DOWNLOAD_TIMEOUT_S = 600


class CannotObtain(Exception):
    """A suite or what it needs can't be had; the message says why."""


def cache_directory() -> Path:
    """Where downloads are kept: in the user's cache."""
    root = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(root) / "skerry-conformance" / "clients"


def source_of(requirement: str) -> Path:
    """The unpacked source distribution of `name==version`.  Raises CannotObtain."""
    name, _, version = requirement.partition("==")
    target = cache_directory() / "sources" / f"{name}-{version}"
    if not target.is_dir():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as work:
            _run(
                sys.executable,
                "-m",
                "pip",
                "download",
                *_QUIET,
                "--no-deps",
                "--no-binary",
                ":all:",
                "-d",
                work,
                requirement,
            )
            _unpack(Path(work), target)
    return target


def python_of(name: str, requirements: Sequence[str]) -> Path:
    """The interpreter of a virtual environment with those packages.  Raises CannotObtain."""
    directory = cache_directory() / "environments" / name
    stamp = directory / "requirements"
    python = directory / ("Scripts" if os.name == "nt" else "bin") / "python"
    wanted = "\n".join(requirements)
    if not stamp.is_file() or stamp.read_text() != wanted:
        shutil.rmtree(directory, ignore_errors=True)
        venv.create(directory, with_pip=True)
        _run(str(python), "-m", "pip", "install", *_QUIET, *requirements)
        stamp.write_text(wanted)
    return python


_QUIET = ("--quiet", "--disable-pip-version-check")


def _run(*command: str) -> None:
    ran = subprocess.run(command, capture_output=True, text=True, timeout=DOWNLOAD_TIMEOUT_S, check=False)
    if ran.returncode:
        said = re.sub(r"(?m)^WARNING.*\n?", "", ran.stderr).strip()
        raise CannotObtain(f"{' '.join(command[2:4])} failed: {said[-500:]}")


def _unpack(work: Path, target: Path) -> None:
    """The only archive in `work`, as `target`."""
    archives = list(work.glob("*.tar.gz"))
    if len(archives) != 1:
        raise CannotObtain(f"no source distribution came of it, but {[path.name for path in work.iterdir()]}")
    with tarfile.open(archives[0]) as opened:
        opened.extractall(work / "unpacked", filter="data")
    (unpacked,) = (work / "unpacked").iterdir()
    shutil.move(unpacked, target)
