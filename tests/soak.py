"""The faults of docs/reliability.md in full: one family after the other, until the minutes are over or something fails.

Each round has a seed of its own, which is printed; what a failure left behind stays, and its path is printed too.
"""

import argparse
import os
import random
import subprocess
import sys
import time
from pathlib import Path

FULL = {
    "FULL": 1,
    "KILLS": 13,
    "LEADER_KILLS": 50,
    "LEADER_STOPS": 10,
    "FAULT_SECONDS": 60,
    "POWER_LOSSES": 20,
    "RENAMED_FILES": 10_000,
    "OUTAGE_FILES": 120_000,
    "MACHINE_EXAMPLES": 100,
    "PAIRS": 1_000_000,
    "REMOVED": 1_000_000,
    "MANY_FILES": 200_000,
    "FUZZ": 100_000,
}
"""What each FUSTOR_… figure is here, unless the environment has another; docs/reliability.md says what it counts."""

FAMILIES = {
    "machine": ("tests/integration/test_fault_machine.py",),
    "kills": ("tests/e2e/test_kill.py",),
    "network": ("tests/e2e/test_network.py",),
    "storage": ("tests/e2e/test_storage.py", "tests/e2e/test_faulty_fusion.py"),
    "renames": ("tests/e2e/test_large_renames.py", "tests/e2e/test_races.py"),
    "clocks": ("tests/e2e/test_clocks.py", "tests/e2e/test_wrong_clocks.py"),
    "outages": ("tests/e2e/test_outages.py", "tests/e2e/test_limits.py"),
    "roots": ("tests/e2e/test_root_away.py", "tests/e2e/test_mass_loss.py"),
    "agents": ("tests/e2e/test_several_agents.py", "tests/e2e/test_leader_killed.py"),
    "hangs": ("tests/e2e/test_hanging_source.py", "tests/e2e/test_faulty_agent.py", "tests/e2e/test_supervision.py"),
    "bounds": ("tests/integration/test_bounded_store.py",),
    "storms": ("tests/e2e/test_torture.py", "tests/e2e/test_hard_links.py"),
}
KEPT = Path(".soak")


def run(family: str, seed: int) -> int:
    """The exit code of one round."""
    figures = {f"FUSTOR_{name}": str(value) for name, value in {**FULL, "SEED": seed}.items()}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--numprocesses=0",
        "--exitfirst",
        "--quiet",
        "--timeout=3600",
        "-o",
        "faulthandler_timeout=3500",
    ]
    command += [f"--basetemp={KEPT / family}", f"--randomly-seed={seed}"]
    return subprocess.run([*command, *FAMILIES[family]], env={**figures, **os.environ}, check=False).returncode


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("minutes", type=float, help="for so long a new round is begun")
    parser.add_argument("families", nargs="*", metavar="FAMILY", help=f"one or more of {', '.join(FAMILIES)}; all by default")
    given = parser.parse_args()
    chosen = given.families or list(FAMILIES)
    if unknown := set(chosen) - FAMILIES.keys():
        parser.error(f"no such family: {', '.join(sorted(unknown))}; there are {', '.join(FAMILIES)}")
    until, rounds = time.monotonic() + 60 * given.minutes, 0
    KEPT.mkdir(exist_ok=True)
    while time.monotonic() < until:
        family, seed = chosen[rounds % len(chosen)], random.SystemRandom().randrange(1, 10**9)
        sys.stdout.write(f"{time.strftime('%H:%M:%S')} {family}: FUSTOR_SEED={seed}\n")
        sys.stdout.flush()
        if code := run(family, seed):
            sys.stdout.write(f"{family} failed with FUSTOR_SEED={seed}; its files and logs are in {KEPT / family}\n")
            return code
        rounds += 1
    sys.stdout.write(f"{rounds} rounds, and nothing failed\n")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
