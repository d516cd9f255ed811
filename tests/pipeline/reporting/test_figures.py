"""A picture is SVG text: the same bytes for the same numbers, and nothing that a network would have to bring."""

import re
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from pipeline.reporting import figures

GRID = np.linspace(0, 1, 11)
SLICES = pd.DataFrame(
    {
        "slice": ["red", "blue"],
        "value": [0.7, 0.6],
        "low": [0.6, np.nan],
        "high": [0.8, np.nan],
        "rows": [9, 9],
        "rate": [0.5, 0.2],
    }
)
DRAWN = {
    "roc": lambda: figures.roc(pd.DataFrame({"false_positive_rate": GRID, "true_positive_rate": GRID**0.5})),
    "precision_recall": lambda: figures.precision_recall(pd.DataFrame({"recall": GRID, "precision": 1 - GRID}), 0.3),
    "calibration": lambda: figures.calibration(pd.DataFrame({"predicted": [0.1, 0.5], "observed": [0.2, 0.4]})),
    "slices": lambda: figures.slices(SLICES, 0.65, 0.3),
    "importances": lambda: figures.importances(losses(3)),
    "contributions": lambda: figures.contributions(
        pd.DataFrame({"topic": ["weather"], "mean_absolute_contribution": [0.03]})
    ),
}


def losses(count):
    return pd.DataFrame({"column": [f"column_{number}" for number in range(count)], "auc_loss": np.arange(count)[::-1] / 99})


@pytest.fixture(params=DRAWN)
def drawn(request):
    return DRAWN[request.param]


def test_a_picture_is_one_svg_element(drawn):
    assert ElementTree.fromstring(drawn()).tag == "{http://www.w3.org/2000/svg}svg"


def test_the_same_numbers_give_the_same_bytes(drawn):
    assert drawn() == drawn()


def test_a_picture_holds_no_clock_and_no_version(drawn):
    assert not re.search(r"<dc:date>|<dc:creator>|Matplotlib v", drawn())


def test_every_reference_stays_inside_the_picture(drawn):
    text = drawn()

    assert set(re.findall(r'href="(.)', text)) <= {"#"}
    assert set(re.findall(r"url\((.)", text)) <= {"#"}
    assert not re.search(r"\ssrc=|@import", text)


def test_two_processes_draw_the_same_bytes(python):
    code = (
        "from pipeline.reporting import figures; import pandas as pd, hashlib;"
        "text = figures.calibration(pd.DataFrame({'predicted': [0.1, 0.5], 'observed': [0.2, 0.4]}));"
        "print(hashlib.sha256(text.encode()).hexdigest())"
    )
    done = [python(code, PYTHONHASHSEED=seed).stdout for seed in ("1", "2")]

    assert len(done[0].strip()) == 64
    assert done[0] == done[1]


def test_names_of_slices_stay_text():
    assert ">blue</text>" in DRAWN["slices"]()


@pytest.mark.parametrize("name", ["$a_$", "under $5, over $1", "a < b & c", "$\\x$", "_hidden"])
def test_a_name_is_drawn_as_it_is_written(name):
    text = figures.slices(SLICES.assign(slice=[name, "blue"]), 0.65, 0.3)
    written = [element.text for element in ElementTree.fromstring(text).iter("{http://www.w3.org/2000/svg}text")]

    assert name in written


def test_the_most_important_columns_alone_are_drawn():
    text = figures.importances(losses(40))

    assert ">column_24</text>" in text
    assert ">column_25</text>" not in text


def test_other_settings_of_matplotlib_change_nothing(drawn):
    plain = drawn()
    with mpl.rc_context({"svg.fonttype": "path", "axes.grid": False}):
        assert drawn() == plain
