"""The dashboard of the services: how many requests, how many fail, how long they take, how full everything is."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from ontime_dashboards import dashboard_builder
from ontime_dashboards.panel_kinds import (
    BLUE,
    GREEN,
    NONE,
    ORANGE,
    RED,
    YELLOW,
    Panels,
    bars,
    distribution,
    graph,
    limit,
    number,
    stacked,
    timeline,
)
from ontime_dashboards.queries import each, histogram, per_minute, per_second, percentiles, rate, series, summed

# The objectives, of monitoring/prometheus/README.md: what may go wrong within 30 days.
FAILED_ALLOWED, SLOW_ALLOWED = 0.005, 0.01
FAST_SECONDS = 0.1
BUDGET_LEFT = ((None, RED), (0, ORANGE), (0.25, GREEN))
MONITOR = {0: ("down", RED), 1: ("up", GREEN), 2: ("pending", YELLOW), 3: ("maintenance", BLUE)}
READY = {0: ("unavailable", RED), 1: ("ready", GREEN)}

SERVICES = '{job=~"prediction-api|data-api|board"}'
COUNT, BUCKETS = "prediction_api_request_seconds_count", "prediction_api_request_seconds_bucket"
REQUESTS, ANY_PREDICT, COMPLETED = series(COUNT), 'route=~"/predict.*|/v2/models/.*/infer"', 'status=~"200|499"'
DURATIONS = series(BUCKETS, ANY_PREDICT, COMPLETED)
DATA_DURATIONS = series("data_api_request_seconds_bucket", 'route!~"/healthz|/readyz|/metrics"')
MONITORS = series("monitor_status")


def _of_30_days(part: str, whole: str) -> str:
    return f"sum(increase({part}[30d])) / sum(increase({whole}[30d]))"


FAILED = _of_30_days(series(COUNT, ANY_PREDICT, 'status=~"5.."'), series(COUNT, ANY_PREDICT))
FAST = _of_30_days(
    series(BUCKETS, 'route="/predict"', COMPLETED, f'le="{FAST_SECONDS}"'), series(COUNT, 'route="/predict"', COMPLETED)
)
ALERTS = {
    f"{severity}s": f'count(ALERTS{{alertstate="firing", severity="{severity}"}}) or vector(0)'
    for severity in ("page", "ticket")
}
FAILING = {
    "last 5 minutes": "job:prediction_api_errors:ratio_rate5m",
    "last hour": "job:prediction_api_errors:ratio_rate1h",
}
SLOW = {
    "last 5 minutes": "sum(job:prediction_api_slow:ratio_rate5m >= 0) or vector(0)",
    "last hour": "sum(job:prediction_api_slow:ratio_rate1h >= 0) or vector(0)",
}
OUTBOX_FULL = f"{series('prediction_api_outbox_bytes')} / {series('prediction_api_outbox_max_bytes')}"
OUTBOX_LEFT = {
    "delivered": summed(rate(series("prediction_api_outbox_delivered_total"))),
    "refused for good": summed(rate(series("prediction_api_outbox_refused_total"))),
}
CONNECTIONS = f"{series('data_api_pool_connections')} / {series('data_api_pool_size')}"
ASKED = 'monitor_type!="push"'
UP = f"avg by (monitor_name) (avg_over_time(({MONITORS} == bool 1)[1d:1m]))"
ANSWER_TIME = f"max by (monitor_name) ({series('monitor_response_time', ASKED)} >= 0)"

AT_A_GLANCE: Panels = {
    "Alerts that fire now": number("short", ALERTS, ((None, GREEN), (1, RED))).description(
        "Good is 0; a page means that callers are refused now or will be before morning, and monitoring/README.md says "
        "what to do about it."
    ),
    "Replicas that answer Prometheus": number(
        "short", each(summed(f"up{SERVICES}", "job"), "job"), ((None, RED), (1, GREEN))
    ).description("Good is as many as were started, at least one of each; without any, nobody gets predictions."),
    "Failures still allowed this month": number(
        "percentunit", {"left": f"1 - ({FAILED} > 0 or vector(0)) / {FAILED_ALLOWED}"}, BUDGET_LEFT
    ).description(
        "Of 30 days' requests for predictions, one or many, 0.5 % may end in a 5xx; good is when more than a quarter "
        "of that is left, and below 0 the objective is missed."
    ),
    "Slow answers still allowed this month": number(
        "percentunit", {"left": f"1 - (1 - {FAST} > 0 or vector(0)) / {SLOW_ALLOWED}"}, BUDGET_LEFT
    ).description(
        "Of 30 days' answers of /predict, 1 % may take longer than 0.1 s; good is when more than a quarter of that is "
        "left, and below 0 the objective is missed."
    ),
}
PREDICTION_SERVICE: Panels = {
    "Requests each second, by route": graph("reqps", per_second(REQUESTS, "route")).description(
        "Good follows the daily rhythm of your callers; a fall to 0 means that they no longer reach the service."
    ),
    "Share of prediction requests that fail (5xx)": graph("percentunit", FAILING, limit(FAILED_ALLOWED, RED)).description(
        "Good stays below the dashed line, the 0.5 % that the objective allows over 30 days; 503 means a full "
        "outbox or too many requests at once."
    ),
    "How long do predictions take, by route?": graph(
        "s", percentiles(DURATIONS, "route"), limit(FAST_SECONDS, RED), logarithmic=True
    ).description(
        "Good is p99 of /predict below the dashed line: 99 of 100 answers take at most 0.1 s. A batch takes "
        "longer the more records it has, so nothing is promised for it."
    ),
    "Share of /predict that takes longer than 0.1 s": graph("percentunit", SLOW, limit(SLOW_ALLOWED, RED)).description(
        "Good stays below the dashed line, the 1 % that the objective allows over 30 days; without requests it is 0."
    ),
    "How are the durations of predictions distributed?": distribution("s", histogram(DURATIONS)).description(
        "Good is one dark band well below 0.1 s for /predict, and one above it if callers send batches; a third "
        "band is a slow replica or a slow disk."
    ),
    "Answers each second, by status": stacked("reqps", per_second(REQUESTS, "status")).description(
        "Good is 200. 422: the request does not fit the schema; 499: the caller closed the connection; 503: the "
        "service is short of something."
    ),
}
OUTBOX: Panels = {
    "How full is the outbox?": graph(
        "percentunit", each(OUTBOX_FULL, "instance"), ((None, NONE), (0.2, ORANGE), (0.9, RED))
    ).description(
        "Good is near 0; above 90 %, or above 20 % and growing, a page is raised, because a full outbox refuses requests."
    ),
    "How long does the oldest prediction wait?": graph(
        "s", each(series("prediction_api_outbox_age_seconds"), "instance"), limit(600)
    ).description(
        "Good is seconds; above the dashed line, 10 minutes, and growing, the data service does not take predictions."
    ),
    "Predictions that wait in the outbox": graph(
        "short", each(series("prediction_api_outbox_predictions"), "instance")
    ).description("Good returns to 0 between deliveries; no prediction is lost while it waits, not even by a restart."),
    "Predictions delivered and refused each second": graph("short", OUTBOX_LEFT, width=6).description(
        "Good is as many delivered as predicted, and none refused; a refused prediction is in no database until "
        "somebody posts it again."
    ),
    "Deliveries that will be tried again, each minute": graph(
        "short", per_minute(series("prediction_api_delivery_failures_total"), "instance"), width=6
    ).description("Good is 0; a few during a restart of the data service do no harm."),
}
DATA_SERVICE: Panels = {
    "Requests each second, by route (data service)": graph(
        "reqps", per_second(series("data_api_request_seconds_count"), "route")
    ).description("Good shows /predictions as often as the outbox delivers, and /outcomes as often as outcomes are sent."),
    "Share of requests to the data service that fail (5xx)": graph(
        "percentunit", {"last 15 minutes": "job:data_api_errors:ratio_rate15m"}, limit(0.05, RED)
    ).description(
        "Good is 0; above the dashed line, 5 % over 15 minutes, a ticket is raised. No objective is promised, "
        "because the outbox waits."
    ),
    "How long does the data service take to answer?": graph("s", percentiles(DATA_DURATIONS)).description(
        "Good is p95 below a second; an export of all predictions may take longer."
    ),
    "Which route is slow? (p95)": graph(
        "s", each(f"histogram_quantile(0.95, {summed(rate(DATA_DURATIONS), 'le', 'route')})", "route")
    ).description("Good is below a second for each; /performance takes longer the more predictions its window holds."),
    "How are the durations of the data service distributed?": distribution("s", histogram(DATA_DURATIONS)).description(
        "Good is one dark band below 0.1 s, from batches of predictions and outcomes."
    ),
    "New rows each minute, by table": graph("short", per_minute(series("data_api_rows_written_total"), "table")).description(
        "Good shows predictions at the rate of /predict, and outcomes at the same rate once they are known."
    ),
    "Does the database answer, with the schema of this version?": timeline(
        each(series("data_api_ready"), "instance"), READY
    ).description(
        "Good is ready all the time; after two minutes of unavailable a page is raised, because senders of "
        "outcomes have no outbox."
    ),
    "Logins each minute, by outcome": graph("short", per_minute(series("data_api_logins_total"), "outcome")).description(
        "Good is few, and all succeed; many that fail or are throttled mean that somebody guesses passwords."
    ),
}
SATURATION: Panels = {
    "Share of the database connections in use": graph(
        "percentunit", each(CONNECTIONS, "instance"), ((None, NONE), (0.8, ORANGE), (1, RED))
    ).description("Good is below 80 %; at 100 % requests wait for a connection, and some get 503."),
    "Processors that each service uses": graph(
        "short", each(rate(f"process_cpu_seconds_total{SERVICES}"), "job", "instance"), limit(1)
    ).description(
        "Good is below 1 for a replica of the prediction service, which is one process; if it comes near 1, start "
        "another replica."
    ),
    "Memory of each service": graph(
        "bytes", each(f"process_resident_memory_bytes{SERVICES}", "job", "instance"), limit(2**30, RED)
    ).description("Good is steady; the compose file ends a service at 1 GiB, the dashed line."),
    "Open files of each service, as a share of those allowed": graph(
        "percentunit",
        each(f"process_open_fds{SERVICES} / process_max_fds{SERVICES}", "job", "instance"),
        limit(0.8),
    ).description("Good is steady and below 80 %; a line that only climbs means connections that nobody closes."),
}
UPTIME_KUMA: Panels = {
    "What does Uptime Kuma see: up or down?": timeline(each(f"max by (monitor_name) ({MONITORS})", "monitor_name"), MONITOR)
    .span(24)
    .height(10)
    .description(
        "Good is up all the time; outbox, live scores, official predictions and pipeline are heartbeats, which are down "
        "if their job has not succeeded in time."
    ),
    "For which share of the last day was each up?": bars(
        "percentunit", each(UP, "monitor_name"), ((None, RED), (0.99, ORANGE), (0.995, GREEN))
    ).description("Good is above 99.5 %, which the services promise; 0.5 % of a day is 7 minutes."),
    "How long does each take to answer Uptime Kuma?": graph("ms", each(ANSWER_TIME, "monitor_name")).description(
        "Good is steady; this is what a caller experiences, the network included."
    ),
}


def board() -> Dashboard:
    """The dashboard."""
    rows = {
        "At a glance": AT_A_GLANCE,
        "Prediction service": PREDICTION_SERVICE,
        "Outbox: predictions on their way to the data service": OUTBOX,
        "Data service": DATA_SERVICE,
        "How full is it?": SATURATION,
        "Who is up, and does each job still succeed?": UPTIME_KUMA,
    }
    return dashboard_builder.board(
        "services", "Are callers answered in time, and does everything that they sent arrive?", rows
    )
