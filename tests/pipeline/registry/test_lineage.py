"""What a version was registered with, older versions included."""

import pytest

from pipeline.registry import lineage
from pipeline.registry.mlflow_registry import Version
from pipeline.support.errors import ModelMissing


class Store:
    """A registry whose versions all have the files of one folder."""

    uri = "memory"

    def __init__(self, folder):
        self.folder = folder

    def download(self, version, into):
        return self.folder


@pytest.fixture
def older(tmp_path):
    """A model directory from before the renaming, and the tags with which it was registered."""
    for name in ("model.onnx", "schema.json", "about.json"):
        (tmp_path / name).write_text(name)
    return tmp_path, lineage.file_digests(tmp_path)


def test_an_older_version_is_held_to_the_digests_that_it_was_registered_with(older):
    folder, tags = older

    lineage.refuse_altered(Store(folder), Version(1, tags))

    assert sorted(tags) == ["sha256.about.json", "sha256.model.onnx", "sha256.schema.json"]
    (folder / "about.json").write_text("altered")
    with pytest.raises(ModelMissing, match="should have the files that it was registered with"):
        lineage.refuse_altered(Store(folder), Version(1, tags))


def test_the_metadata_name_the_model_of_a_version_by_their_old_name_too(older):
    _, tags = older

    assert lineage.model_digest(tags) == tags["sha256.about.json"]
    assert lineage.model_digest({"sha256.metadata.json": "new", **tags}) == "new"
    assert lineage.model_digest({}) is None
