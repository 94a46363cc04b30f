"""Weights that are missing, changed or not the ones that were pinned stop the start."""

import hashlib
import json
import shutil
from pathlib import Path

import onnxruntime as ort
import pytest

from gridwatch.config.model import DetectorConfig
from gridwatch.detectors.errors import WeightsError
from gridwatch.detectors.loading import load_detector
from gridwatch.detectors.weights import PACKAGED_WEIGHTS, read_manifest
from gridwatch.domain import UsageError

WIDE = "nanodet-g-256x416-int8.onnx"


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    return Path(shutil.copytree(PACKAGED_WEIGHTS, tmp_path / "weights"))


def message(config: DetectorConfig, packaged: Path = PACKAGED_WEIGHTS) -> str:
    with pytest.raises(WeightsError) as error:
        load_detector(config, packaged)
    assert isinstance(error.value, UsageError), "commands exit 2 on it"
    return str(error.value)


def test_one_changed_byte_is_found_and_both_hashes_are_named(copied: Path) -> None:
    path = copied / WIDE
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    manifest, _ = read_manifest(PACKAGED_WEIGHTS)
    expected = next(one.sha256 for one in manifest.files if one.file == WIDE)
    found = hashlib.sha256(data).hexdigest()
    assert message(DetectorConfig(), copied) == (
        f"weights file {path} has changed: expected SHA-256 {expected}, found {found}; reinstall gridwatch"
    )


def test_a_missing_file_is_named_with_the_remedy(copied: Path) -> None:
    (copied / WIDE).unlink()
    assert message(DetectorConfig(), copied) == (
        f"weights file {copied / WIDE} cannot be read: No such file or directory; reinstall gridwatch"
    )


@pytest.mark.parametrize("text", ["", "{}", '{"name": "x"', "[]"])
def test_a_damaged_manifest_is_named(copied: Path, text: str) -> None:
    (copied / "manifest.json").write_text(text)
    assert f"weights manifest {copied / 'manifest.json'} is damaged" in message(DetectorConfig(), copied)


def test_a_manifest_cannot_name_a_file_elsewhere(copied: Path) -> None:
    manifest = json.loads((copied / "manifest.json").read_text())
    manifest["files"][0]["file"] = "../stray.onnx"
    (copied / "manifest.json").write_text(json.dumps(manifest))
    assert "is damaged" in message(DetectorConfig(), copied)


def test_weights_with_another_hash_than_the_configuration_says_are_refused() -> None:
    path = PACKAGED_WEIGHTS / WIDE
    text = message(DetectorConfig(weights=path, weights_sha256="0" * 64))
    assert text.startswith(f"weights file {path} has changed: expected SHA-256 {'0' * 64}, found d04ec470")
    assert "set `detector.weights_sha256` if this is the file you trust" in text


@pytest.mark.parametrize("name", ["no-such.onnx", "."])
def test_weights_that_are_not_there_are_refused(tmp_path: Path, name: str) -> None:
    text = message(DetectorConfig(weights=tmp_path / name, weights_sha256="0" * 64))
    assert f"weights file {tmp_path / name} cannot be read" in text
    assert "check `detector.weights`" in text


def test_the_packaged_files_are_what_their_manifest_says() -> None:
    manifest, sha256 = read_manifest(PACKAGED_WEIGHTS)
    assert load_detector(DetectorConfig()).info.weights_sha256 == sha256
    assert sha256 == hashlib.sha256((PACKAGED_WEIGHTS / "manifest.json").read_bytes()).hexdigest()
    for one in manifest.files:
        path = PACKAGED_WEIGHTS / one.file
        assert hashlib.sha256(path.read_bytes()).hexdigest() == one.sha256
        session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        assert tuple(session.get_inputs()[0].shape[2:]) == one.input
    assert {path.name for path in PACKAGED_WEIGHTS.glob("*.onnx")} == {one.file for one in manifest.files}


def test_both_licences_lie_beside_the_weights() -> None:
    manifest, _ = read_manifest(PACKAGED_WEIGHTS)
    texts = {name: (PACKAGED_WEIGHTS / name).read_text() for name in manifest.source.licences}
    assert "Copyright (c) 2021 Vladimir Mandic" in texts["LICENSE-human-models-MIT.txt"]
    assert "Copyright 2020-2021 RangiLyu" in texts["LICENSE-nanodet-Apache-2.0.txt"]
    assert "Version 2.0, January 2004" in texts["LICENSE-nanodet-Apache-2.0.txt"]


def test_the_packaged_weights_stay_small() -> None:
    assert sum(path.stat().st_size for path in PACKAGED_WEIGHTS.iterdir()) < 12_000_000
