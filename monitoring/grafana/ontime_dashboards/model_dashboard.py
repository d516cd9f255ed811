"""The dashboard of the model: what it predicts, how good that turns out to be, which version answers, what moved."""

from collections.abc import Mapping

from grafana_foundation_sdk.models.dashboard import Dashboard

from ontime_dashboards import dashboard_builder
from ontime_dashboards.panel_kinds import (
    GREEN,
    NONE,
    ORANGE,
    RED,
    YELLOW,
    Panels,
    Steps,
    areas,
    bars,
    distribution,
    graph,
    limit,
    number,
    rows,
    share,
    stacked,
    timeline,
)
from ontime_dashboards.queries import Queries, each, histogram, per_minute, rate, series, summed
from ontime_dashboards.reference import Interval

# Where alerts of monitoring/prometheus/rules/model.yml begin; a test holds these to those.
LOW_AUC, HIGH_CALIBRATION_ERROR, MODEL_DRIFTED, COLUMN_DRIFTED = 0.55, 0.30, 2.0, 0.5
# By convention a population stability index from 0.1 on is worth a look, and 0.25 is large.
MOVED, MOVED_FAR = 0.1, 0.25
STALE_DAYS = 90
DAY = 86400
COLUMN_STEPS: Steps = ((None, GREEN), (MOVED, YELLOW), (MOVED_FAR, ORANGE), (COLUMN_DRIFTED, RED))
PROBABILITY_STEPS: Steps = ((None, NONE), (MOVED, YELLOW), (MOVED_FAR, ORANGE), (MODEL_DRIFTED, RED))
RELOAD = {0: ("works", GREEN), 1: ("fails", RED)}

PREDICTIONS, POSITIVE = (series("prediction_api_predictions_total", *label) for label in ((), ('label="true"',)))
ALL_PREDICTIONS = summed(rate(PREDICTIONS))
MODEL_INFO = series("prediction_api_model_info")
CHOSEN = 'version=~"$version"'
LIVE_SCORE = "score_version:data_api_live_score:avg"
OUTCOME_DELAY = summed(f"rate({series('data_api_outcome_delay_seconds_bucket')}[1h])", "le")
RATES = {
    "predicted now": f"{summed(rate(POSITIVE))} / {ALL_PREDICTIONS}",
    "predicted, live window, {{version}}": f'{LIVE_SCORE}{{{CHOSEN}, score="label_rate"}}',
    "happened, live window, {{version}}": f'{LIVE_SCORE}{{{CHOSEN}, score="outcome_rate"}}',
}
WARNINGS = f"{summed(rate(series('prediction_api_warnings_total')), 'kind')} / scalar({ALL_PREDICTIONS})"
COUNTS = {
    "all, {{version}}": f"max by (version) ({series('data_api_live_predictions', CHOSEN)})",
    "outcome known, {{version}}": f"version:data_api_live_outcomes:max{{{CHOSEN}}}",
}
COVERAGE = f"max by (version) ({series('data_api_outcome_coverage', CHOSEN)})"
DELAYS = {
    "half arrived (p50)": f"histogram_quantile(0.5, {OUTCOME_DELAY})",
    "19 of 20 arrived (p95)": f"histogram_quantile(0.95, {OUTCOME_DELAY})",
}
AGES = {
    "scores, {{instance}}": f"time() - ({series('data_api_live_refreshed_timestamp_seconds')} > 0)",
    "drift, {{instance}}": f"time() - ({series('data_api_drift_refreshed_timestamp_seconds')} > 0)",
}
LOADED = f"time() - {series('prediction_api_model_loaded_timestamp_seconds')}"
SHARES = (
    f"sum by (version) ({summed(rate(PREDICTIONS), 'instance')} * on (instance) "
    f"group_right () max by (instance, version) ({MODEL_INFO})) / scalar({ALL_PREDICTIONS})"
)

PREDICTED: Panels = {
    "Predictions each minute, by label": stacked("short", per_minute(PREDICTIONS, "label")).description(
        "Good follows the daily rhythm of your callers; for flights, true means late."
    ),
    "Does it predict true as often as true happens?": share(RATES).description(
        "Good is two lines near each other; if they are far apart for days, the threshold no longer fits, or the "
        "world has changed."
    ),
    "How are the probabilities distributed?": distribution(
        "percentunit", histogram(series("prediction_api_probability_bucket"))
    ).description("Good keeps its shape from day to day; if all are in one band, the model no longer tells cases apart."),
    "Warnings per prediction, by kind": graph("percentunit", each(WARNINGS, "kind")).description(
        "Good is a few in a hundred; a rise means that a category or a number which training never saw keeps coming."
    ),
}
OUTCOMES: Panels = {
    "Predictions in the live window": graph("short", COUNTS, limit(300)).description(
        "Good is above the dashed line: with fewer than 300 known outcomes a score is mostly chance, and no alert uses it."
    ),
    "Share of these predictions whose outcome is known": share(each(COVERAGE, "version")).description(
        "Good is high and steady; a fall means that nobody sends outcomes any more."
    ),
    "How long until an outcome arrives?": graph("s", DELAYS, limit(12 * 3600)).description(
        "Good is below the dashed line, 12 hours for flights; live scores are always that far behind."
    ),
    "How old are the live scores and the drift?": graph("s", AGES, limit(900, RED)).description(
        "Good is a minute or two for scores and some minutes for drift; above the dashed line, 15 minutes, the "
        "scores are too old to rely on."
    ),
}
VERSIONS: Panels = {
    "Which version answers on each replica?": rows(
        MODEL_INFO, {"instance": "Replica", "name": "Model", "version": "Version"}
    ).description("Good is one version everywhere; two versions for more than 15 minutes raise a ticket."),
    "For how long has this version answered?": number(
        "s",
        each("time() - version:prediction_api_model_first_seen:timestamp", "version"),
        ((None, GREEN), (STALE_DAYS * DAY, ORANGE)),
    ).description(
        "Good is below 90 days: the model was tested on the three months after its training, and nobody measured a fourth."
    ),
    "How long ago did each replica load its model?": number("s", each(LOADED, "instance")).description(
        "Good is the time since the last promotion or restart; replicas look for another model at least once a minute."
    ),
    "Share of predictions by version": stacked("percentunit", each(SHARES, "version"))
    .max(1)
    .description("Good is one colour, except in the minutes of a promotion or rollback."),
    "Searches for another model each minute, by outcome": graph(
        "short", per_minute(series("prediction_api_reloads_total"), "outcome")
    ).description("Good is unchanged, and changed once after a promotion; after failed, the old model goes on answering."),
    "Did the last search for another model work?": timeline(
        each(series("prediction_api_reload_failing"), "instance"), RELOAD
    ).description("Good is works; after 15 minutes of fails a ticket is raised, and /readyz of the replica says why."),
}


