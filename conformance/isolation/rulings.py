"""What is known about single specs: compared by outcome, refused, or failing, each with its reason.

`rulings.toml` holds three kinds of groups, all of the same form:

    [[outcome]]                      compared by outcome (outcome.py), because …
    reason = "…"
    serial = true                    a permutation may also come to what a serial order comes to (serial.py)
    specs = ["…"]

    [[refused]]                      needs what Skerry refuses by name; `says` must be in Skerry's answer
    reason = "…"
    says = "…"
    specs = ["…"]

    [[failing]]                      fails, and this is why
    reason = "…"
    specs = ["…"]

A spec that is in none of them must agree with PostgreSQL to the letter.  The runner checks every entry: one that
says less than what was measured is reported, and the run fails.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

TEXT = "text"
OUTCOME = "outcome"
REFUSED = "refused"
FAILING = "failing"


@dataclass(frozen=True)
class Ruling:
    """What is expected of one spec."""

    kind: str = TEXT
    reason: str = ""
    says: str = ""
    serial: bool = False


class Rulings:
    """The rulings by spec."""

    def __init__(self, text: str) -> None:
        """Raises ValueError for an unknown kind, and for a spec that is named twice or has no reason."""
        self._by_spec: dict[str, Ruling] = {}
        for kind, groups in tomllib.loads(text).items():
            if kind not in (OUTCOME, REFUSED, FAILING):
                raise ValueError(f"unknown kind of ruling: {kind}")
            for group in groups:
                self._add(kind, group)

    @classmethod
    def read(cls, path: Path) -> Rulings:
        """Read a file of rulings."""
        return cls(path.read_text())

    def _add(self, kind: str, group: dict[str, object]) -> None:
        reason, says, specs = group.get("reason"), group.get("says", ""), group.get("specs")
        if (
            not isinstance(reason, str)
            or not reason
            or not isinstance(says, str)
            or not isinstance(specs, list)
        ):
            raise ValueError(f"a {kind} group needs a reason and specs: {group}")
        if kind == REFUSED and not says:
            raise ValueError(f"a refusal needs what Skerry says: {group}")
        for name in specs:
            if name in self._by_spec:
                raise ValueError(f"{name} is named twice")
            self._by_spec[name] = Ruling(kind, reason, says, group.get("serial") is True)

    def of(self, spec: str) -> Ruling:
        """The ruling for a spec; agreement to the letter where there is none."""
        return self._by_spec.get(spec, Ruling())

    def names(self) -> list[str]:
        """Every spec that is named."""
        return sorted(self._by_spec)
