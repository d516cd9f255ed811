"""git changes no byte of a file, though it is configured to convert line endings: stages depend on the bytes."""

import shutil

import pytest

from clones import cloned, git


@pytest.mark.parametrize("settings", ["'core.autocrlf=true'", "'core.autocrlf=false' 'core.eol=crlf'"])
def test_no_file_of_a_clone_has_other_ends_of_lines(tmp_path, settings, monkeypatch):
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", settings)

    clone = cloned(tmp_path / "of")

    assert "w/lf" in git("ls-files", "--eol", at=clone)
    assert "w/crlf" not in git("ls-files", "--eol", at=clone)


def test_a_table_with_the_ends_of_lines_of_windows_is_committed_as_it_is(tmp_path):
    git("init", "--quiet", str(tmp_path))
    shutil.copy(".gitattributes", tmp_path)
    (tmp_path / "mine.csv").write_bytes(b"x,y\r\n1,2\r\n")

    git("add", "mine.csv", at=tmp_path)

    assert "i/crlf" in git("ls-files", "--eol", at=tmp_path)
