"""`python -m tests.bench`, behind `make bench`: what a tick costs a policy, with 100, 1,000 and 10,000 of them.

Everything is Salus' own code from the scheduler to the reply of Prometheus, on an event loop whose clock jumps over
every wait; only behind the ports there are fakes. Each row is a process of its own. `reload` compiles all policies
anew under a leader election on the real clock; `names` asks a real Prometheus for series by names of pods, `presets`
all that the presets ask of a Deployment with so many pods; `replay` runs two weeks of a past, for 1 and for 50
policies. Nothing is judged here: docs/concepts/performance.md has figures to compare.
"""

import argparse
import json
import logging
import subprocess
import sys
from collections.abc import Sequence

import structlog

from tests.bench.names import names
from tests.bench.presets import presets
from tests.bench.reload import reload
from tests.bench.replay import replay
from tests.bench.ticks import ticks

SIZES = (100, 1000, 10_000)
REPLAYED = (1, 50)
_OTHERS = {"names": names, "presets": presets, "reload": reload, "replay": replay}
_HEAD = f"{'policies':>8}  {'scenario':<8}  {'µs a tick':>9}  {'requests':>8}  {'KiB':>6}  {'longest turn':>12}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for, and print a table."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench", description=__doc__.splitlines()[0] if __doc__ else ""
    )
    parser.add_argument("--policies", type=int, nargs="+", metavar="N")
    parser.add_argument(
        "--scenarios", nargs="+", choices=("healthy", "waiting", *_OTHERS), default=("healthy", "waiting")
    )
    parser.add_argument("--rounds", type=int, default=2, help="intervals that are measured, after those that warm up")
    parser.add_argument("--row", action="store_true", help="one row, here in this process, as JSON")
    asked = parser.parse_args(arguments)
    if asked.row:
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
        print(json.dumps(_row(asked.policies[0], asked.scenarios[0], asked.rounds)))
        return 0
    if {"healthy", "waiting"} & set(asked.scenarios):
        print("a policy and tick: CPU, requests to the API server; memory a policy; the longest that nothing else ran")
        print(_HEAD)
    for scenario in asked.scenarios:
        for policies in asked.policies or (REPLAYED if scenario == "replay" else SIZES):
            print(_line(scenario, policies, _in_its_own_process(scenario, policies, asked.rounds)), flush=True)
    return 0


def _row(policies: int, scenario: str, rounds: int) -> dict[str, float]:
    if (measure := _OTHERS.get(scenario)) is not None:
        return measure(policies)
    return ticks(policies, 0.05 if scenario == "waiting" else 0.0, rounds)


def _in_its_own_process(scenario: str, policies: int, rounds: int) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.bench", "--row", "--rounds", str(rounds)]
    command += ["--policies", str(policies), "--scenarios", scenario]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    row: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return row


def _line(scenario: str, policies: int, row: dict[str, float]) -> str:
    if scenario in {"names", "presets"}:
        return "\n".join(f"{policies:>8}  {scenario:<8}  {spent:>6.1f} ms  {way}" for way, spent in row.items())
    if scenario == "replay":
        ran = f"{row['ticks']:.0f} ticks run, {row['left_out']:.0f} left out, {row['acts']:.0f} acts"
        return f"{policies:>8}  replay    {row['seconds']:.1f} s of CPU: {ran}"
    if scenario == "reload":
        return (
            f"{policies:>8}  reload    {row['seconds']:.1f} s, longest turn {row['longest_turn'] * 1000:.0f} ms, "
            f"the lease was renewed after {row['longest_renewal']:.2f} s at most"
        )
    return (
        f"{policies:>8}  {scenario:<8}  {row['microseconds']:>9.0f}  {row['requests']:>8.3f}  {row['kib']:>6.1f}  "
        f"{row['longest_turn'] * 1000:>9.1f} ms"
    )


if __name__ == "__main__":
    sys.exit(main())
