"""The comparison on tables: peers and ours on the same parts, and what must hold."""

import platform
import sys
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import tables
from compare import difference, mean_ranks, mean_score
from environments import NoEnvironment, interpreter, versions
from jobs import run_job
from results import Key, Result, Results, digest
from scores import scores
from sklearn.model_selection import KFold, StratifiedKFold

HERE = Path(__file__).resolve().parent
PLATFORM = HERE.parents[1] / "src" / "lepton_ai" / "platform"
CAP_S = 120.0
BARS = ("linear", "lightgbm", "lightgbm:cautious")
QUICK, QUICK_PARTS = ("ours", *BARS), 2
FULL = ("ours", *BARS, "histgb", "mlp", "pytabkit:realmlp", "pytabkit:tabm")
BESIDE = "autogluon:60"


@dataclass(frozen=True)
class Runner:
    """What every fit of a run shares.

    Args:
        root: The folder of the data sets.
        own: Where our results go: they change with each line of code.
        peers: Where those of peers go: they are kept with the code, so that a long comparison can be made bit by bit.
        environments: Where peers' environments go.
        threads: For each fit.
        rows: The most rows of a set.
        parts: How many parts of each set are tested on; None for all of them.
    """

    root: Path
    own: Results
    peers: Results
    environments: Path
    threads: int
    rows: int
    parts: int | None = None

    def run(self, methods: tuple[str, ...], names: list[str], seeds: list[int]) -> list[Result]:
        """Every fit that is not on record yet, and all results."""
        found = []
        for name in names:
            table = tables.load(name, self.root, rows=self.rows)
            for seed in seeds:
                for method in methods:
                    found += self._method(table, method, seed)
        return found

    def _method(self, table: tables.TableSet, method: str, seed: int) -> list[Result]:
        try:
            python = interpreter(method, self.environments)
        except NoEnvironment as error:
            print(f"{method}: {error}", file=sys.stderr)
            return []
        code = _code(method, python, self.rows)
        store = self.own if method == "ours" else self.peers
        found, over_the_cap = [], None
        for fold, (train, test) in enumerate(islice(_parts(table, seed), self.parts)):
            key = Key(table.name, method, seed, fold, code)
            result = store.get(key)
            if result is None:
                # A method that was over the cap in one part will be in the next: an hour for nothing.
                result = self._fit(table, key, train, test, python) if over_the_cap is None else over_the_cap
                if over_the_cap is not None:
                    result = Result(key, {}, CAP_S, over_the_cap.note, over_the_cap.machine)
                store.add(result)
                print(f"{table.name} {method} seed {seed} part {fold}: {_told(result)}", file=sys.stderr, flush=True)
            if result.note.startswith("over the cap"):
                over_the_cap = result
            found.append(result)
        return found

    def _fit(self, table: tables.TableSet, key: Key, train: Any, test: Any, python: Path) -> Result:
        rows, held_out = table.frame.iloc[train], table.frame.iloc[test]
        answer = run_job(
            python,
            key.method,
            rows.reset_index(drop=True),
            held_out.reset_index(drop=True),
            is_regression=table.is_regression,
            seed=key.seed,
            threads=self.threads,
            cap_s=CAP_S + 30,  # starting the interpreter is not part of the fit
        )
        measured = {}
        if answer.predictions is not None:
            truth = held_out[tables.TARGET].to_numpy()
            measured = scores(truth, answer.predictions, is_regression=table.is_regression)
        return Result(key, measured, answer.seconds, answer.note, _machine())


def summary(found: list[Result]) -> dict[str, Any]:
    """Means by set and method, ranks, and paired differences of ours to each other method."""
    by_set: dict[str, dict[str, list[Result]]] = defaultdict(lambda: defaultdict(list))
    for result in found:
        by_set[result.key.set][result.key.method].append(result)
    metric = {name: "rmse" if name == "bike" else "auc" for name in by_set}
    higher = {name: metric[name] == "auc" for name in by_set}
    means = {
        name: {method: mean_score(results, metric[name])[0] for method, results in methods.items()}
        for name, methods in by_set.items()
    }
    return {
        "metric": metric,
        "scores": {
            name: {
                method: {
                    "mean": mean_score(results, metric[name])[0],
                    "error": mean_score(results, metric[name])[1],
                    "seconds": float(np.median([result.seconds for result in results])),
                    "fits": len(results),
                    "notes": sorted({result.note for result in results if result.note}),
                    **{
                        extra: mean_score(results, extra)[0] for extra in ("brier", "ece") if extra in results[0].scores
                    },
                }
                for method, results in methods.items()
            }
            for name, methods in by_set.items()
        },
        "gain of ours": {
            name: {
                method: vars(difference(methods["ours"], results, metric[name], higher=higher[name]))
                for method, results in methods.items()
                if method != "ours"
            }
            for name, methods in by_set.items()
            if "ours" in methods
        },
        "mean rank": mean_ranks(
            {name: {m: v for m, v in by_method.items() if m != BESIDE} for name, by_method in means.items()},
            higher=higher,
        ),
    }


def verdicts(found: list[Result], rows: dict[str, int]) -> list[tuple[str, bool]]:
    """What must hold on tables."""
    told = summary(found)
    checks = []
    for name, scored in told["scores"].items():
        higher = told["metric"][name] == "auc"
        means = {method: scored[method]["mean"] for method in BARS if method in scored}
        best = (max if higher else min)(means, key=lambda method: means[method])
        allowed = 0.005 if higher else 0.01 * means[best]
        gain = told["gain of ours"][name][best]
        worse = -gain["mean"] > max(2 * gain["error"], allowed)
        checks.append((f"{name}: not worse than {best}, the best of linear and LightGBM", not worse))
        if BESIDE in scored:
            gain = told["gain of ours"][name][BESIDE]
            checks.append((f"{name}: not worse than AutoGluon by 2 SE", not -gain["mean"] > 2 * gain["error"]))
        checks.append((f"{name}: a fit in <= 60 s", scored["ours"]["seconds"] <= 60))
        if not higher:
            continue
        if rows[name] >= 10_000:
            checks.append((f"{name}: calibration error <= 0.02", scored["ours"]["ece"] <= 0.02))
        else:
            mine = [r for r in found if r.key.set == name and r.key.method == "ours"]
            linear = [r for r in found if r.key.set == name and r.key.method == "linear"]
            gap = difference(mine, linear, "brier", higher=False)
            checks.append((f"{name}: Brier not above logistic regression's by 2 SE", not -gap.mean > 2 * gap.error))
    ranks = told["mean rank"]
    checks.append(("mean rank first", ranks["ours"] == min(ranks.values())))
    return checks


def _parts(table: tables.TableSet, seed: int) -> Any:
    kind = KFold if table.is_regression else StratifiedKFold
    return kind(table.folds, shuffle=True, random_state=seed).split(table.frame, table.frame[tables.TARGET])


def _code(method: str, python: Path, rows: int) -> str:
    files = [HERE / "peers" / name for name in ("fit.py", "columns.py", f"method_{method.partition(':')[0]}.py")]
    if method == "ours":
        return digest([*files, *PLATFORM.rglob("*.py")], str(rows))
    return digest(files, versions(python), str(rows))


def _told(result: Result) -> str:
    told = ", ".join(f"{name} {value:.4f}" for name, value in result.scores.items())
    return f"{told or result.note} in {result.seconds:.1f} s"


def _machine() -> str:
    return f"{datetime.now(UTC).date().isoformat()} {platform.machine()}"
