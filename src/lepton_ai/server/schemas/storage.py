"""Volumes on the wire: the protocol's file systems."""

from typing import Literal

from lepton_ai.server.schemas.common import Body


class VolumeName(Body):
    """What a volume is called."""

    id: str
    name: str


class VolumeUsage(Body):
    """How much it holds."""

    total_usage_bytes: int


class VolumeItem(Body):
    """One volume."""

    metadata: VolumeName
    status: VolumeUsage


class VolumesUsage(Body):
    """How much all volumes of a workspace hold."""

    status: VolumeUsage


class EntryItem(Body):
    """One name in a folder."""

    type: Literal["dir", "file"]
    name: str
    path: str
    size_bytes: int
    changed_at: int


class UploadedItem(Body):
    """A file that has come."""

    path: str
    size_bytes: int
