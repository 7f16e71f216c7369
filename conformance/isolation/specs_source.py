"""Where the spec files come from.  None of them is in this repository: they are PostgreSQL's.

In this order:

1. the directory that was named (`--specs`, or `SKERRY_ISOLATION_SPECS`): the one that holds `specs/` and
   `expected/`, which in PostgreSQL's source is `src/test/isolation`;
2. what an earlier run left in the cache;
3. Debian's source package of PostgreSQL 15, by `apt-get source`, with lists and downloads in a directory of their
   own, so that nothing of the system is changed.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

PACKAGE = "postgresql-15"
ENVIRONMENT = "SKERRY_ISOLATION_SPECS"
DOWNLOAD_TIMEOUT_S = 600
_SOURCE_FILES = ("sources.list", "sources.list.d/debian.sources", "sources.list.d/ubuntu.sources")


class NoSpecs(Exception):
    """The specs can't be had here; the message says what was tried."""


def cache_directory() -> Path:
    """Where downloads are kept: in the user's cache."""
    root = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(root) / "skerry-conformance" / "isolation"


def find_specs(named: Path | None) -> Path:
    """The directory that holds `specs/` and `expected/`.  Raises NoSpecs."""
    chosen = named or (Path(os.environ[ENVIRONMENT]) if os.environ.get(ENVIRONMENT) else None)
    if chosen is not None:
        if not _is_suite(chosen):
            raise NoSpecs(f"{chosen} does not hold specs/ and expected/")
        return chosen
    cache = cache_directory()
    if not _is_suite(cache):
        _download(cache)
    return cache


def _is_suite(directory: Path) -> bool:
    return (directory / "specs").is_dir() and (directory / "expected").is_dir()


def _download(target: Path) -> None:
    if shutil.which("apt-get") is None:
        raise NoSpecs(
            f"no apt-get here to get the specs with: name their directory by --specs or {ENVIRONMENT}"
        )
    with tempfile.TemporaryDirectory(prefix="skerry-specs-") as work:
        archive = _source_archive(Path(work))
        _extract(archive, Path(work) / "suite")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(target, ignore_errors=True)
        shutil.move(Path(work) / "suite", target)


def _source_archive(work: Path) -> Path:
    """Download the source package into `work`; its original archive."""
    parts = work / "parts"
    lists = work / "lists" / "partial"
    for directory in (parts, lists):
        directory.mkdir(parents=True)
    _write_sources(parts)
    options = [
        *("-o", "Dir::Etc::sourcelist=-", "-o", f"Dir::Etc::sourceparts={parts}"),
        *("-o", f"Dir::State::lists={lists.parent}"),
    ]
    _apt(work, "apt-get", *options, "update")
    listed = _apt(work, "apt-cache", *options, "madison", PACKAGE)
    versions = list(dict.fromkeys(line.split("|")[1].strip() for line in listed.splitlines() if "|" in line))
    problem = NoSpecs(f"apt knows no source package {PACKAGE}")
    for version in versions:  # an archive may be out of step with its list: any minor version will do
        try:
            _apt(work, "apt-get", *options, "source", "--download-only", f"{PACKAGE}={version}")
        except NoSpecs as failed:
            problem = failed
            continue
        return next(work.glob(f"{PACKAGE}_*.orig.tar.*"))
    raise problem


def _apt(work: Path, *command: str) -> str:
    ran = subprocess.run(
        command, cwd=work, capture_output=True, text=True, timeout=DOWNLOAD_TIMEOUT_S, check=False
    )
    if ran.returncode:
        raise NoSpecs(f"{command[0]} {' '.join(command[-2:])} failed: {ran.stderr.strip()[-500:]}")
    return ran.stdout


def _write_sources(parts: Path) -> None:
    """The distribution's own package sources again, of source packages."""
    for name in _SOURCE_FILES:
        path = Path("/etc/apt") / name
        if not path.exists():
            continue
        text = re.sub(r"^Types:.*$", "Types: deb-src", path.read_text(), flags=re.MULTILINE)
        text = re.sub(r"^deb\s", "deb-src ", text, flags=re.MULTILINE)
        (parts / path.name.replace("sources.list", "main.list")).write_text(text)
    if not any(parts.iterdir()):
        raise NoSpecs(
            f"apt has no package sources here: name the specs' directory by --specs or {ENVIRONMENT}"
        )


def _extract(archive: Path, target: Path) -> None:
    """The spec and expectation files of an archive, and nothing else of it."""
    wanted = re.compile(r"^[^/]+/src/test/isolation/((?:specs|expected)/[\w.-]+\.(?:spec|out))$")
    with tarfile.open(archive) as opened:
        for member in opened:
            match = wanted.match(member.name)
            content = opened.extractfile(member) if match is not None and member.isfile() else None
            if match is not None and content is not None:
                path = target / match[1]
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content.read())
    if not _is_suite(target):
        raise NoSpecs(f"{archive.name} holds no isolation specs")
