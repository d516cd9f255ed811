"""What tests of the whole pipeline share: one reproduced repository, of which each file of tests changes a copy."""

import pytest

import penguins


@pytest.fixture(scope="session")
def reproduced(tmp_path_factory):
    return penguins.made(tmp_path_factory.mktemp("penguins"))


@pytest.fixture(scope="module")
def project(reproduced, tmp_path_factory):
    return penguins.copied(reproduced, tmp_path_factory.mktemp("copy") / "of")
