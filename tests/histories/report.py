"""A failing history as text: what is wrong, the first rows, and every command in the order of its first unit."""

from __future__ import annotations

from histories.checker import Verdict


def describe(verdict: Verdict, seed: int | None = None) -> str:
    """The report."""
    lines = [] if seed is None else [f"seed {seed}"]
    if verdict.violation is not None:
        lines.append(str(verdict.violation))
    lines += [str(anomaly) for anomaly in verdict.anomalies]
    script = verdict.history.script
    lines.append("")
    for table, rows in script.tables.items():
        for row in rows[:20]:
            lines.append(f"    {table} {row}")
        if len(rows) > 20:
            lines.append(f"    … {len(rows)} rows")
    if script.gc_interval_commits != 100:
        lines.append(f"    garbage is collected every {script.gc_interval_commits} commits")
    lines.append("")
    for line in verdict.history.transcript:
        lines.append(f"    {chr(ord('A') + line.session)}: {line.text}")
        lines.append(f"           {line.result or 'never ended'}")
    lines.append("")
    lines.append(f"    units: {''.join(chr(ord('A') + session) for session, _ in verdict.history.units)}")
    return "\n".join(lines)
