"""The files of an artifact that a report becomes."""

import hashlib
from pathlib import Path

from lepton_ai.platform.evaluation.report import Report


def write_report(report: Report, folder: Path) -> str:
    """Write `report.json` and `report.html`.

    Returns:
        The SHA-256 of the JSON file, by which the model card names the report.
    """
    report.save(folder / "report.html")
    return hashlib.sha256(report.save(folder / "report.json").read_bytes()).hexdigest()
