"""What `make verify` says of two dvc.lock files."""

import json

from locks import differences

LOCK = """
stages:
  first:
    params: {params.yaml: {seed: 1}}
    outs: [{path: data/raw, md5: aa11.dir}, {path: data/one.json, md5: bb}]
  second:
    outs: [{path: data/model, md5: cc22.dir}]
"""


def remember(cache, md5, **files):
    path = cache / "files/md5" / md5[:2] / md5[2:]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([{"relpath": name, "md5": digest} for name, digest in files.items()]))


def test_equal_locks_differ_in_nothing():
    assert list(differences(LOCK, LOCK, [])) == []


def test_outputs_are_named_in_the_order_of_the_pipeline():
    lock = LOCK.replace("cc22", "dd33").replace("aa11", "ee44")

    assert list(differences(LOCK, lock, [])) == [
        "first: data/raw is ee44.dir, committed is aa11.dir",
        "second: data/model is dd33.dir, committed is cc22.dir",
    ]


def test_the_file_in_a_folder_is_named_where_a_cache_knows_both_folders(tmp_path):
    remember(tmp_path / "mine", "cc22.dir", graph="1", schema="2", metadata="3")
    remember(tmp_path / "its", "dd33.dir", graph="1", schema="9", metadata="8")
    lock = LOCK.replace("cc22", "dd33")

    (line,) = differences(LOCK, lock, [tmp_path / "mine", tmp_path / "its"])

    assert line.endswith("committed is cc22.dir: metadata, schema")


def test_an_output_that_is_gone_is_named():
    lock = LOCK.replace(", {path: data/one.json, md5: bb}", "")

    assert list(differences(LOCK, lock, [])) == ["first: data/one.json is nothing, committed is bb"]


def test_a_lock_that_differs_beside_its_outputs_is_shown_line_by_line():
    (text,) = differences(LOCK, LOCK.replace("seed: 1", "seed: 2"), [])

    assert "dvc.lock differs, and no output does:" in text
    assert "+    params: {params.yaml: {seed: 2}}" in text
