"""`make bench-training DATA=…`: peers and ours side by side on real data.

python benchmarks/training/run.py --data FOLDER                      everything, seeds 0 to 2
python benchmarks/training/run.py --data FOLDER --quick              the gate: one seed, quick peers, <= 30 minutes
python benchmarks/training/run.py --data FOLDER --sets heart,pima    some sets of the tables

Each fit is kept in a results file under its set, method, seed, part and the digest of its code, so a run that breaks
goes on where it ended. Scores of peers may be reused between runs; times are compared within one run only.
"""

import argparse
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parent))

import table_suite  # noqa: E402
import tables  # noqa: E402
from machine import machine  # noqa: E402
from results import Results  # noqa: E402


def main() -> int:
    """Measure, write down, and return 1 when something does not hold."""
    options = _options()
    names = options.sets.split(",") if options.sets else tables.NAMES
    if lacking := tables.missing(names, options.data):
        print(f"error: not in {options.data}: {', '.join(lacking)}", file=sys.stderr)
        return 2
    runner = table_suite.Runner(
        options.data,
        Results(options.results / "fits.jsonl"),
        options.results / "environments",
        threads=os.cpu_count() or 1,
        rows=options.rows,
    )
    methods = table_suite.QUICK if options.quick else (*table_suite.FULL, table_suite.BESIDE)
    if options.methods:
        methods = tuple(options.methods.split(","))
    seeds = [0] if options.quick else [0, 1, 2]
    found = runner.run(methods, names, seeds)
    rows = {name: len(tables.load(name, options.data, rows=options.rows).frame) for name in names}
    checks = (
        [{"check": check, "holds": holds} for check, holds in table_suite.verdicts(found, rows)]
        if "ours" in methods
        else []
    )
    written = {
        "benchmark": "training: tables",
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "seeds": seeds,
        "rows at most": options.rows,
        "results": table_suite.summary(found),
        "checks": checks,
    }
    text = json.dumps(written, indent=2, default=float)
    (HERE.parent / "results" / f"training_tables{'_quick' if options.quick else ''}.json").write_text(text + "\n")
    print(text)
    return 0 if all(check["holds"] for check in checks) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the folder of the data sets")
    parser.add_argument("--quick", action="store_true", help="one seed and the quick peers")
    parser.add_argument("--sets", default="", help="names of tables, with commas")
    parser.add_argument("--methods", default="", help="methods, with commas, instead of all")
    parser.add_argument("--rows", type=int, default=10_000, help="the most rows of a set")
    parser.add_argument(
        "--results", type=Path, default=HERE.parents[1] / ".bench", help="where fits and environments are kept"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
