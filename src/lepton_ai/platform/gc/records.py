"""What nobody needs any more, and what becomes of it."""

from dataclasses import dataclass
from enum import StrEnum

DEFAULT_AGE_S = 24 * 3600
"""What is younger stays: an upload may be half-way to the version that needs it."""


class LeftoverKind(StrEnum):
    """What is left over, and by what."""

    ARTIFACT = "artifact"
    """A file that no version, run or photon names."""
    OBJECT = "object"
    """A file of a bucket that no object names, left by a crash."""
    LOG = "log"
    """What a replica, run or gateway printed that is gone with its record."""
    RUN_FOLDER = "run_folder"
    """The folder of a run that was removed."""
    MODEL_FOLDER = "model_folder"
    """The files of a version that was removed, laid out to be served."""


@dataclass(frozen=True)
class Leftover:
    """One thing that nobody needs.

    Args:
        kind: What it is.
        name: Its name among those of its kind.
        size_bytes: What removing it frees.
    """

    kind: LeftoverKind
    name: str
    size_bytes: int
