"""Run histories by hand, from the directory `tests`:

python -m histories 4035 17            these seeds, with every detail of those that fail
python -m histories --seconds 600      new seeds for so long; `make soak SECONDS=600`
python -m histories --from 10000 --count 500
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator

from histories.checker import Runner
from histories.report import describe


def main() -> int:
    """Returns 1 if a seed failed."""
    parser = argparse.ArgumentParser(prog="python -m histories")
    parser.add_argument("seeds", nargs="*", type=int)
    parser.add_argument("--from", dest="first", type=int, default=None, help="the first of many seeds")
    parser.add_argument("--count", type=int, default=None, help="how many seeds")
    parser.add_argument("--seconds", type=float, default=None, help="how long to go on")
    parser.add_argument("--quick", action="store_true", help="do not make failures small")
    parser.add_argument("--base", action="store_true", help="write checkpoints into a base meanwhile")
    arguments = parser.parse_args()
    runner = Runner(has_base=arguments.base)
    failed: list[int] = []
    for seed in _seeds(arguments):
        verdict = runner.run_seed(seed)
        if verdict.rule:
            failed.append(seed)
            print(describe(verdict if arguments.quick else runner.shrink(verdict), seed), flush=True)
    print(runner.statistics.describe())
    print(f"failed: {' '.join(map(str, failed))}" if failed else "none failed")
    return 1 if failed else 0


def _seeds(arguments: argparse.Namespace) -> Iterator[int]:
    if arguments.seeds:
        yield from arguments.seeds
        return
    first = int(time.time() * 1000) % 10**10 if arguments.first is None else arguments.first
    deadline_s = None if arguments.seconds is None else time.monotonic() + arguments.seconds
    print(f"seeds from {first}", flush=True)
    seed = first
    while (deadline_s is None or time.monotonic() < deadline_s) and (
        arguments.count is None or seed < first + arguments.count
    ):
        yield seed
        seed += 1


if __name__ == "__main__":
    sys.exit(main())
