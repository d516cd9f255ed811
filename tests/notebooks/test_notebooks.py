"""The notebooks run from top to bottom and say something under each picture; git holds them without what they gave."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import yaml
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

from pipeline.config.paths import MODEL, PROCESSED, RAW
from pipeline.params import compose

NOTEBOOKS = sorted(Path("notebooks").glob("*.ipynb"))
PAGE = Path("notebooks/README.md")
CELL_SECONDS = 600  # on a machine that does much else
TARGETS = set(re.findall(r"^([a-z-]+):", Path("Makefile").read_text(), re.MULTILINE))
HOOKS = [hook for one in yaml.safe_load(Path(".pre-commit-config.yaml").read_text())["repos"] for hook in one["hooks"]]

each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
with_data = pytest.mark.skipif(
    not all(folder.is_dir() for folder in (RAW, PROCESSED, MODEL)) and "CI" not in os.environ,  # CI makes them before
    reason="there is no data yet: type `make repro` first",
)


def read(path):
    return nbformat.read(path, as_version=4)


def source(path, kind):
    return [cell.source for cell in read(path).cells if cell.cell_type == kind]


def executed(notebook, folder):
    """The notebook with its outputs, run by the Python of this process whatever kernels its user has installed."""
    manager = AsyncKernelManager(kernel_name="python3", kernel_spec_manager=KernelSpecManager(kernel_dirs=[]))
    client = NotebookClient(notebook, km=manager, timeout=CELL_SECONDS, resources={"metadata": {"path": "."}})
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MPL", "PYTHON"))}
    return client.execute(cleanup_kc=True, env={**environment, "IPYTHONDIR": str(folder)})


def status():
    return subprocess.run(["git", "status", "--porcelain"], capture_output=True, text=True, check=True).stdout


def verify(path):
    """What the hook says of a notebook."""
    (entry,) = (hook["entry"] for hook in HOOKS if hook["id"] == "notebooks")
    return subprocess.run([*shlex.split(entry), str(path)], capture_output=True, text=True, check=False)


def start(folder):
    """The first cell of a notebook, run in a folder."""
    return subprocess.run(
        [sys.executable, "-c", source(NOTEBOOKS[0], "code")[0] + "\nprint(Path.cwd())"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@with_data
@each
def test_it_runs_and_says_something_under_each_picture(path, tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    before = status()
    outputs = [output for cell in executed(read(path), tmp_path).cells for output in cell.get("outputs", [])]
    kinds = [
        next(iter({"image/png", "text/markdown"} & set(output.get("data", {}))), output.output_type) for output in outputs
    ]
    pictures = [place for place, kind in enumerate(kinds) if kind == "image/png"]

    assert len(pictures) >= 3
    assert {kinds[place + 1] for place in pictures} == {"text/markdown"}
    assert "stream" not in kinds, "warnings are not for readers"
    assert status() == before


def test_they_are_numbered_in_the_order_of_reading():
    assert [path.name[:3] for path in NOTEBOOKS] == [f"{number:02}-" for number in range(1, len(NOTEBOOKS) + 1)]
    assert re.findall(r"\((\S+\.ipynb)\)", PAGE.read_text()) == [path.name for path in NOTEBOOKS]


@each
def test_git_holds_no_output_and_nothing_of_a_machine(path):
    notebook = json.loads(path.read_text())
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]

    nbformat.validate(notebook)
    assert [cell for cell in cells if cell["outputs"] or cell["execution_count"]] == []
    assert [cell["metadata"] for cell in notebook["cells"] if cell["metadata"]] == []
    assert notebook["metadata"] == {}
    assert [cell["id"] for cell in notebook["cells"]] == [str(number) for number in range(len(notebook["cells"]))]
    assert verify(path).returncode == 0


@each
@pytest.mark.parametrize("part", ["output", "kernel"])
def test_the_hook_refuses_what_running_leaves_behind(path, part, tmp_path):
    notebook = read(path)
    if part == "output":
        notebook.cells[1].outputs = [nbformat.v4.new_output("stream", text="done")]
    else:
        notebook.metadata.kernelspec = {"name": "python3", "display_name": ".venv (Python 3.11)"}
    nbformat.write(notebook, tmp_path / path.name)

    found = verify(tmp_path / path.name)

    assert found.returncode == 1
    assert path.name in found.stdout + found.stderr


def test_the_hook_names_what_mends_and_make_checks_the_same():
    (hook,) = (hook for hook in HOOKS if hook["id"] == "notebooks")
    (options,) = re.findall(r"^STRIP := nbstripout (.*)$", Path("Makefile").read_text(), re.MULTILINE)

    assert "make format" in hook["name"]
    assert hook["entry"] == f".venv/bin/nbstripout --verify {options}"


def test_all_begin_with_the_same_cell():
    assert len({source(path, "code")[0] for path in NOTEBOOKS}) == 1


def test_without_data_the_first_cell_says_what_to_type(tmp_path):
    (tmp_path / "dvc.yaml").touch()
    found = start(tmp_path)

    assert found.returncode == 1
    assert found.stderr == "There is no data yet: type `make repro` in a terminal, then run this notebook again.\n"


@pytest.mark.parametrize("folder", [".", "notebooks", "notebooks/executed"])
def test_the_first_cell_finds_the_repository_from(folder, tmp_path):
    (tmp_path / "dvc.yaml").touch()
    for name in (folder, *map(str, (RAW, PROCESSED, MODEL))):
        (tmp_path / name).mkdir(parents=True, exist_ok=True)

    assert start(tmp_path / folder).stdout.strip() == str(tmp_path.resolve())


@pytest.mark.parametrize("path", [*NOTEBOOKS, PAGE], ids=lambda path: path.stem)
def test_what_its_text_names_exists(path):
    text = path.read_text() if path == PAGE else "\n".join(source(path, "markdown"))
    code = "\n".join(source(path, "code")) if path != PAGE else ""
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL))
    named = [*re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL) + code), *blocks.splitlines()]
    commands = [word.split("#")[0].split() for word in named if re.match(r"(make|dvc) ", word)]

    for tool, *words in commands:
        if tool == "make":
            assert words[0] in TARGETS
        for override in (words[i + 1] for i, word in enumerate(words) if word == "-S"):
            compose.compose(overrides=[override])
    for word in (one for one in named if " " not in one):
        assert Path(word).exists() or (path.parent / word).exists() or word in code, f"{path} names {word}"
