"""The comparison of a change says all of it in Markdown that GitHub takes, whatever stands in a table or a file."""

import re
from dataclasses import replace

import pandas as pd
import pytest

from pipeline.diff import compare, gate_settings, markdown
from pipeline.diff.compare import ChangedValue, Interval, Snapshot
from pipeline.versioning.revision import Commit, CommitRange

JUDGED_BY = gate_settings.Diff(tolerances={"roc_auc": 0.003}, slice_tolerances={"roc_auc": 0.01})
SPAN = CommitRange("main", Commit("a" * 40, "Base it"), Commit("b" * 40, "Head it"), ())
MOST_OF_A_COMMENT = 65_536  # characters that GitHub takes


def table(slices, value):
    rows = [("month", name, 9000, "roc_auc", value, value - 0.1, value + 0.1) for name in slices]
    return pd.DataFrame(rows, columns=["by", "slice", "rows", "metric", "value", "low", "high"])


def curves(y):
    return {
        "roc": pd.DataFrame({"false_positive_rate": [0.0, 1.0], "true_positive_rate": [0.0, y]}),
        "precision_recall": pd.DataFrame({"recall": [0.0, 1.0], "precision": [1.0, 0.2]}),
    }


BASE = Snapshot(
    params={"model": {"max_iter": 400}},
    gate={"diff": {"tolerances": {"roc_auc": 0.003}}},
    hashes={"data/raw": "aaa", "data/model": "bbb"},
    rows={"train": 1000, "test": 500},
    metrics={"roc_auc": Interval(0.75, 0.7, 0.8), "f1": Interval(0.5)},
    validation={"roc_auc": Interval(0.8)},
    slices=table(["01"], 0.75),
    curves=curves(1.0),
)


def page(between=SPAN, stale=(), base=BASE, **other):
    head = replace(base, **other)
    return markdown.render(compare.compare(base, head, JUDGED_BY), between, base, head, stale)


def test_a_change_of_nothing_takes_two_lines():
    assert page().splitlines() == [
        "**Nothing changed**: parameters, data, metrics, slices and curves are those of the base.",
        "",
        "From `aaaaaaaaa` (`Base it`), where HEAD left `main`, to `bbbbbbbbb` (`Head it`).",
    ]


def test_a_change_links_to_the_report_unless_it_is_of_other_code():
    link = "[data/report/report.html](data/report/report.html)"

    assert link in page(rows={"train": 1001, "test": 500})
    assert link not in page(rows={"train": 1001, "test": 500}, stale=["evaluate"])


def test_a_failure_comes_first_with_each_reason():
    lines = page(metrics={"roc_auc": Interval(0.745, 0.69, 0.79)}).splitlines()

    assert lines[:4] == [
        "**The change fails**: a metric is worse than its tolerance, or not there.",
        "",
        "- `roc_auc` is 0.7450, 0.00500 worse than 0.7500 (0.003 tolerated)",
        "- `f1` was 0.5000 and is not there",
    ]
    assert "| `roc_auc` | 0.7500 [0.7000, 0.8000] | 0.7450 [0.6900, 0.7900] | -0.00500 | 0.003 | **worse** |" in lines
    assert "| `f1` | 0.5000 | - | - | - | **gone** |" in lines


def test_results_that_are_not_reproduced_are_not_judged_whatever_they_are():
    for metrics in (BASE.metrics, {"roc_auc": Interval(0.1)}):
        lines = page(stale=["train: model.max_iter"], metrics=metrics).splitlines()

        assert lines[0] == (
            "**Not judged**: the results are not those of this code and these settings. "
            "Type `make params repro`: `train: model.max_iter`."
        )
        assert "## Metrics" in lines


def test_another_column_or_slice_or_text_is_the_same_question():
    data = {"columns": {"wind": 1}, "slices": ["origin"], "target": {"description": "x"}, "tables": {"a": 1}}

    assert "different questions" not in page(params={"data": data})


def test_a_change_that_passes_says_so():
    text = page(metrics={"roc_auc": Interval(0.751), "f1": Interval(0.5), "recall": Interval(0.4)})

    assert text.startswith(
        "**The change passes**: no metric is missing, and those that conf/gate.yaml judges are within their tolerance."
    )
    assert "| `recall` | - | 0.4000 | - | - | new |" in text


