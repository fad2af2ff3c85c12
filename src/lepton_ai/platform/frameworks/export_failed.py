"""The error of a model that cannot become an ONNX file that answers as it does; here, so that it needs no Keras."""

from lepton_ai.core.errors import LeptonError

TOLERANCE = 1e-4
"""By how much ONNX and the model itself may differ, relative where answers are larger than 1."""


class ExportFailed(LeptonError):
    """The model cannot become an ONNX file that answers as it does."""

    code = "export_failed"
    status = 422
