"""Lines of a clone's files end as committed, whatever git is told to do with them: stages depend on the bytes."""

import pytest

from clones import cloned, git


@pytest.mark.parametrize("settings", ["'core.autocrlf=true'", "'core.autocrlf=false' 'core.eol=crlf'"])
def test_no_file_of_a_clone_has_other_ends_of_lines(tmp_path, settings, monkeypatch):
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", settings)

    clone = cloned(tmp_path / "of")

    assert "w/lf" in git("ls-files", "--eol", at=clone)
    assert "w/crlf" not in git("ls-files", "--eol", at=clone)
