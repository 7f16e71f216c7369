"""The score table: each suite's runner leaves `results/<suite>.json`; SCORES.md is all of them, rendered.

Nothing here is written by hand: numbers and causes are what a run measured, with the reasons that the runner's
lists give for what it measured.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
SCORES = HERE / "SCORES.md"
NAMES_SHOWN = 40


@dataclass(frozen=True)
class Failure:
    """One case that Skerry does not pass: `kind` is refused (by name, on purpose) or failing."""

    case: str
    kind: str
    cause: str


@dataclass(frozen=True)
class Part:
    """Some of a suite's cases, counted apart: those `title` says."""

    title: str
    cases: int
    postgres: int | None
    skerry: int
    breakdown: str


@dataclass(frozen=True)
class SuiteScore:
    """What one run of one suite measured.  `postgres` is None where no PostgreSQL was at hand."""

    suite: str
    title: str
    command: str
    date: str
    cases: int
    postgres: int | None
    skerry: int
    breakdown: str
    by_outcome: list[tuple[str, str]] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    excluded: list[tuple[str, int]] = field(default_factory=list)
    """Why cases do not apply, and how many of them."""
    is_compared: bool = True
    """Whether PostgreSQL could run the suite at all."""


def write_result(score: SuiteScore, directory: Path = RESULTS) -> None:
    """Keep a suite's result."""
    directory.mkdir(exist_ok=True)
    text = json.dumps(asdict(score), indent=1, ensure_ascii=False)
    (directory / f"{score.suite}.json").write_text(text + "\n")


def read_results(directory: Path = RESULTS) -> list[SuiteScore]:
    """Every suite's result, by name."""
    found = []
    for path in sorted(directory.glob("*.json")):
        data = json.loads(path.read_text())
        data["failures"] = [Failure(**failure) for failure in data["failures"]]
        data["by_outcome"] = [(name, reason) for name, reason in data["by_outcome"]]
        data["parts"] = [Part(**part) for part in data.get("parts", [])]
        data["excluded"] = [(reason, count) for reason, count in data.get("excluded", [])]
        found.append(SuiteScore(**data))
    return found


def write_scores() -> None:
    """Render every result into SCORES.md."""
    SCORES.write_text(render(read_results()))


def render(scores: list[SuiteScore]) -> str:
    """The score table and, by suite, what did not pass and why."""
    lines = [
        "# Scores",
        "",
        "Written by the runners, from what they measured.  None of the suites' code is in this repository.",
        "",
        "| suite | cases | PostgreSQL | Skerry | of these | command | date |",
        "|---|---:|---:|---:|---|---|---|",
    ]
    for score in scores:
        lines.append(
            f"| {score.title} | {score.cases} | {_postgres(score)} | {score.skerry} | {score.breakdown} "
            f"| `{score.command}` | {score.date} |"
        )
        for part in score.parts:
            lines.append(
                f"| … {part.title} | {part.cases} | {_number(part.postgres)} | {part.skerry} | {part.breakdown} | | |"
            )
    for score in scores:
        lines += _details(score)
    return "\n".join(lines) + "\n"


def _postgres(score: SuiteScore) -> str:
    return _number(score.postgres) if score.is_compared else "–"


def _number(count: int | None) -> str:
    return "not measured" if count is None else str(count)


def _details(score: SuiteScore) -> list[str]:
    lines: list[str] = []
    sections = (
        ("passed by outcome, not by text", score.by_outcome),
        ("failing", [(f.case, f.cause) for f in score.failures if f.kind == "failing"]),
        ("refused by name", [(f.case, f.cause) for f in score.failures if f.kind == "refused"]),
    )
    for title, cases in sections:
        if not cases:
            continue
        lines += ["", f"## {score.title}: {title}", "", "| cause | cases |", "|---|---|"]
        by_cause: dict[str, list[str]] = {}
        for case, cause in cases:
            by_cause.setdefault(cause, []).append(case)
        for cause, names in by_cause.items():
            lines.append(f"| {_cell(cause)} | {_names(names)} |")
    if score.excluded:
        lines += ["", f"## {score.title}: not applicable", "", "| reason | cases |", "|---|---:|"]
        lines += [f"| {_cell(reason)} | {count} |" for reason, count in score.excluded]
    return lines


def _names(names: list[str]) -> str:
    """Cases by name; where they are very many, the first, and how many more the suite's JSON has."""
    shown = ", ".join(_cell(name) for name in names[:NAMES_SHOWN])
    more = len(names) - NAMES_SHOWN
    return f"{shown}, and {more} more" if more > 0 else shown


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
