"""`python -m bench [ROW…]`: print each row of figures, as ratios against something else that ran at the same time on the same machine."""

import argparse
import sys
import tempfile
from pathlib import Path

from bench import audit, burst, latency, queries, snapshot, states

ROWS = {
    "snapshot": snapshot.run,
    "audit": audit.run,
    "latency": latency.run,
    "burst": burst.run,
    "queries": queries.run,
    "states": states.run,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"one or more of {', '.join(ROWS)}; all by default")
    parser.add_argument("--files", type=int, default=200_000, help="files in the tree that is indexed (default: 200000)")
    parser.add_argument("--dir", type=Path, help="make the tree below this directory instead of the temporary one")
    given = parser.parse_args()
    unknown = set(given.rows) - ROWS.keys()
    if unknown:
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    for name in given.rows or ROWS:
        with tempfile.TemporaryDirectory(prefix="fustor-bench-", dir=given.dir) as directory:
            for line in ROWS[name](Path(directory), given.files):
                print(f"{name:10} {line}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
