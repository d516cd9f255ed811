"""`make setup` installs into .venv alone, also where the environment tells pip and uv otherwise."""

import hashlib
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

BACKEND = """
import sys, zipfile

def build_editable(folder, config_settings=None, metadata_directory=None):
    with zipfile.ZipFile(f"{folder}/ontime-1-py3-none-any.whl", "w") as wheel:
        for name, text in WHEEL.items():
            wheel.writestr(name, text)
    return "ontime-1-py3-none-any.whl"
"""


def wheel(name, **modules):
    """The files of a wheel."""
    files = {f"{module}.py": text for module, text in modules.items()}
    files[f"{name}-1.dist-info/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n"
    files[f"{name}-1.dist-info/WHEEL"] = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    return files | {f"{name}-1.dist-info/RECORD": "".join(f"{file},,\n" for file in [*files, f"{name}-1.dist-info/RECORD"])}


@pytest.fixture(scope="module")
def venv_with_pip(tmp_path_factory):
    """A virtual environment that nobody changes: it takes seconds to make, and a copy of it does as well."""
    folder = tmp_path_factory.mktemp("venv") / ".venv"
    venv.create(folder, with_pip=True, symlinks=True)
    return folder


@pytest.fixture
def project(tmp_path, venv_with_pip):
    """A project with one dependency, and nothing to fetch for it."""
    folder = tmp_path / "project"
    (folder / "requirements").mkdir(parents=True)
    shutil.copy("Makefile", folder)
    for package, lock in (("installer", "uv"), ("tiny", "dev")):
        path = tmp_path / f"{package}-1-py3-none-any.whl"
        with zipfile.ZipFile(path, "w") as file:
            for name, text in wheel(package, **{package: ""}).items():
                file.writestr(name, text)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        (folder / f"requirements/{lock}.txt").write_text(f"{package} @ {path.as_uri()} --hash=sha256:{digest}\n")
    (folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        '[project]\nname = "ontime"\nversion = "1"\n'
    )
    (folder / "backend.py").write_text(f"WHEEL = {wheel('ontime', pipeline='import tiny')}\n{BACKEND}")
    shutil.copytree(venv_with_pip, folder / ".venv", symlinks=True)
    (folder / ".venv/bin/uv").symlink_to(Path(sys.prefix) / "bin/uv")
    return folder


@pytest.fixture
def system(tmp_path):
    """An interpreter of the user with a package of the user."""
    venv.create(tmp_path / "system", with_pip=False, symlinks=True)
    (packages,) = (tmp_path / "system").glob("lib/python*/site-packages")
    for name, text in wheel("theirs", theirs="").items():
        (packages / name).parent.mkdir(exist_ok=True)
        (packages / name).write_text(text)
    return tmp_path / "system"


@pytest.mark.parametrize(
    "variables",
    [
        {"UV_SYSTEM_PYTHON": "1"},
        {"UV_PYTHON": "{system}/bin/python3"},
        {"PIP_TARGET": "{system}", "UV_TARGET": "{system}"},
        {"PIP_USER": "1", "PYTHONUSERBASE": "{system}"},
        {"PIP_PREFIX": "{system}", "PYTHONPATH": "{system}"},
    ],
    ids=lambda variables: next(iter(variables)),
)
def test_the_users_own_python_stays_as_it_is(project, system, variables):
    before = sorted(system.rglob("*"))
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    environment["PATH"] = f"{system / 'bin'}:{environment['PATH']}"
    environment |= {name: value.format(system=system) for name, value in variables.items()}

    done = subprocess.run(["make", "setup"], cwd=project, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert sorted(system.rglob("*")) == before
    code = "import pipeline, sys; print(pipeline.tiny.__file__)"
    used = subprocess.run([project / ".venv/bin/python", "-c", code], capture_output=True, text=True, check=True).stdout
    assert used.startswith(str(project / ".venv"))


@pytest.mark.parametrize("setting", ["target = {system}", "prefix = {system}", "root = {system}", "user = true"])
def test_a_configuration_of_pip_sends_nothing_elsewhere(project, system, setting):
    (project / ".pip.conf").write_text(f"[global]\n{setting.format(system=system)}\n")
    before = sorted(system.rglob("*"))
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    environment["PIP_CONFIG_FILE"] = str(project / ".pip.conf")
    uv = project / ".venv/bin/uv"
    real = uv.readlink()
    uv.unlink()  # it removes what is not in the other lock
    uv.write_text(f'#!/bin/sh\n[ "$2" != sync ] || .venv/bin/python -c "import installer" && exec {real} "$@"\n')
    uv.chmod(0o755)

    done = subprocess.run(["make", "setup"], cwd=project, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert sorted(system.rglob("*")) == before


def test_setup_prints_one_line_and_no_warning_about_places_where_pip_looks(project):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    environment["PIP_FIND_LINKS"] = "/nowhere/to/look"

    done = subprocess.run(["make", "setup"], cwd=project, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert [line for line in done.stderr.splitlines() if not line.startswith("Setting up .venv with Python")] == []
