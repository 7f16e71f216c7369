"""rulings.toml: scenarios whose meaning is another in GQL, or in Skerry, with the reason.

    [[ruling]]
    reason = "why"
    scenarios = ["TypeConversion2 [5]*", "Literals6 *"]

    [[failure]]
    reason = "why it fails"
    scenarios = ["Temporal1 [9]*"]

A pattern is matched against `<feature> <name>` as file names are.  A ruling makes a scenario not applicable; one that
no scenario needs any more (it would pass, or none matches) is an error of the list, and the run says so.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path


@dataclass
class Rulings:
    """Reasons by pattern; `used` are the patterns that excused something."""

    reasons: dict[str, str]
    causes: dict[str, str] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)

    @classmethod
    def read(cls, path: Path) -> Rulings:
        """Read the list."""
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        reasons, causes = (
            {name: each["reason"] for each in data.get(kind, ()) for name in each["scenarios"]}
            for kind in ("ruling", "failure")
        )
        return cls(reasons, causes)

    def cause(self, title: str) -> str | None:
        """Why a scenario fails, in words; it fails all the same."""
        return next((cause for pattern, cause in self.causes.items() if _fits(title, pattern)), None)

    def excuse(self, title: str) -> str | None:
        """The reason why a scenario that does not pass is not applicable."""
        for pattern, reason in self.reasons.items():
            if _fits(title, pattern):
                self.used.add(pattern)
                return reason
        return None

    def idle(self) -> list[str]:
        """Patterns that excused nothing."""
        return sorted(set(self.reasons) - self.used)


def _fits(title: str, pattern: str) -> bool:
    return fnmatchcase(title, pattern.replace("[", "[[]"))
