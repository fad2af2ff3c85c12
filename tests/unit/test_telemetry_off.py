"""Nothing reports to anybody: libraries that would are told not to."""

import os
import subprocess
import sys
from pathlib import Path


def test_onnxruntime_is_loaded_with_its_telemetry_off(tmp_path: Path) -> None:
    """Its telemetry leaves a session file in the temporary folder as soon as it is imported; ours leaves none."""
    environment = {"PATH": os.defpath, "TMPDIR": str(tmp_path), "HOME": str(tmp_path)}
    code = "from lepton_ai.platform.model_management.serving import engine; print(engine.onnxruntime.__version__)"
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    assert list(tmp_path.iterdir()) == []
