"""The dashboard of the model: what it predicts, how good that turns out to be, which version answers, what moved."""

from collections.abc import Mapping, Sequence

from grafana_foundation_sdk.models.dashboard import Dashboard

from ontime_dashboards import dashboard_builder
from ontime_dashboards.panel_kinds import (
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
        "How good is it? (predictions in the live window whose outcome is known)": _quality(tested),
        "Are outcomes arriving?": _outcomes(),
        "Which model answers?": _versions(),
        "Does the world still look like the training data?": _drift(),
    }
    question = "Is the model still right, and which model answers?"
    return dashboard_builder.board(
        "model", question, panels, [dashboard_builder.variable("version", 'data_api_live_predictions{job="data-api"}')]
    )


def _predictions() -> Sequence[Panel]:
    made = 'prediction_api_predictions_total{job="prediction-api"}'
    late = 'prediction_api_predictions_total{job="prediction-api", label="true"}'
    live = 'score_version:data_api_live_score:avg{version=~"$version"'
    return (
        graph(
            "Predictions each minute, by label",
            "Good follows the daily rhythm of your callers; for flights, true means late.",
            "short",
            {"{{label}}": f"sum by (label) (rate({made}[$__rate_interval])) * 60"},
            stacked=True,
        ),
        graph(
            "Does it predict true as often as true happens?",
            "Good is two lines near each other; if they are far apart for days, the threshold no longer fits, or the "
            "world has changed.",
            "percentunit",
            {
                "predicted now": f"sum(rate({late}[$__rate_interval])) / sum(rate({made}[$__rate_interval]))",
                "predicted, live window, {{version}}": f'{live}, score="label_rate"}}',
                "happened, live window, {{version}}": f'{live}, score="outcome_rate"}}',
            },
            most=1,
        ),
        distribution(
            "How are the probabilities distributed?",
            "Good keeps its shape from day to day; if all are in one band, the model no longer tells cases apart.",
            "percentunit",
            {"{{le}}": 'sum by (le) (increase(prediction_api_probability_bucket{job="prediction-api"}[$__rate_interval]))'},
        ),
        graph(
            "Warnings per prediction, by kind",
            "Good is a few in a hundred; a rise means that a category or a number which training never saw keeps coming.",
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
            f"Good is the green band over weeks: the score of all test rows together ({_said(auc)}). A single day is often "
            f"lower; below {LOW_AUC}, the worst test day, a ticket is raised.",
            "roc_auc",
            [(None, RED), (LOW_AUC, NONE), *_band(auc)],
            least=0.5,
        ),
        _score(
            "Are the cases that it ranks highest positive? (average precision)",
            f"Good is the green band over weeks: the score of all test rows together ({_said(precision)}). It is "
            "lower on days with few positives.",
            "average_precision",
            [(None, NONE), *_band(precision)],
        ),
        _score(
            "How far are probabilities from what happened? (Brier score)",
            f"Good is in the green band or below it: the score of all test rows together ({_said(brier)}). Always "
            "predicting the mean would give a higher score.",
            "brier_score",
            [(None, NONE), *_band(brier)],
            most=None,
        ),
        _score(
            "Does 30 % mean 30 %? (calibration error)",
            f"Good is small: for all test rows together it was {_said(calibration)} (green). A single day has up to "
            f"0.29; above {HIGH_CALIBRATION_ERROR:.2f} a ticket is raised.",
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
            "Good is above the dashed line: with fewer than 300 known outcomes a score is mostly chance, and no alert "
            "uses it.",
            "short",
            {
                "all, {{version}}": 'max by (version) (data_api_live_predictions{job="data-api", version=~"$version"})',
                "outcome known, {{version}}": 'version:data_api_live_outcomes:max{version=~"$version"}',
            },
            steps=((None, NONE), (300, ORANGE)),
        ),
        graph(
            "Share of these predictions whose outcome is known",
            "Good is high and steady; a fall means that nobody sends outcomes any more.",
            "percentunit",
            {"{{version}}": 'max by (version) (data_api_outcome_coverage{job="data-api", version=~"$version"})'},
            most=1,
        ),
        graph(
            "How long until an outcome arrives?",
            "Good is below the dashed line, 12 hours for flights; live scores are always that far behind.",
            "s",
            {
                "half arrived (p50)": f"histogram_quantile(0.5, sum by (le) (rate({delay}[1h])))",
                "19 of 20 arrived (p95)": f"histogram_quantile(0.95, sum by (le) (rate({delay}[1h])))",
            },
            steps=((None, NONE), (12 * 3600, ORANGE)),
        ),
        graph(
            "How old are the live scores and the drift?",
            "Good is a minute or two for scores and some minutes for drift; above the dashed line, 15 minutes, the "
            "scores are too old to rely on.",
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
            "Good is one version everywhere; two versions for more than 15 minutes raise a ticket.",
            "none",
            info,
            {"instance": "Replica", "name": "Model", "version": "Version"},
        ),
        number(
            "For how long has this version answered?",
            "Good is below 90 days: the model was tested on the three months after its training, and nobody measured "
            "a fourth.",
            "s",
            {"{{version}}": "time() - version:prediction_api_model_first_seen:timestamp"},
            steps=((None, GREEN), (STALE_DAYS * DAY, ORANGE)),
        ),
        number(
            "How long ago did each replica load its model?",
            "Good is the time since the last promotion or restart; replicas look for another model at least once a minute.",
            "s",
            {"{{instance}}": 'time() - prediction_api_model_loaded_timestamp_seconds{job="prediction-api"}'},
        ),
        graph(
            "Share of predictions by version",
            "Good is one colour, except in the minutes of a promotion or rollback.",
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
            "Searches for another model each minute, by outcome",
            "Good is unchanged, and changed once after a promotion; after failed, the old model goes on answering.",
            "short",
            {
                "{{outcome}}": "sum by (outcome) "
                '(rate(prediction_api_reloads_total{job="prediction-api"}[$__rate_interval])) * 60'
            },
        ),
        states(
            "Did the last search for another model work?",
            "Good is works; after 15 minutes of fails a ticket is raised, and /readyz of the replica says why.",
            {"{{instance}}": 'prediction_api_reload_failing{job="prediction-api"}'},
            named=RELOAD,
        ),
    )


