"""One demand in a process of its own: `python kind_fit.py DATA NAME SEED`; prints one JSON line."""

import importlib
import json
import sys
import time
from pathlib import Path


def main() -> None:
    """Measure, print."""
    root, name, seed = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    began = time.perf_counter()
    told = importlib.import_module(f"kinds.{name}").measure(root, seed)
    print(json.dumps({**told, "seconds": time.perf_counter() - began}))


if __name__ == "__main__":
    main()
