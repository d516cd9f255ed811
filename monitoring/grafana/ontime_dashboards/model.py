"""The dashboard of the model: what it predicts, how good that turns out to be, which version answers, what moved."""

from collections.abc import Mapping, Sequence

from grafana_foundation_sdk.models.dashboard import Dashboard

from ontime_dashboards import boards
from ontime_dashboards.panels import (
    GREEN,
    NONE,
    ORANGE,
    RED,
    YELLOW,
    Panel,
    Steps,
    bars,
    distribution,
    graph,
    number,
    rows,
    states,
)
from ontime_dashboards.reference import Interval

# Where alerts of monitoring/prometheus/rules/model.yml begin; a test holds these to those.
LOW_AUC, HIGH_CALIBRATION_ERROR, MODEL_DRIFTED, COLUMN_DRIFTED = 0.55, 0.30, 2.0, 0.5
# By convention a population stability index from 0.1 on is worth a look, and 0.25 is large.
MOVED, MOVED_FAR = 0.1, 0.25
STALE_DAYS = 90
RELOAD = {0: ("works", GREEN), 1: ("fails", RED)}
DAY = 86400


def board(tested: Mapping[str, Interval]) -> Dashboard:
    """The dashboard; ``tested`` are the scores of the committed model on its test rows."""
    panels = {
        "What does it predict?": _predictions(),
        "How good is it? (predictions of the live window whose outcome is known)": _quality(tested),
        "Are outcomes arriving?": _outcomes(),
        "Which model answers?": _versions(),
        "Does the world still look like the training data?": _drift(),
    }
    question = "Does the model still say what comes true, and which one is it?"
    return boards.board("model", question, panels, [boards.variable("version", 'data_api_live_predictions{job="data-api"}')])


def _predictions() -> Sequence[Panel]:
    made = 'prediction_api_predictions_total{job="prediction-api"}'
    late = 'prediction_api_predictions_total{job="prediction-api", label="true"}'
    live = 'score_version:data_api_live_score:avg{version=~"$version"'
    return (
        graph(
            "Predictions each minute, by label",
            "Good follows your callers' day; true is late for flights.",
            "short",
            {"{{label}}": f"sum by (label) (rate({made}[$__rate_interval])) * 60"},
            stacked=True,
        ),
        graph(
            "Does it say true as often as it comes true?",
            "Good is two lines near each other: far apart over days, the threshold no longer fits, or the world moved.",
            "percentunit",
            {
                "predicted now": f"sum(rate({late}[$__rate_interval])) / sum(rate({made}[$__rate_interval]))",
                "predicted, live window, {{version}}": f'{live}, score="label_rate"}}',
                "came true, live window, {{version}}": f'{live}, score="outcome_rate"}}',
            },
            most=1,
        ),
        distribution(
            "How are the probabilities distributed?",
            "Good keeps its shape from day to day; all in one band is a model that no longer tells cases apart.",
            "percentunit",
            {"{{le}}": 'sum by (le) (increase(prediction_api_probability_bucket{job="prediction-api"}[$__rate_interval]))'},
        ),
        graph(
            "Warnings for each prediction, by kind",
            "Good is a few in a hundred; a rise is a category or a number that training never saw, from then on.",
            "percentunit",
            {
                "{{kind}}": 'sum by (kind) (rate(prediction_api_warnings_total{job="prediction-api"}[$__rate_interval])) '
                f"/ scalar(sum(rate({made}[$__rate_interval])))"
            },
        ),
    )


def _quality(tested: Mapping[str, Interval]) -> Sequence[Panel]:
    auc, calibration = tested["roc_auc"], tested["calibration_error"]
    precision, brier = tested["average_precision"], tested["brier"]
    return (
        _score(
            "Does it rank well? (ROC AUC)",
            f"Good is the green band over weeks, what all test rows gave at once ({_said(auc)}); a day is often lower, "
            f"and below {LOW_AUC}, its worst test day, a ticket is written.",
            "roc_auc",
            [(None, RED), (LOW_AUC, NONE), *_band(auc)],
            least=0.5,
        ),
        _score(
            "How right is it about the positives? (average precision)",
            f"Good is the green band over weeks, what all test rows gave at once ({_said(precision)}); it falls on days "
            "with few of them.",
            "average_precision",
            [(None, NONE), *_band(precision)],
        ),
        _score(
            "How far are probabilities from what came true? (Brier score)",
            f"Good is the green band or below it, what all test rows gave at once ({_said(brier)}); always saying the "
            "mean gives more.",
            "brier_score",
            [(None, NONE), *_band(brier)],
            most=None,
        ),
        _score(
            "Does 30 % mean 30 %? (calibration error)",
            f"Good is small, {_said(calibration)} for all test rows at once (green); a day has up to 0.29, and above "
            f"{HIGH_CALIBRATION_ERROR:.2f} a ticket is written.",
            "calibration_error",
            [(None, NONE), *_band(calibration), (HIGH_CALIBRATION_ERROR, RED)],
            most=None,
        ),
    )


def _score(title: str, good: str, score: str, steps: Steps, least: float = 0, most: float | None = 1) -> Panel:
    query = f'score_version:data_api_live_score:avg{{score="{score}", version=~"$version"}}'
    return graph(title, good, "none", {"{{version}}": query}, steps=steps, area=True, least=least, most=most)


def _band(tested: Interval) -> Steps:
    return [(tested.low, GREEN), (tested.high, NONE)]


def _said(tested: Interval) -> str:
    return f"{tested.value:.3f}, with a 95 % interval from {tested.low:.3f} to {tested.high:.3f}"