def _drift() -> Sequence[Panel]:
    columns = 'data_api_drift_psi{job="data-api", window='
    steps = ((None, GREEN), (MOVED, YELLOW), (MOVED_FAR, ORANGE), (COLUMN_DRIFTED, RED))
    return (
        bars(
            "Which columns moved most? (PSI over three days)",
            f"Good is below {MOVED}, and {MOVED_FAR} is large. Weather and delays move by themselves; any other "
            f"column above {COLUMN_DRIFTED} raises a ticket.",
            "none",
            {"{{column}}": f'topk(12, max by (column) ({columns}"72h"}}))'},
            steps=steps,
            most=1,
            height=12,
        ),
        bars(
            "Which columns moved within six hours? (PSI)",
            "Good is below 0.25, but hours differ from each other: this panel shows where to look, and no alert uses "
            "it. For fewer than 200 rows there is no value.",
            "none",
            {"{{column}}": f'topk(12, max by (column) ({columns}"6h"}}))'},
            steps=steps,
            most=1,
            height=12,
        ),
        graph(
            "Did the probabilities move? (PSI)",
            f"Good is below {MOVED_FAR} if days resemble one another. Three days of flights share one weather and "
            f"reach 1.9; above {MODEL_DRIFTED:.0f} a ticket is raised.",
            "none",
            {"last {{window}}": 'max by (window) (data_api_probability_drift_psi{job="data-api"})'},
            steps=((None, NONE), (MOVED, YELLOW), (MOVED_FAR, ORANGE), (MODEL_DRIFTED, RED)),
        ),
        graph(
            "Rows that drift was computed from",
            "Good is above the dashed line: with fewer than 1000 rows in three days chance alone moves columns, and "
            "no alert uses them.",
            "short",
            {"last {{window}}": 'max by (window) (data_api_drift_rows{job="data-api"})'},
            steps=((None, NONE), (1000, ORANGE)),
        ),
    )
