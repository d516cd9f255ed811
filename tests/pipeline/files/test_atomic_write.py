"""An output is there whole, old or new: an error or a kill in the middle leaves the old one."""

import shutil
import signal

import pytest

from pipeline.files import atomic_write


def content(folder):
    return {path.name: path.read_text() for path in folder.iterdir()}


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "out"
    path.mkdir()
    (path / "a").write_text("old")
    return path


def test_a_new_folder_is_made_with_its_parents(tmp_path):
    with atomic_write.replaced_folder(tmp_path / "data" / "out") as new:
        (new / "a").write_text("new")

    assert content(tmp_path / "data" / "out") == {"a": "new"}


def test_the_new_folder_replaces_the_old_one_whole(folder):
    with atomic_write.replaced_folder(folder) as new:
        (new / "b").write_text("new")
        assert content(folder) == {"a": "old"}

    assert content(folder) == {"b": "new"}
    assert [path.name for path in folder.parent.iterdir()] == ["out"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_in_the_middle_leaves_the_old_folder_and_nothing_else(folder, error):
    def write():
        with atomic_write.replaced_folder(folder) as new:
            (new / "a").write_text("half")
            raise error

    with pytest.raises(error):
        write()
    assert content(folder) == {"a": "old"}
    assert [path.name for path in folder.parent.iterdir()] == ["out"]


def test_the_old_folder_stays_when_the_new_one_cannot_take_its_place(folder):
    with pytest.raises(FileNotFoundError), atomic_write.replaced_folder(folder) as new:
        shutil.rmtree(new)

    assert content(folder) == {"a": "old"}


KILLED = """
import os, sys, signal
from pathlib import Path
from pipeline.files import atomic_write
with atomic_write.replaced_folder(Path(sys.argv[1])) as new:
    (new / "a").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_kill_in_the_middle_leaves_the_old_folder_and_the_next_run_clears_up(folder, python):
    assert python(KILLED, str(folder)).returncode == -signal.SIGKILL
    assert content(folder) == {"a": "old"}

    with atomic_write.replaced_folder(folder) as new:
        assert content(new) == {}
        (new / "b").write_text("new")
    assert content(folder) == {"b": "new"}
    assert [path.name for path in folder.parent.iterdir()] == ["out"]


KILLED_BETWEEN = """
import os, sys, signal
from pathlib import Path
from pipeline.files import atomic_write

class Killing(type(Path())):
    def rename(self, target):
        if self.name.endswith(".new"):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().rename(target)

with atomic_write.replaced_folder(Killing(sys.argv[1])) as new:
    (new / "a").write_text("new")
"""


def test_a_kill_between_the_two_renames_loses_nothing_to_the_next_run_that_fails(folder, python):
    """The old content is set aside at that moment: the next run must not throw it away before it has a new one."""
    assert python(KILLED_BETWEEN, str(folder)).returncode == -signal.SIGKILL

    with pytest.raises(ValueError, match="no new content"), atomic_write.replaced_folder(folder):
        raise ValueError("no new content")
    assert content(folder)["a"] in ("old", "new")


def test_text_is_written_with_its_folder_and_bare_line_ends(tmp_path):
    atomic_write.write_text("°F\n", tmp_path / "deep" / "a.csv")

    assert (tmp_path / "deep" / "a.csv").read_bytes() == "°F\n".encode()
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["a.csv"]


def test_text_that_cannot_be_written_leaves_the_old_file(tmp_path):
    atomic_write.write_text("old", tmp_path / "a")

    with pytest.raises(UnicodeEncodeError):
        atomic_write.write_text("half \ud800", tmp_path / "a")
    assert content(tmp_path) == {"a": "old"}