def _quality(tested: Mapping[str, Interval]) -> Panels:
    auc, calibration = tested["roc_auc"], tested["calibration_error"]
    precision, brier = tested["average_precision"], tested["brier"]
    return {
        "Does it rank well? (ROC AUC)": areas("none", _live("roc_auc"), ((None, RED), (LOW_AUC, NONE), *_band(auc)))
        .min(0.5)
        .max(1)
        .description(
            f"Good is the green band over weeks: the score of all test rows together ({auc}). A single day is often "
            f"lower; below {LOW_AUC}, the worst test day, a ticket is raised."
        ),
        "Are the cases that it ranks highest positive? (average precision)": areas(
            "none", _live("average_precision"), ((None, NONE), *_band(precision))
        )
        .max(1)
        .description(
            f"Good is the green band over weeks: the score of all test rows together ({precision}). It is lower on days "
            "with few positives."
        ),
        "How far are probabilities from what happened? (Brier score)": areas(
            "none", _live("brier_score"), ((None, NONE), *_band(brier))
        ).description(
            f"Good is in the green band or below it: the score of all test rows together ({brier}). Always predicting the "
            "mean would give a higher score."
        ),
        "Does 30 % mean 30 %? (calibration error)": areas(
            "none",
            _live("calibration_error"),
            ((None, NONE), *_band(calibration), (HIGH_CALIBRATION_ERROR, RED)),
        ).description(
            f"Good is small: for all test rows together it was {calibration} (green). A single day has up to 0.29; above "
            f"{HIGH_CALIBRATION_ERROR:.2f} a ticket is raised."
        ),
    }


def _live(score: str) -> Queries:
    return each(f'{LIVE_SCORE}{{score="{score}", {CHOSEN}}}', "version")


def _band(tested: Interval) -> Steps:
    return (tested.low, GREEN), (tested.high, NONE)


def _most_drifted(hours: int) -> Queries:
    psi = series("data_api_drift_psi", f'window="{hours}h"')
    return each(f"topk(12, max by (column) ({psi}))", "column")


def _by_window(metric: str) -> Queries:
    return {"last {{window}}": f"max by (window) ({series(metric)})"}


DRIFT: Panels = {
    "Which columns moved most? (PSI over three days)": bars("none", _most_drifted(72), COLUMN_STEPS)
    .height(12)
    .description(
        f"Good is below {MOVED}, and {MOVED_FAR} is large. Weather and delays move by themselves; any other "
        f"column above {COLUMN_DRIFTED} raises a ticket."
    ),
    "Which columns moved within six hours? (PSI)": bars("none", _most_drifted(6), COLUMN_STEPS)
    .height(12)
    .description(
        "Good is below 0.25, but hours differ from each other: this panel shows where to look, and no alert uses "
        "it. For fewer than 200 rows there is no value."
    ),
    "Did the probabilities move? (PSI)": graph(
        "none", _by_window("data_api_probability_drift_psi"), PROBABILITY_STEPS
    ).description(
        f"Good is below {MOVED_FAR} if days resemble one another. Three days of flights share one weather and "
        f"reach 1.9; above {MODEL_DRIFTED:.0f} a ticket is raised."
    ),
    "Rows that drift was computed from": graph("short", _by_window("data_api_drift_rows"), limit(1000)).description(
        "Good is above the dashed line: with fewer than 1000 rows in three days chance alone moves columns, and "
        "no alert uses them."
    ),
}


def board(tested: Mapping[str, Interval]) -> Dashboard:
    """The dashboard; ``tested`` are the scores of the committed model on its test rows."""
    panels = {
        "What does it predict?": PREDICTED,
        "How good is it? (predictions in the live window whose outcome is known)": _quality(tested),
        "Are outcomes arriving?": OUTCOMES,
        "Which model answers?": VERSIONS,
        "Does the world still look like the training data?": DRIFT,
    }
    question = "Is the model still right, and which model answers?"
    return dashboard_builder.board(
        "model", question, panels, [dashboard_builder.variable("version", series("data_api_live_predictions"))]
    )
