"""The dashboard of the board: what it knows and how old that is, which predictions it made, whether the audit agrees."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from ontime_dashboards import dashboard_builder
from ontime_dashboards.panel_kinds import GREEN, ORANGE, RED, Panels, graph, number, stacked, timeline
from ontime_dashboards.queries import each, per_minute, per_second, percentiles, series

# Where the alert WatermarkStandsStill of monitoring/prometheus/rules/board.yml begins; a test holds this to that.
STILL_HOURS = 2
SILENT = {0: ("heard", GREEN), 1: ("silent", ORANGE)}
WATERMARK, DUE = series("board_watermark_timestamp_seconds"), series("board_official_predictions_due")
MISMATCHES, REQUESTS = series("board_feature_mismatches_total"), 'route!~"/healthz|/readyz|/metrics"'
AUDIT = {
    **per_minute(series("board_audited_predictions_total"), legend="audited"),
    **per_minute(series("board_late_facts_total"), legend="would differ today, because facts came late"),
    **per_minute(MISMATCHES, legend="differ from the log as it stood"),
}
MADE = {
    **per_minute(series("board_official_predictions_total"), legend="made"),
    **per_minute(series("board_official_predictions_refused_total"), legend="refused"),
}
REFUSED = {
    **per_minute(series("board_events_refused_total"), legend="by the board"),
    **per_minute(
        series("data_api_request_seconds_count", 'route="/events"', 'status=~"409|413|422"'), legend="by the data service"
    ),
}

AT_A_GLANCE: Panels = {
    "How old is the newest event?": number(
        "s", {"age": f"time() - max({WATERMARK} > 0)"}, ((None, GREEN), (STILL_HOURS * 3600, RED))
    ).description(
        "Good is minutes; in 2013 the longest pause was 64 minutes, and after two hours a ticket is raised. Years mean that "
        "the log holds a replay."
    ),
    "Flights that wait for their official prediction": number(
        "short", {"due": f"max({DUE})"}, ((None, GREEN), (1, ORANGE))
    ).description(
        "Good is 0: a flight is predicted within seconds after the watermark has passed its moment; after a quarter of an "
        "hour a ticket is raised."
    ),
    "Features that the audit found to differ": number(
        "short", {"differ": f"max({MISMATCHES})"}, ((None, GREEN), (1, RED))
    ).description("Good is 0, always: predictions were made from exactly what training knows."),
    "Boards that answer Prometheus": number(
        "short", {"answer": 'sum(up{job="board"})'}, ((None, RED), (1, GREEN))
    ).description("Good is as many as were started; with two, both follow the log, and each prediction is stored once."),
}
LOG: Panels = {
    "What time is it in the log? (the watermark)": number("dateTimeAsIso", {"watermark": f"max({WATERMARK} > 0) * 1000"})
    .span(24)
    .height(4)
    .description("Good is now, or in a replay a moment of its period; each prediction knows what was known by then."),
    "How fast does the time of the log go? (1: as the clock)": graph(
        "short", each(f"deriv({WATERMARK}[15m])", "instance")
    ).description("Good is about 1, in a replay as fast as that goes; 0 for hours is a feed that stopped."),
    "Events followed each minute, by table": stacked("short", per_minute(series("board_events_total"), "table")).description(
        "Good shows flights all day and weather once an hour; after a start the board reads the look back at once."
    ),
    "How long has each table had no event, by the time of the log?": graph(
        "s", each(f"max by (table) ({series('board_table_age_seconds')})", "table"), logarithmic=True
    ).description("Good is an hour or two for tables that change all day; the fleet and the airports may be years old."),
    "Which tables are silent?": timeline(
        each(f"max by (table) ({series('board_table_silent')})", "table"), SILENT
    ).description(
        "Good is no table: one without an event for longer than its recipe expects raises a ticket, and predictions go on "
        "without."
    ),
    "Position in the log, by board": graph("short", each(series("board_position"), "instance")).description(
        "Good climbs, and is the same for all boards."
    ),
    "Events refused each minute": graph("short", REFUSED).description(
        "Good is 0; the data service refuses what does not fit the declared tables and names row and column to the sender."
    ),
}
PREDICTIONS: Panels = {
    "Official predictions each minute": graph("short", MADE).description(
        "Good follows the timetable, two hours ahead, and none is refused; with two boards both count each prediction."
    ),
    "Flights that wait, by board": graph("short", each(DUE, "instance")).description(
        "Good returns to 0 again and again; a line that stays above 0 for a quarter of an hour raises a ticket."
    ),
    "Outcomes of official predictions each minute": stacked(
        "short", per_minute(series("board_outcomes_total"), "outcome")
    ).description(
        "Good follows the arrivals; for flights, true means late, and none a flight that was cancelled or diverted."
    ),
    "What does the audit find? (predictions each minute)": graph("short", AUDIT).description(
        "Good is as many audited each day as were made, and none that differs from the log as it stood; facts that came "
        "late leave a prediction as it is."
    ),
}
ANSWERS: Panels = {
    "Requests each second, by route (board)": graph(
        "reqps", per_second(series("board_request_seconds_count", REQUESTS), "route")
    ).description("Good follows how many people ask; the board's own predictions are no requests to it."),
    "How long does the board take to answer?": graph(
        "s", percentiles(series("board_request_seconds_bucket", REQUESTS)), logarithmic=True
    ).description(
        "Good is p99 below 0.1 s: the features of one flight take milliseconds, the rest is the prediction service."
    ),
}


def board() -> Dashboard:
    """The dashboard."""
    rows = {
        "At a glance": AT_A_GLANCE,
        "The log that it follows": LOG,
        "Official predictions and outcomes": PREDICTIONS,
        "Who asks": ANSWERS,
    }
    return dashboard_builder.board("board", "Does the system know what happens, and is each flight predicted in time?", rows)
