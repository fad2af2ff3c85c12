"""`make bench`: measure, compare with what must hold, and write it down with date and machine.

python benchmarks/run.py                 all of them
python benchmarks/run.py startup         one of them
"""

import json
import sys
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

from machine import machine

HERE = Path(__file__).resolve().parent
NAMES = ("startup", "control_plane", "scale")


def main(names: list[str]) -> int:
    """Run the named benchmarks; returns 1 when something does not hold."""
    sys.path.insert(0, str(HERE))
    broken = 0
    for name in names or NAMES:
        module = import_module(name)
        results = module.measure()
        checks = [{"check": check, "holds": bool(holds)} for check, holds in module.verdicts(results)]
        broken += sum(not check["holds"] for check in checks)
        written = {"benchmark": name, "date": datetime.now(UTC).date().isoformat(), "machine": machine()}
        text = json.dumps({**written, "results": results, "checks": checks}, indent=2, default=float)
        (HERE / "results" / f"{name}.json").write_text(text + "\n")
        sys.stdout.write(text + "\n")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
