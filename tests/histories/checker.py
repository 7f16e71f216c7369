"""From a seed to a verdict.

seed ── workload ──> script, schedule ── scheduler ──> history ──┬─ oracle   every statement explained, or not
                                                                 └─ graph    cycles that the levels forbid
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from histories.graph import Anomaly, Facts, Graph, find_anomalies, weakest_name
from histories.oracle import Oracle, Violation
from histories.paging import BaseBeneath
from histories.replay import check_serial_order
from histories.scheduler import run_script
from histories.script import READ_COMMITTED, History, Script
from histories.workload import make_script
from histories.world import World


@dataclass(slots=True)
class Verdict:
    """What is wrong with a history, if anything is, and the facts that say so."""

    history: History
    violation: Violation | None = None
    anomalies: list[Anomaly] = field(default_factory=list)
    facts: Facts | None = None
    is_checked: bool = True

    @property
    def rule(self) -> str:
        """The rule that was broken; '' when all is well."""
        if self.violation is not None:
            return self.violation.rule
        return self.anomalies[0].name if self.anomalies else ""


def check(history: History) -> Verdict:
    """Judge a history."""
    if history.failure is not None:
        return Verdict(history, Violation(*history.failure))
    oracle = Oracle(history)
    violation = oracle.check()
    anomalies = find_anomalies(oracle.facts)
    if violation is None and not anomalies and oracle.is_checked:
        violation = check_serial_order(
            history, oracle.states[-1], Graph(oracle.facts).order(lambda edge: True)
        )
    return Verdict(history, violation, anomalies, oracle.facts, oracle.is_checked)


class Statistics:
    """How many histories there were and what happened in them: that a check passes means little if nothing did."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def add(self, verdict: Verdict) -> None:
        """Count one history."""
        counts = self.counts
        counts["histories"] += 1
        counts["unchecked"] += not verdict.is_checked
        for record in verdict.history.transactions:
            counts[f"{record.level}: {record.status}"] += 1
            if record.error is not None:
                counts[f"{record.level}: commit {record.error}{_by_ssi(record.message)}"] += 1
            for operation in record.operations:
                counts["statements"] += 1
                counts["waits"] += operation.waited
                if operation.error is not None:
                    counts[f"{record.level}: {operation.error}{_by_ssi(operation.message)}"] += 1
        if verdict.facts is not None:
            cycle = weakest_name(verdict.facts)
            levels = {record.level for record in verdict.history.transactions} or {READ_COMMITTED}
            if cycle and len(levels) == 1:
                counts[f"{levels.pop()}: allowed {cycle}"] += 1

    def describe(self) -> str:
        """As text."""
        return "\n".join(f"{count:>8}  {name}" for name, count in sorted(self.counts.items()) if count)


def _by_ssi(message: str) -> str:
    return " by SSI" if "dependencies" in message else ""


class Runner:
    """Runs histories one after the other, in one engine as long as that is sound.

    `around` is entered for each run, when the engine is there already: a mutant's `installed`.  With
    `has_base` tables and indexes are written to a base while a history runs.
    """

    def __init__(
        self,
        around: Callable[[], AbstractContextManager[None]] = nullcontext,
        has_base: bool = False,
    ) -> None:
        self._worlds: dict[bool, World] = {}
        self._around = around
        self._has_base = has_base
        self.statistics = Statistics()

    def run_seed(self, seed: int) -> Verdict:
        """The verdict on a seed."""
        verdict = self.run(*make_script(seed))
        self.statistics.add(verdict)
        return verdict

    def run(self, script: Script, schedule: list[int]) -> Verdict:
        """Run a script and judge what came of it.  An engine that broke is not used again."""
        world = self._world(script)
        with self._around():
            history = run_script(world, script, schedule)
        if history.failure is not None:
            self._worlds.clear()
        return check(history)

    def _world(self, script: Script) -> World:
        fine = script.is_fine_grained
        if script.has_definitions:
            return World(fine, shares_plans=False, base=self._base())
        world = self._worlds.get(fine)
        if world is None:
            world = self._worlds[fine] = World(fine, base=self._base())
        return world

    def _base(self) -> BaseBeneath | None:
        return BaseBeneath() if self._has_base else None

    def shrink(self, verdict: Verdict) -> Verdict:
        """The smallest history that can be found with the same failure."""
        from histories.shrink import shrink

        return shrink(verdict, self.run)