def _outcomes() -> Sequence[Panel]:
    delay = 'data_api_outcome_delay_seconds_bucket{job="data-api"}'
    return (
        graph(
            "Predictions in the live window",
            "Good is above the dashed line: with fewer than 300 known outcomes a score is chance, and no alert looks at it.",
            "short",
            {
                "made, {{version}}": 'max by (version) (data_api_live_predictions{job="data-api", version=~"$version"})',
                "outcome known, {{version}}": 'version:data_api_live_outcomes:max{version=~"$version"}',
            },
            steps=((None, NONE), (300, ORANGE)),
        ),
        graph(
            "Share of them whose outcome is known",
            "Good is high and level; a fall means that whoever sends outcomes has stopped.",
            "percentunit",
            {"{{version}}": 'max by (version) (data_api_outcome_coverage{job="data-api", version=~"$version"})'},
            most=1,
        ),
        graph(
            "How long until an outcome arrives?",
            "Good is below 12 hours for flights, the dashed line; scores are always that far behind.",
            "s",
            {
                "half arrived (p50)": f"histogram_quantile(0.5, sum by (le) (rate({delay}[1h])))",
                "19 of 20 arrived (p95)": f"histogram_quantile(0.95, sum by (le) (rate({delay}[1h])))",
            },
            steps=((None, NONE), (12 * 3600, ORANGE)),
        ),
        graph(
            "How old are live scores and drift?",
            "Good is a minute or two for scores and some minutes for drift; past the dashed line, 15 minutes, what "
            "scores say is old.",
            "s",
            {
                "scores, {{instance}}": 'time() - (data_api_live_refreshed_timestamp_seconds{job="data-api"} > 0)',
                "drift, {{instance}}": 'time() - (data_api_drift_refreshed_timestamp_seconds{job="data-api"} > 0)',
            },
            steps=((None, NONE), (900, RED)),
        ),
    )


def _versions() -> Sequence[Panel]:
    info = 'prediction_api_model_info{job="prediction-api"}'
    return (
        rows(
            "Which version answers on each replica?",
            "Good is one version everywhere; two for longer than a quarter of an hour is a ticket.",
            "none",
            info,
            {"instance": "Replica", "name": "Model", "version": "Version"},
        ),
        number(
            "For how long has this version answered?",
            "Good is below 90 days: it was tested on the three months after its training, and nobody measured a fourth.",
            "s",
            {"{{version}}": "time() - version:prediction_api_model_first_seen:timestamp"},
            steps=((None, GREEN), (STALE_DAYS * DAY, ORANGE)),
        ),
        number(
            "How long ago did each replica load it?",
            "Good is since the last promotion or restart; replicas look for another model each minute or more often.",
            "s",
            {"{{instance}}": 'time() - prediction_api_model_loaded_timestamp_seconds{job="prediction-api"}'},
        ),
        graph(
            "Share of predictions by version",
            "Good is one colour, but for the minutes of a promotion or rollback.",
            "percentunit",
            {
                "{{version}}": "sum by (version) (sum by (instance) "
                f'(rate(prediction_api_predictions_total{{job="prediction-api"}}[$__rate_interval])) * on (instance) '
                f"group_right () max by (instance, version) ({info})) "
                '/ scalar(sum(rate(prediction_api_predictions_total{job="prediction-api"}[$__rate_interval])))'
            },
            stacked=True,
            most=1,
        ),
        graph(
            "Looks for another model each minute, by outcome",
            "Good is unchanged, and changed once after a promotion; failed leaves the old model answering.",
            "short",
            {
                "{{outcome}}": "sum by (outcome) "
                '(rate(prediction_api_reloads_total{job="prediction-api"}[$__rate_interval])) * 60'
            },
        ),
        states(
            "Did the last look for a model work?",
            "Good is works; after a quarter of an hour of fails a ticket is written, and /readyz of the replica says why.",
            {"{{instance}}": 'prediction_api_reload_failing{job="prediction-api"}'},
            named=RELOAD,
        ),
    )


def _drift() -> Sequence[Panel]:
    columns = 'data_api_drift_psi{job="data-api", window='
    steps = ((None, GREEN), (MOVED, YELLOW), (MOVED_FAR, ORANGE), (COLUMN_DRIFTED, RED))
    return (
        bars(
            "Which columns moved most? (PSI of three days)",
            f"Good is below {MOVED}, and {MOVED_FAR} is large; weather and delays move by themselves, any other column "
            f"above {COLUMN_DRIFTED} is a ticket.",
            "none",
            {"{{column}}": f'topk(12, max by (column) ({columns}"72h"}}))'},
            steps=steps,
            most=1,
            height=12,
        ),
        bars(
            "Which columns moved within six hours? (PSI)",
            "Good is below 0.25, but hours differ from each other: this tells where to look, and alerts on nothing; "
            "fewer than 200 rows have no index.",
            "none",
            {"{{column}}": f'topk(12, max by (column) ({columns}"6h"}}))'},
            steps=steps,
            most=1,
            height=12,
        ),
        graph(
            "Did the probabilities move? (PSI)",
            f"Good is below {MOVED_FAR} for rows that are alike from day to day; three days of flights have one weather, "
            f"reach 1.9, and above {MODEL_DRIFTED:.0f} a ticket is written.",
            "none",
            {"last {{window}}": 'max by (window) (data_api_probability_drift_psi{job="data-api"})'},
            steps=((None, NONE), (MOVED, YELLOW), (MOVED_FAR, ORANGE), (MODEL_DRIFTED, RED)),
        ),
        graph(
            "Rows that drift was worked out from",
            "Good is above the dashed line: with fewer than 1000 rows in three days chance moves columns, and no alert "
            "looks at them.",
            "short",
            {"last {{window}}": 'max by (window) (data_api_drift_rows{job="data-api"})'},
            steps=((None, NONE), (1000, ORANGE)),
        ),
    )
