"""What make calls are commands: each ends with a status and a sentence."""

import subprocess
import sys

import pytest


@pytest.mark.usefixtures("docker")
@pytest.mark.parametrize("command", ["up", "secrets", "rotate"])
def test_each_command_says_in_a_sentence_what_keeps_it_from_its_work(monkeypatch, tmp_path, command):
    monkeypatch.setenv("ENVIRONMENT", "production")
    (tmp_path / ".env").write_text("SECRETS=elsewhere\n")
    done = subprocess.run([sys.executable, "-m", f"pipeline.operations.{command}"], capture_output=True, check=False)

    assert (done.returncode, done.stderr[:7], done.stderr.count(b"\n")) == (1, b"error: ", 1)


@pytest.mark.parametrize("command", ["serve", "up", "secrets", "rotate"])
def test_asking_for_help_does_nothing_else(tmp_path, command):
    asked = [sys.executable, "-m", f"pipeline.operations.{command}", "--help"]
    done = subprocess.run(asked, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr, list(tmp_path.iterdir())) == (0, "", [])
    assert done.stdout.startswith(f"usage: python -m pipeline.operations.{command}")
