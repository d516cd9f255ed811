"""What `make test` leaves out is named."""

import os
import subprocess
import sys
from pathlib import Path

import long_tests
import pythons


def dry_run(*words):
    """The commands that make would run."""
    command = ["make", "--dry-run", "--assume-old", ".venv/.ready", *words]
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "TESTS"))}
    return subprocess.run(command, env=clean, capture_output=True, text=True, check=True).stdout


def test_each_group_of_long_tests_is_named_once(tmp_path):
    mark = "pytest.mark." + "long"  # this file marks nothing
    (tmp_path / "test_one.py").write_text(f'@{mark}("many kills")\n@{mark}(\n    "containers"\n)\n')
    (tmp_path / "test_two.py").write_text(f'pytestmark = {mark}("containers")\n')

    assert long_tests.groups(tmp_path) == ["containers", "many kills"]


def test_no_test_is_marked_as_long_without_saying_what_it_is():
    sources = {path: path.read_text() for path in Path("tests").rglob("*.py")}
    mark = "mark." + "long"

    assert [path for path, text in sources.items() if text.count(mark) != len(long_tests.MARK.findall(text))] == []
    assert len(long_tests.groups(Path("tests"))) > 5


def test_make_test_leaves_out_long_tests_alone_and_says_so():
    assert "tests/repository/long_tests.py" in dry_run("test")
    for words in ("minutes", "without containers", "make test TESTS="):
        assert words in dry_run("test")
    assert "need a Docker engine" in dry_run("test-long")
    assert dry_run("test").rstrip().endswith('-m "not long"')
    assert "not long" not in dry_run("test-long")
    assert dry_run("test", "TESTS=tests/db -x").strip() == "python -m pytest tests/db -x"


def test_a_python_that_is_not_here_is_none(monkeypatch, tmp_path):
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))

    assert pythons.interpreter("3.0") is None
    assert pythons.interpreter(".".join(map(str, sys.version_info[:2])))
