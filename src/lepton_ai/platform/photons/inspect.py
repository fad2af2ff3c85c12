"""Finds out what an archive is, by a process that may break over it."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.photons import inspector
from lepton_ai.platform.photons.records import PhotonSpec, spec_of

_TIMEOUT_S = 30.0
_HINT = "A photon is what `lep photon create` makes."


def inspect_archive(path: Path) -> PhotonSpec:
    """What a photon's archive says about itself. Nothing in it is run, and nothing is written.

    Raises:
        InvalidInput: It is no photon, or breaks a limit; the message says which.
    """
    command = [sys.executable, "-I", "-S", inspector.__file__, str(path)]
    try:
        ended = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_TIMEOUT_S, check=False, env={}, cwd="/"
        )
    except subprocess.TimeoutExpired as error:
        raise InvalidInput("the archive takes too long to read", hint=_HINT) from error
    try:
        found: Any = orjson.loads(ended.stdout)
    except orjson.JSONDecodeError as error:
        raise InvalidInput("the archive takes more time or memory than is allowed", hint=_HINT) from error
    if "refused" in found:
        raise InvalidInput(f"this is no photon: {found['refused']}", hint=_HINT)
    return spec_of(found["metadata"])