def test_settings_hashes_and_rows_stand_with_both_values():
    text = page(
        params={"model": {"max_iter": 40}},
        hashes={"data/raw": "aaa", "data/model": "ccc"},
        rows={"train": 900, "test": 500},
    )

    assert "| `model.max_iter` | `400` | `40` |" in text
    assert "| `data/model` | `bbb` | `ccc` |" in text
    assert "Unchanged: `data/raw`." in text
    assert "| `train` | `1000` | `900` |" in text


def test_rows_that_are_the_same_or_unknown_are_said_to_be():
    other = {"params": {"model": {"max_iter": 40}}}

    assert "Rows, unchanged: `train` 1,000, `test` 500." in page(**other)
    assert "DVC's cache lacks `data/processed/counts.json` of one side." in page(**other, rows=None)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"gate": {"diff": {"tolerances": {"roc_auc": 0.5}}}}, "`conf/gate.yaml` itself changed"),
        ({"rows": {"train": 1000, "test": 7}}, "The two sides answer different questions, or on other rows: `rows.test`."),
        (
            {"params": {"data": {"late_minutes": 30}}},
            "or on other rows: `data.late_minutes`. Their scores are not comparable.",
        ),
    ],
)
def test_what_a_reader_should_know_first_is_a_warning(other, said):
    above = page(**other).partition("## Metrics")[0]

    assert f"> [!WARNING]\n> {said}" in above or re.search(rf"> \[!WARNING\]\n> .*{re.escape(said)}", above)


def test_a_gate_that_changed_is_shown():
    text = page(gate={"diff": {"tolerances": {"roc_auc": 0.5}}})

    assert "| `diff.tolerances.roc_auc` | `0.003` | `0.5` |" in text


def test_uncommitted_files_are_named_and_many_are_counted():
    names = tuple(f"file{number}" for number in range(12))

    assert "and the uncommitted changes in `file0`." in page(replace(SPAN, uncommitted=names[:1]))
    assert "`file9` and 2 more." in page(replace(SPAN, uncommitted=names))


def test_a_curve_is_drawn_where_it_moved_and_named_where_it_did_not():
    text = page(curves=curves(0.9))

    assert text.count("```mermaid") == 1
    assert "Precision and recall: the same." in text
    assert "Calibration: none in base and head." in text


def test_long_lists_are_cut_and_counted():
    columns = {f"column{number}": {"kind": "number"} for number in range(300)}
    text = page(
        params={"model": {"max_iter": 40}, "data": {"columns": columns}},
        base=replace(BASE, slices=table([f"{n:03}" for n in range(40)], 0.75)),
        slices=table([f"{n:03}" for n in range(40)], 0.5),
    )

    assert "| `model.max_iter` | `400` | `40` |" in text
    assert "| and 290 more of `data.columns` | | |" in text
    assert text.count("| `month 0") == 15
    assert "And 25 more scores that moved." in text


def test_a_comparison_fits_into_a_comment_however_much_changed():
    long = "x" * 1000
    many = {f"{group}.{long}": dict.fromkeys(map(str, range(50)), long) for group in range(20)}
    text = page(
        replace(SPAN, uncommitted=tuple(f"{long}{n}" for n in range(50))),
        [long] * 40,
        params={"data": many, "model": many["0." + long]},
        slices=table([f"{n}{long}" for n in range(400)], 0.5),
        curves=curves(0.9),
    )

    assert len(text) < MOST_OF_A_COMMENT


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("a | b", r"`a \| b`"),
        ("two\nlines", "`two lines`"),
        ("`ticks`", "`'ticks'`"),
        ("", "` `"),
        ("<script>@all</script>", "`<script>@all</script>`"),
        ("y" * 61, f"`{'y' * 57}...`"),
    ],
)
def test_any_text_stays_text_in_one_cell(text, span):
    assert markdown.code(text) == span


def test_no_cell_of_a_table_breaks_its_row():
    hostile = "a|b\n| c `d` <img>"
    text = page(
        params={hostile: hostile}, metrics={**BASE.metrics, hostile: Interval(1.0)}, hashes={hostile: "x"}, rows={hostile: 3}
    )

    for row in (line for line in text.splitlines() if line.startswith("|")):
        assert len(re.findall(r"(?<!\\)\|", row)) in (4, 7), row


def test_settings_stand_by_group_and_columns_by_theirs():
    keys = ["model.max_iter", "data.columns.a.kind", "data.slices[0]", "data.columns.b.range[1]", "model.name"]

    changed = [ChangedValue(key, None, "1") for key in keys]
    assert list(markdown.group_settings(changed)) == [
        "model",
        "data.columns",
        "data.slices",
    ]
