"""onnxruntime with its telemetry off: the one place that imports it.

onnxruntime 1.32 sends usage events to its makers unless it is told not to before it is loaded; merely importing it
leaves a session file `.ses` in the temporary folder. A cloud that people own reports to nobody.
"""

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime

__all__ = ["onnxruntime"]
