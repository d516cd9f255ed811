"""A raw table comes from a path or an installed package, with the digest that was declared."""

import hashlib

import pytest

from pipeline.config.params_file import read_params
from pipeline.data import sources
from pipeline.support.errors import SourceMissing, TableInvalid


@pytest.fixture
def data(values, tmp_path):
    """A function from the tables' files and digests, and the package, to the settings of a data set."""

    def made(file, sha256=None, package=None):
        block = values["data"]
        block["tables"] = {"table": {"file": str(file), "sha256": sha256, "columns": {}}}
        block["source"] = {"path": "things.lock", "package": package}
        return read_params(values).data

    return made


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An installed package that breaks when it is imported, with one table in it."""
    site = tmp_path / "site"
    (site / "stuff" / "data").mkdir(parents=True)
    (site / "stuff" / "__init__.py").write_text("raise RuntimeError('imported')")
    (site / "stuff" / "data" / "a.csv").write_text("x\n1\n")
    info = site / "stuff-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stuff\nVersion: 1.0\n")
    (info / "RECORD").write_text("stuff/__init__.py,,\nstuff/data/a.csv,,\n")
    monkeypatch.syspath_prepend(site)
    return site / "stuff"


def test_a_table_is_found_at_its_path(data, tmp_path):
    (tmp_path / "a.csv").write_text("x\n1\n")

    assert sources.locate(data(tmp_path / "a.csv")) == {"table": tmp_path / "a.csv"}


def test_a_missing_file_is_named_with_its_table_and_configuration(data, tmp_path):
    with pytest.raises(SourceMissing, match=r"Table table is read from .*a\.csv, which is not there.*conf/data/"):
        sources.locate(data(tmp_path / "a.csv"))


def test_a_folder_may_hold_the_files_of_a_table_and_has_no_digest(data, tmp_path):
    assert sources.locate(data(tmp_path)) == {"table": tmp_path}
    with pytest.raises(TableInvalid, match="is a folder, which has no sha256"):
        sources.locate(data(tmp_path, "0" * 64))


def test_the_declared_digest_passes(data, tmp_path):
    (tmp_path / "a.csv").write_text("x\n1\n")

    assert sources.locate(data(tmp_path / "a.csv", hashlib.sha256(b"x\n1\n").hexdigest()))


def test_another_digest_is_refused_with_both(data, tmp_path):
    (tmp_path / "a.csv").write_text("x\n2\n")
    found = hashlib.sha256(b"x\n2\n").hexdigest()[:12]

    with pytest.raises(TableInvalid, match=rf"a\.csv should have the sha256 {'0' * 12}… .* table table; it has {found}…"):
        sources.locate(data(tmp_path / "a.csv", "0" * 64))


def test_a_table_is_found_in_an_installed_package_that_is_not_imported(data, package):
    assert sources.locate(data("stuff/data/a.csv", package="stuff")) == {"table": package / "data" / "a.csv"}


def test_a_file_that_the_package_lacks_is_named(data, package):
    with pytest.raises(SourceMissing, match=r"The installed package stuff has no file stuff/data/b\.csv"):
        sources.locate(data("stuff/data/b.csv", package="stuff"))


def test_a_file_that_was_removed_from_the_package_is_named(data, package):
    (package / "data" / "a.csv").unlink()

    with pytest.raises(SourceMissing, match=r"a\.csv"):
        sources.locate(data("stuff/data/a.csv", package="stuff"))


def test_a_package_that_is_not_installed_is_named(data):
    with pytest.raises(SourceMissing, match="the Python package no-such-package, which is not installed here"):
        sources.locate(data("a.csv", package="no-such-package"))
