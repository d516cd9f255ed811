"""What a process computes with: the digest of its source and the versions of the packages that can move a byte."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

import column_types
import pipeline

PACKAGES = (
    "lightgbm",
    "numpy",
    "onnx",
    "onnxruntime",
    "pandas",
    "pyarrow",
    "scikit-learn",
    "scipy",
    "skl2onnx",
)


@dataclass(frozen=True)
class Installation:
    """A process: the SHA-256 of its source, and the version of each of PACKAGES, or none."""

    source: str
    packages: dict[str, str | None]


@cache
def here() -> Installation:
    """What this process has, read once: an edit afterwards does not reach the modules that it has loaded."""
    return Installation(_digest(), {name: _version(name) for name in PACKAGES})


def differences(wanted: Installation, found: Installation) -> list[str]:
    """What ``found`` has otherwise, as clauses that can follow "it has"; empty where it has all as wanted."""
    return [*_differences(wanted, found)]


def _differences(wanted: Installation, found: Installation) -> Iterator[str]:
    if found.source != wanted.source:
        yield "another src/pipeline or src/column_types, or has loaded them before an edit"
    for name, version in wanted.packages.items():
        if (other := found.packages.get(name)) != version:
            yield f"{name} {other} in place of {version}" if other else f"no {name} in place of {version}"


def _digest() -> str:
    digest = hashlib.sha256()
    for package in (pipeline, column_types):
        folder = Path(str(package.__file__)).parent
        for path in sorted(folder.rglob("*.py")):
            digest.update(f"{package.__name__}/{path.relative_to(folder).as_posix()}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
