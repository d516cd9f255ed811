"""A command that cannot read YAML or a lock ends in a sentence that names the file."""

import shutil
from pathlib import Path

import pytest

import in_process
import penguins
from pipeline.config import params_file
from pipeline.support.errors import ParamsInvalid
from pipeline.versioning import dvc_lock

KINDS = {
    "conflict": "<<<<<<< HEAD\n{text}=======\n{text}>>>>>>> theirs\n",
    "empty": "",
    "blank lines": "\n\n# nothing\n",
    "a word": "nothing\n",
    "a list": "- a\n- b\n",
    "a key twice": "{text}{key}: 1\n{key}: 1\n",
    "a key that is no text": "{text}\n2024: 1\n",
    "a tab": "{text}more:\n\tdeep: 1\n",
    "cut off": "{text}more: [1, 2\n",
    "an alias of nothing": "{text}more: *nothing\n",
    "a tag": "{text}more: !!python/object:os.system {}\n",
    "no UTF-8": "{text}more: \udcff\n",
    "a control character": "{text}more: \x01\n",
}
ADDED_KEYS = {"dvc.lock": "schema", "params.yaml": "train"}
SWEEP = ("experiments.sweep", "model=logistic")  # one point: to compose all of conf/sweep.yaml takes a second
READERS = {
    "params.yaml": [
        ("stages.ingest",), ("stages.evaluate",), ("diff.__main__", "HEAD"), SWEEP, ("registry.promote",),
        ("params.compose", "--check"), ("replay.__main__",),
    ],
    "conf/model/hgb.yaml": [("params.compose",), ("experiments.run", "model=hgb"), ("diff.__main__", "HEAD")],
    "conf/config.yaml": [("params.compose",), ("experiments.run", "model=hgb")],
    "conf/data/table.yaml": [("params.compose",), ("experiments.run", "data=table")],
    "conf/gate.yaml": [("diff.__main__", "HEAD"), ("registry.promote",)],
    "conf/compute.yaml": [("stages.preprocess",)],
    "conf/sweep.yaml": [SWEEP, (*SWEEP, "--list=HEAD")],
    "conf/card/table.yaml": [("stages.train",), ("stages.evaluate",)],
    "dvc.lock": [("diff.__main__", "HEAD"), ("registry.promote",), SWEEP],
    "data/processed/dataset.json": [("stages.train",), ("stages.evaluate",), ("replay.__main__",)],
}  # fmt: skip
AT_EACH_COMMAND = ("conflict", "empty", "a key twice")  # all kinds at each of them would take minutes
CASES = [(file, kind, command) for file, commands in READERS.items() for command in commands for kind in AT_EACH_COMMAND]
HARMLESS = {
    (f"conf/{name}.yaml", "empty") for name in ("card/table", "compute", "config", "data/table", "model/hgb")
}  # keys are missing


def broken(kind, text, key):
    return KINDS[kind].replace("{text}", text).replace("{key}", key).encode("utf-8", "surrogateescape")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("file", "cure"), [("gate.yaml", "Correct it there."), ("params.yaml", "Type `make params`.")])
def test_no_kind_of_broken_yaml_is_read(tmp_path, monkeypatch, kind, file, cure):
    monkeypatch.chdir(tmp_path)
    Path(file).write_bytes(broken(kind, "train: {seed: 1}\n", "train"))

    with pytest.raises(ParamsInvalid, match=rf"^{file} should (be YAML|hold `key: value` lines); .*\. {cure}$"):
        params_file.load_mapping(Path(file))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        *(
            (broken(kind, "stages: {train: {cmd: x}}\n", "stages"), "dvc.lock should")
            for kind in KINDS
            if kind not in ("empty", "blank lines")
        ),
        (b"stages: [train]\n", "stages"),
        (b"stages: {train: 5}\n", "stages.train is 5"),
        (b"stages: {train: {outs: {path: x}}}\n", "stages.train.outs"),
        (b"stages: {train: {outs: [{md5: x}]}}\n", "path"),
    ],
)
def test_no_kind_of_broken_lock_is_read(tmp_path, monkeypatch, text, said):
    monkeypatch.chdir(tmp_path)
    Path("dvc.lock").write_bytes(text)

    with pytest.raises(ParamsInvalid, match=said):
        dvc_lock.read()


@pytest.fixture(scope="module")
def place(project):
    shutil.copy(project / "conf/card/flights.yaml", project / "conf/card/table.yaml")
    penguins.run(project, "git", "add", "--all")
    penguins.run(project, "git", "commit", "--quiet", "--message", "A card")
    return project


@pytest.mark.parametrize(
    ("file", "kind", "command"), CASES, ids=lambda part: " ".join(part) if isinstance(part, tuple) else part
)
def test_a_broken_file_is_a_sentence_that_names_it(place, file, kind, command):
    path = place / file
    text = path.read_text()
    path.write_bytes(broken(kind, text, ADDED_KEYS.get(file, "added")))
    try:
        done = in_process.run(*command, folder=place, environment=penguins.environment(place))
    finally:
        path.write_text(text)

    said = " ".join(done.stderr.split())
    assert "bug of Ontime" not in said
    assert "Traceback" not in said
    if (file, kind) not in HARMLESS:
        assert (done.returncode, file in said or Path(file).name in said) == (1, True), said
