"""What the goldenscripts of anomalies say, and what happened in them.

A script plays the same story at three levels.  Its head says what would be the anomaly, each part what is
expected:

    # Runs: stepped, threads, wire, postgres
    # Anomaly: P4, lost update
    # Source: ...
    # Happens when:                    each session prints its lines here, in this order
    #     A: 100
    #     A: COMMIT
    #     B: 100
    #     B: COMMIT
    # Part of the story: 23505         errors that belong to it (optional)
    # PostgreSQL differs: snapshot     levels (optional)
    ...
    # == Read committed: allowed
    # == Snapshot: refused: T001

A part's outcome is `allowed` when the lines are there, whatever other sessions print in between: no serial
order gives each session what those lines say.  Otherwise it is `refused`, with what did it: `waits`, and the
codes of errors (the Skerry code where there is one).

A script whose head has `Harmless:` tells a story that has no anomaly, with `Harmless in any order:` one that
has none however its commands are mixed.  Its outcome is `all commit`, or `refused` with the codes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

LEVELS = ("Read committed", "Snapshot", "Serializable")
DIRECTORY = Path(__file__).parents[1] / "goldenscripts" / "anomalies"

ALLOWED = "allowed"
ALL_COMMIT = "all commit"
REFUSED = "refused"

_TITLE = re.compile(r"# (Anomaly|Harmless|Harmless in any order): (.+)")
_LIST = re.compile(r"# (Runs|Part of the story|PostgreSQL differs): (.+)")
_PART = re.compile(r"# == ([\w ]+): (.+)")
_ERROR = re.compile(r"\w+: ERROR (\w{5})(?: (T\d{3}))?:")
_IN_FAILED_BLOCK = "25P02"


@dataclass
class Part:
    """A script's story at one level."""

    level: str
    expected: str
    lines: list[str]

    @property
    def output(self) -> list[str]:
        """What the sessions printed."""
        printed: list[str] = []
        is_output = False
        for line in self.lines:
            if line == "---" or not line:
                is_output = line == "---"
            elif is_output:
                printed.append(line)
        return printed


@dataclass
class AnomalyScript:
    """A script, read."""

    name: str
    runs: list[str]
    title: str
    is_harmless: bool
    in_any_order: bool
    evidence: list[str]
    story: list[str]
    differs: list[str]
    setup: list[str]
    parts: dict[str, Part]

    def outcome(self, level: str) -> str:
        """What happened at a level: see above."""
        return self.outcome_of(self.parts[level].output)

    def outcome_of(self, output: list[str]) -> str:
        """What happened, by what the sessions printed."""
        errors = [code for code in _errors(output) if code not in self.story]
        if self.is_harmless:
            return f"{REFUSED}: {', '.join(errors)}" if errors else ALL_COMMIT
        if is_seen(self.evidence, output):
            return ALLOWED
        waits = ["waits"] if any(line.endswith(": (waits)") for line in output) else []
        means = ", ".join([*waits, *errors])
        return f"{REFUSED}: {means}" if means else REFUSED


def _errors(output: list[str]) -> list[str]:
    found = [match for line in output if (match := _ERROR.match(line))]
    return sorted({match[2] or match[1] for match in found if match[1] != _IN_FAILED_BLOCK})


def is_seen(evidence: list[str], output: list[str]) -> bool:
    """Whether every session printed its lines of the evidence, in their order."""
    names = {line.partition(":")[0] for line in evidence}
    return all(_is_subsequence(_lines_of(name, evidence), _lines_of(name, output)) for name in names)


def _lines_of(name: str, lines: list[str]) -> list[str]:
    return [line for line in lines if line.startswith(f"{name}:")]


def _is_subsequence(wanted: list[str], lines: list[str]) -> bool:
    rest = iter(lines)
    return all(line in rest for line in wanted)


def read_script(text: str, name: str) -> AnomalyScript:
    """Read a script's text."""
    lines = text.splitlines()
    title = next(match for line in lines if (match := _TITLE.fullmatch(line)))
    listed = {match[1]: match[2].split(", ") for line in lines if (match := _LIST.fullmatch(line))}
    return AnomalyScript(
        name,
        listed["Runs"],
        title[2],
        title[1] != "Anomaly",
        title[1] == "Harmless in any order",
        _evidence(lines),
        listed.get("Part of the story", []),
        [level.capitalize() for level in listed.get("PostgreSQL differs", [])],
        text.partition("# == ")[0].splitlines(),
        {part.level: part for part in _parts(lines)},
    )


def _evidence(lines: list[str]) -> list[str]:
    if "# Happens when:" not in lines:
        return []
    first = lines.index("# Happens when:") + 1
    last = next(number for number, line in enumerate(lines) if number >= first and line[:6] != "#     ")
    return [line[6:] for line in lines[first:last]]


def _parts(lines: list[str]) -> list[Part]:
    parts: list[Part] = []
    for line in lines:
        match = _PART.fullmatch(line)
        if match:
            parts.append(Part(match[1], match[2], []))
        elif parts:
            parts[-1].lines.append(line)
    return parts


def all_scripts() -> list[AnomalyScript]:
    """Every script of anomalies, read."""
    return [
        read_script(path.read_text(encoding="utf-8"), path.stem) for path in sorted(DIRECTORY.glob("*.txt"))
    ]
