"""The report is one page that needs no network, says how the model scored, and is the same bytes every time."""

import html
import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from pipeline.config.params_file import read_params
from pipeline.config.settings import Evaluate
from pipeline.evaluation import slice_scores
from pipeline.evaluation.row_labels import RowLabels, Slicing
from pipeline.reporting import figures, html_report, rendering
from pipeline.reporting.rendering import Run

VOID = {"meta", "link", "br", "img", "input", "hr"}


class Page(HTMLParser):
    """The elements of a page with their attributes, and the text in its tables."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.cells, self.open = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("td", "th"):
            self.cells.append(data)


@pytest.fixture
def settings(values):
    values["data"] |= {
        "slices": ["colour", "moment.weekday"],
        "target": {"name": "good", "description": "Is it <good> & cheap?", "positive": "yes"},
        "columns": {
            "size": {"kind": "number", "unit": "m", "description": "Height < width"},
            "colour": {"kind": "category"},
            "moment": {"kind": "datetime"},
        },
    }
    return read_params(values)


@pytest.fixture
def test_rows():
    random = np.random.default_rng(9)
    rows = pd.DataFrame({"colour": random.choice(["red", "<b>blue</b>"], 200)})
    rows["moment"] = pd.Timestamp("2013-01-01") + pd.to_timedelta(np.arange(200) // 100, "D")
    probability = random.random(200)
    return rows, (random.random(200) < probability).astype(float), probability


def evaluated(test_rows, slices=("colour", "moment.date"), resample_by=None, **more):
    settings = Evaluate(1, 20, 0.9, calibration_bins=5, smallest_slice=1, importance_rows=100, reasons_rows=50)
    rows, truth, probability = test_rows
    labels = RowLabels.from_tables([rows.assign(truth=truth)], "truth", Slicing(slices, resample_by))
    return slice_scores.evaluate(labels, probability, 0.5, settings, **more)


def run(evaluation):
    losses = pd.DataFrame({"column": ["size", "colour"], "auc_loss": [0.1, 0.0]})
    metadata = {
        "name": "things",
        "threshold": 0.4321,
        "question": {"horizon_hours": 2},
        "rows": {"trained": 12345, "table": 12345},
        "parameters": {
            "model": {"name": "logistic", "_target_": "sklearn.linear_model.LogisticRegression"},
            "train": {"seed": 13, "max_rows": None},
        },
        "sha256": {"model.onnx": "cc33"},
        "data": {"train": "aa11", "test": "bb22"},
    }
    counts = {"train": 12345, "test": 200, "left_out": {"good unknown": 17}}
    schema = {"columns": [{"name": "size", "topic": "looks & size"}, {"name": "colour", "topic": "looks & size"}]}
    contributions = pd.DataFrame({"topic": ["looks & size"], "mean_absolute_contribution": [0.0321]})
    return Run("abc123", metadata, schema, counts, {}, (), evaluation, losses, contributions)


def page(evaluation, settings):
    return html_report.render(run(evaluation), settings.data.dataset(), settings)


@pytest.fixture(scope="module")
def drawn():
    """The text of the page, once there is one: its pictures take half a second."""
    return []


@pytest.fixture
def text(drawn, test_rows, settings):
    drawn[:] = drawn or [page(evaluated(test_rows), settings)]
    return drawn[0]


def test_the_page_asks_no_network_for_anything(text):
    asking = ("src", "srcset", "href", "xlink:href", "action", "data", "poster", "background", "formaction")
    found = [(tag, name, value) for tag, has in Page(text).elements for name, value in has.items() if name in asking]

    assert all(value.startswith("#") for _, _, value in found), found
    assert {tag for tag, _ in Page(text).elements} & {"script", "iframe", "link", "img", "object", "embed", "base"} == set()
    assert set(re.findall(r"url\(\s*['\"]?(.)", text)) <= {"#"}
    assert "@import" not in text
    assert set(re.findall(r"""(\S+)=["']https?://""", text)) <= {
        "xmlns",
        "xmlns:xlink",
        "xmlns:cc",
        "xmlns:dc",
        "xmlns:rdf",
        "rdf:resource",
    }


