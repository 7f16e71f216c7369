"""Where the feature files come from.  None of them is in this repository.

In this order: the directory that was named, the environment's, what an earlier run left in the cache, a shallow clone
of the public repository into the cache.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

CLONE_TIMEOUT_S = 300


class NoFeatures(Exception):
    """The features can't be had here; the message says what was tried."""


@dataclass(frozen=True)
class Origin:
    """A public suite: its repository, and the directory of it that is wanted, which has `features` in it."""

    name: str
    repository: str
    directory: str
    environment: str

    def find(self, named: Path | None) -> Path:
        """The directory that holds `features/`.  Raises NoFeatures."""
        chosen = named or (Path(os.environ[self.environment]) if os.environ.get(self.environment) else None)
        if chosen is not None:
            return self._checked(chosen)
        cache = self._cache()
        if not (cache / "features").is_dir():
            self._clone(cache)
        return self._checked(cache)

    def _cache(self) -> Path:
        root = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
        return Path(root) / "skerry-conformance" / self.name

    def _checked(self, directory: Path) -> Path:
        if not (directory / "features").is_dir():
            raise NoFeatures(f"{directory} does not hold features/")
        return directory

    def _clone(self, target: Path) -> None:
        if shutil.which("git") is None:
            raise NoFeatures(
                f"no git here to get {self.repository} with: name a directory by {self.environment}"
            )
        with tempfile.TemporaryDirectory(prefix="skerry-tck-") as work:
            command = ["git", "clone", "--quiet", "--depth", "1", self.repository, f"{work}/clone"]
            environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
            try:
                ran = subprocess.run(
                    command,
                    env=environment,
                    capture_output=True,
                    text=True,
                    timeout=CLONE_TIMEOUT_S,
                    check=False,
                )
            except subprocess.TimeoutExpired as slow:
                raise NoFeatures(f"cloning {self.repository} took too long") from slow
            if ran.returncode:
                raise NoFeatures(f"cloning {self.repository} failed: {ran.stderr.strip()[-300:]}")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copytree(Path(work) / "clone" / self.directory, target)


OPENCYPHER = Origin(
    "opencypher-tck", "https://github.com/opencypher/openCypher.git", "tck", "SKERRY_OPENCYPHER_TCK"
)
GQL = Origin("gql-tck", "https://github.com/mburbidg/gql-tck.git", ".", "SKERRY_GQL_TCK")
