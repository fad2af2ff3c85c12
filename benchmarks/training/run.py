"""`make bench-training DATA=…`: peers and ours side by side on real data.

python benchmarks/training/run.py --data FOLDER                      everything, seeds 0 to 2
python benchmarks/training/run.py --data FOLDER --quick              the gate: one seed, some of each, <= 30 minutes
python benchmarks/training/run.py --data FOLDER --sets heart,pima    some sets of the tables
python benchmarks/training/run.py --data FOLDER --suites images      the images alone; also `kinds` and `adapts`

Each fit is kept in a results file under its set, method, seed, part and the digest of its code, so a run that breaks
goes on where it ended. Scores of peers may be reused between runs; times are compared within one run only, so images,
whose budgets are shares of what plain Keras takes, are fitted anew each time.
"""

import argparse
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parent))

import adapts_suite  # noqa: E402
import image_suite  # noqa: E402
import kinds_suite  # noqa: E402
import table_suite  # noqa: E402
import tables  # noqa: E402
from machine import machine  # noqa: E402
from results import Results  # noqa: E402


def main() -> int:
    """Measure, write down, and return 1 when something does not hold."""
    options = _options()
    names = options.sets.split(",") if options.sets else tables.NAMES
    if lacking := tables.missing(names, options.data) if "tables" in options.suites else []:
        print(f"error: not in {options.data}: {', '.join(lacking)}", file=sys.stderr)
        return 2
    seeds = [0] if options.quick else [0, 1, 2]
    holds = True
    for suite in options.suites.split(","):
        written = {
            "benchmark": f"training: {suite}",
            "date": datetime.now(UTC).date().isoformat(),
            "machine": machine(),
            "seeds": seeds,
            **_SUITES[suite](options, names, seeds),
        }
        text = json.dumps(written, indent=2, default=float)
        name = f"training_{suite}{'_quick' if options.quick else ''}.json"
        (HERE.parent / "results" / name).write_text(text + "\n")
        print(text)
        holds = holds and all(check["holds"] for check in written["checks"])
    return 0 if holds else 1


def _images(options: argparse.Namespace, _names: list[str], seeds: list[int]) -> dict[str, Any]:
    told = image_suite.measure(options.data, seeds, quick=options.quick)
    return {"results": told, "checks": _checks(image_suite.verdicts(told))}


def _tables(options: argparse.Namespace, names: list[str], seeds: list[int]) -> dict[str, Any]:
    runner = table_suite.Runner(
        options.data,
        Results(options.results / "fits.jsonl"),
        Results(HERE.parent / "results" / "training_peers.jsonl"),
        options.results / "environments",
        threads=os.cpu_count() or 1,
        rows=options.rows,
        parts=table_suite.QUICK_PARTS if options.quick else None,
    )
    methods = table_suite.QUICK if options.quick else (*table_suite.FULL, table_suite.BESIDE)
    if options.methods:
        methods = tuple(options.methods.split(","))
    found = runner.run(methods, names, seeds)
    rows = {name: len(tables.load(name, options.data, rows=options.rows).frame) for name in names}
    checks = _checks(table_suite.verdicts(found, rows)) if "ours" in methods else []
    return {"rows at most": options.rows, "results": table_suite.summary(found), "checks": checks}


def _kinds(options: argparse.Namespace, _names: list[str], seeds: list[int]) -> dict[str, Any]:
    names = kinds_suite.QUICK if options.quick else kinds_suite.NAMES
    kinds = options.kinds.split(",") if options.kinds else list(names)
    told = kinds_suite.measure(options.data, kinds, seeds)
    return {"results": told, "checks": _checks(kinds_suite.verdicts(told))}


def _adapts(options: argparse.Namespace, _names: list[str], seeds: list[int]) -> dict[str, Any]:
    told = adapts_suite.measure(options.data, seeds, quick=options.quick)
    checks = _checks(adapts_suite.verdicts(told))
    return {"results": told, "what each part gives": adapts_suite.ablation(told), "checks": checks}


def _checks(verdicts: list[tuple[str, bool]]) -> list[dict[str, Any]]:
    return [{"check": check, "holds": holds} for check, holds in verdicts]


_SUITES = {"tables": _tables, "images": _images, "kinds": _kinds, "adapts": _adapts}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the folder of the data sets")
    parser.add_argument("--quick", action="store_true", help="one seed and some of each suite")
    parser.add_argument("--suites", default="tables,images,kinds,adapts", help="some of these, with commas")
    parser.add_argument("--sets", default="", help="names of tables, with commas")
    parser.add_argument("--kinds", default="", help="names of files in kinds/, with commas")
    parser.add_argument("--methods", default="", help="methods, with commas, instead of all")
    parser.add_argument("--rows", type=int, default=10_000, help="the most rows of a set")
    parser.add_argument(
        "--results",
        type=Path,
        default=HERE.parents[1] / ".bench",
        help="where our fits and peers' environments are kept",
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