def test_every_element_is_closed(text):
    assert Page(text).open == []


def test_every_id_is_there_once_and_every_reference_has_its_id(text):
    ids = Counter(has["id"] for _, has in Page(text).elements if "id" in has)
    references = set(re.findall(r'href="#([^"]+)', text)) | set(re.findall(r"url\(#([^)]+)", text))

    assert [name for name, times in ids.items() if times > 1] == []
    assert references <= set(ids)
    assert references


def test_the_same_numbers_give_the_same_bytes(test_rows, settings, text):
    assert page(evaluated(test_rows), settings) == text


def test_the_page_says_what_was_scored(text):
    words = " ".join(text.split())

    assert "<dt>Model</dt><dd>things, version abc123</dd>" in words
    assert "<dd>logistic (sklearn.linear_model.LogisticRegression) from 3 columns</dd>" in words
    assert "<dt>Asked with</dt><dd>horizon_hours 2</dd>" in words
    assert (
        "<dt>Fitted on</dt><dd>12,345 rows</dd> <dt>Scored on</dt><dd>200 other rows, once, with the exported graph;"
        in words
    )
    assert "The model predicts yes if the probability is at least 0.4321, the threshold." in words
    assert "<dt>Left out of both</dt><dd>17 rows: good unknown</dd>" in words
    assert "20 bootstrap resamples of rows." in words


def test_every_score_has_its_value_and_interval(text, test_rows):
    cells, overall = Page(text).cells, evaluated(test_rows).overall

    for metric, name in rendering.NAMES.items():
        place = cells.index(name)
        value, low, high = (f"{overall[metric][end]:.4f}" for end in ("value", "low", "high"))
        assert cells[place + 1 : place + 3] == [value, f"{low} to {high}"]


def test_the_rate_is_the_share_of_positive_rows(text, test_rows):
    assert f"{100 * test_rows[1].mean():.1f} % of them are positive" in " ".join(text.split())


def test_each_slice_has_its_row(text, test_rows):
    rows, truth, _ = test_rows
    red = (rows["colour"] == "red").to_numpy()
    cells = Page(text).cells
    place = cells.index("red")

    assert cells[place + 1 : place + 3] == [str(red.sum()), f"{100 * truth[red].mean():.1f} %"]


def test_text_of_the_configuration_and_the_table_is_no_markup(text):
    assert "Is it &lt;good&gt; &amp; cheap?" in text
    assert "Height &lt; width" in text
    assert "<b>blue" not in text


def test_groups_of_the_bootstrap_are_named(test_rows, settings):
    grouped = replace(settings, data=replace(settings.data, resample_by="moment.date"))

    assert "20 bootstrap resamples of whole groups by moment.date." in page(evaluated(test_rows, (), "moment.date"), grouped)


def without_ids(text):
    return re.sub(r'(id="|href="#|url\(#)[^")]*', r"\1", text)


def test_intervals_from_bins_and_bundles_are_said_to_be(test_rows, settings, monkeypatch):
    monkeypatch.setattr(slice_scores, "MOST_GROUPS", 150)
    words = html.unescape(" ".join(page(evaluated(test_rows, exact_rows=100), settings).split()))

    assert "of rows. Those of more than 100 rows come from each group's counts in 512 bins of scores: an end" in words
    assert "The 200 rows are drawn in 10,000 random bundles there." in words
    assert "bins of scores" not in page(evaluated(test_rows), settings)


@pytest.mark.parametrize(("size", "words"), [(199, "a random 199 of the test rows"), (200, "all 200 test rows")])
def test_a_sample_is_called_a_sample(test_rows, settings, size, words):
    sampled = replace(settings, evaluate=replace(settings.evaluate, importance_rows=size, reasons_rows=size))
    text = " ".join(page(evaluated(test_rows), sampled).split())

    assert f"the mean of {words}" in text
    assert f"orders {words}" in text


