"""What mixed precision and XLA give on the GPU at hand: `python benchmarks/training/gpu.py [--steps N]`.

Trains the image net on made-up images in four ways, each twice in turn, and writes steps per second to
`benchmarks/results/gpu.json` with date and machine. Without a GPU it says so, measures nothing and ends with 2.
"""

import argparse
import itertools
import json
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import keras
import numpy as np
from machine import machine

from lepton_ai import Model
from lepton_ai.platform.frameworks.device import Precision, precision_for
from lepton_ai.platform.frameworks.precision import gpus, training_precision

RESULTS = Path(__file__).parents[1] / "results" / "gpu.json"
SHAPE, CLASSES, BATCH_SIZE, ROUNDS = (64, 64, 3), 10, 256, 2


def main() -> int:
    """Measure, write, print; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=200, help="timed steps of each way")
    steps = parser.parse_args().steps
    found = gpus()
    if not found:
        print(f"no GPU here that Keras' backend ({keras.backend.backend()}) sees: nothing was measured")
        return 2
    chosen = precision_for(found)
    measured = []
    for _ in range(ROUNDS):
        for precision, jit_compile in itertools.product(Precision, (False, True)):
            speed = _steps_per_s(precision, jit_compile=jit_compile, steps=steps)
            measured.append({"precision": precision.value, "xla": jit_compile, "steps per s": round(speed, 1)})
            print(f"{precision.value:>15}  {'XLA' if jit_compile else '   '}  {speed:8.1f} steps/s")
    result = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M"),
        "machine": machine(),
        "gpus": [{"name": gpu.name, "compute capability": gpu.compute_capability} for gpu in found],
        "commit": subprocess.run(
            ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False
        ).stdout.strip(),
        "backend": keras.backend.backend(),
        "rows in a batch": BATCH_SIZE,
        "row": SHAPE,
        "our choice": {"precision": chosen.value, "xla": _net("auto").jit_compile},
        "measured": measured,
    }
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    print(f"ours here: {result['our choice']}; written to {RESULTS.name}")
    return 0


def _steps_per_s(precision: Precision, *, jit_compile: bool, steps: int) -> float:
    """Steps per second of Keras' own fit on one batch again and again, after the step has been compiled."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(BATCH_SIZE, *SHAPE)).astype(np.float32)
    y = generator.integers(0, CLASSES, BATCH_SIZE)
    model = _net(jit_compile)
    with training_precision(model, precision):
        for _ in range(3):
            model.train_on_batch(x, y)
        began = time.perf_counter()
        for _ in range(steps):
            model.train_on_batch(x, y)
        return steps / (time.perf_counter() - began)


def _net(jit_compile: bool | str) -> Model:
    model = Model(input_shape=SHAPE, num_classes=CLASSES, seed=0)
    model.compile("adam", "sparse_categorical_crossentropy", jit_compile=jit_compile)
    return model


if __name__ == "__main__":
    sys.exit(main())
