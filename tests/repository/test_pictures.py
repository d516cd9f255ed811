"""The pictures of the pages: few, small, each shown somewhere and described in words."""

import re

import pytest

import pages

MOST_BYTES = 150_000
IMAGE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)\)")
PICTURES = {path.resolve() for path in pages.tracked("*.png")}
SHOWN = {
    (path.parent / address).resolve(): words
    for path in pages.tracked("*.md")
    for words, address in IMAGE.findall(path.read_text())
    if not re.match(r"\w+:", address)
}


def test_each_picture_is_shown_on_a_page_and_each_page_shows_what_there_is():
    assert len(PICTURES) > 4
    assert SHOWN.keys() == PICTURES


@pytest.mark.parametrize("path", sorted(PICTURES), ids=lambda path: path.name)
def test_a_picture_is_small_and_described(path):
    assert path.stat().st_size <= MOST_BYTES
    assert len(SHOWN[path]) > 40