def test_the_picture_of_slices_shows_the_auc_of_the_whole_table(test_rows, settings):
    evaluation = evaluated(test_rows, ("colour",))
    auc = evaluation.slices[evaluation.slices["metric"] == "roc_auc"]
    picture = figures.slices(auc, evaluation.overall["roc_auc"]["value"], evaluation.rate)

    assert without_ids(picture) in without_ids(page(evaluation, settings))


def test_a_slice_of_one_class_has_a_dash_for_its_auc(test_rows, settings):
    rows, truth, probability = test_rows
    truth = np.where(rows["colour"] == "red", 0.0, truth)
    cells = Page(page(evaluated((rows, truth, probability)), settings)).cells

    assert cells[cells.index("red") + 3] == "-"


def test_slices_that_are_all_of_one_class_leave_a_page(test_rows, settings):
    rows, _, probability = test_rows
    truth = (rows["colour"] == "red").to_numpy(float)
    cells = Page(page(evaluated((rows, truth, probability), ("colour",)), settings)).cells

    assert cells[cells.index("red") + 3] == "-"


def test_no_slices_leave_a_page(test_rows, settings):
    assert "By colour" not in page(evaluated(test_rows, ()), settings)


def test_the_page_names_the_model_and_how_to_find_its_commit(text):
    words = " ".join(text.split())

    for name, digest in (("model.onnx", "cc33"), ("data/processed/train", "aa11"), ("data/processed/test", "bb22")):
        assert f"<dt>{name}</dt><dd>{digest}</dd>" in words
    assert "git log -S cc33 -- data/report/model_card.md" in words


def test_no_row_left_out_is_no_sentence(test_rows, settings):
    page_without = html_report.render(
        replace(run(evaluated(test_rows)), counts={"train": 1, "test": 200, "left_out": {"good unknown": 0}}),
        settings.data.dataset(),
        settings,
    )

    assert "Left out" not in page_without


def test_probabilities_that_are_off_by_far_are_said_to_be(test_rows, settings):
    rows, _, probability = test_rows
    opposite = (probability < 0.5).astype(float)
    words = " ".join(page(evaluated((rows, opposite, probability)), settings).split())

    assert re.search(r"Of 40 rows with a mean prediction of \d+\.\d %, (100\.0|0\.0) % were positive\.", words)
    assert "off by far" not in page(evaluated((rows, probability > 0.5, (probability > 0.5) * 0.9 + 0.05)), settings)


def test_the_table_of_contents_leads_to_each_section(text):
    sections = [has["id"] for tag, has in Page(text).elements if tag == "h2"]
    contents = text[text.index("<nav") : text.index("</nav>")]

    assert re.findall(r'href="#([^"]+)"', contents) == sections
    assert "slices-2" in sections


def test_the_page_says_the_scores_in_words(text, test_rows):
    words = " ".join(text.split())
    auc = evaluated(test_rows).overall["roc_auc"]["value"]

    assert "a probability that this comes true: <em>Is it &lt;good&gt; &amp; cheap?</em>." in words
    assert f"has the higher probability {100 * auc:.0f} times in 100." in words


def test_important_columns_have_their_meaning(text):
    cells = Page(text).cells
    first = cells.index("Loss of ROC AUC")

    assert cells[first + 2 : first + 8] == [
        "size",
        "0.1000",
        "Height < width",
        "colour",
        "0.0000",
        "not described in conf/data",
    ]


def test_cells_may_break_so_that_the_widest_table_fits_a_window(text):
    assert "nowrap" not in text


def test_a_model_of_a_sample_says_of_how_many_rows(test_rows, settings):
    whole = run(evaluated(test_rows))
    sampled = replace(whole, metadata={**whole.metadata, "rows": {"trained": 1000, "table": 12345}})
    words = html_report.render(sampled, settings.data.dataset(), settings)

    assert "<dd>1,000 of 12,345 training rows, a sample that was drawn with the seed 13</dd>" in words
