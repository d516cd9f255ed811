"""What serving/README.md says about the board."""

import re
from pathlib import Path

from board.api.routes import PATHS
from board.metrics import Metrics

PAGE = Path("serving/README.md").read_text().partition("\n## The board\n")[2]


def test_every_route_is_on_the_page():
    named = set(re.findall(r"^\| `(?:GET|POST) (/\w+)[?`]", PAGE, re.MULTILINE))

    assert named == PATHS


def test_every_metric_is_in_the_table_and_no_other():
    listed = set(re.findall(r"^\| `(board_\w+)` \|", PAGE, re.MULTILINE))

    names = {family.name for family in Metrics().registry.collect() if family.name.startswith("board")}
    assert {name.removesuffix("_total") for name in listed} == names
