"""The dashboard of the services: how many requests, how many fail, how long they take, how full everything is."""

from collections.abc import Sequence

from grafana_foundation_sdk.models.dashboard import Dashboard

from ontime_dashboards import dashboard_builder
from ontime_dashboards.panel_kinds import (
    BLUE,
    GREEN,
    NONE,
    ORANGE,
    RED,
    YELLOW,
    Panel,
    bars,
    distribution,
    graph,
    number,
    percentiles,
    states,
)

# The objectives, of monitoring/prometheus/README.md: what may go wrong within 30 days.
FAILED_ALLOWED, SLOW_ALLOWED = 0.005, 0.01
FAST_SECONDS = 0.1
BUDGET_LEFT = ((None, RED), (0, ORANGE), (0.25, GREEN))
MONITOR = {0: ("down", RED), 1: ("up", GREEN), 2: ("pending", YELLOW), 3: ("maintenance", BLUE)}
READY = {0: ("unavailable", RED), 1: ("ready", GREEN)}


def board() -> Dashboard:
    """The dashboard."""
    rows = {
        "At a glance": _glance(),
        "Prediction service": _prediction_service(),
        "Outbox: predictions on their way to the data service": _outbox(),
        "Data service": _data_service(),
        "How full is it?": _saturation(),
        "Who is up, and does each job still succeed?": _monitors(),
    }
    return dashboard_builder.board(
        "services", "Are callers answered in time, and does everything that they sent arrive?", rows
    )


def _glance() -> Sequence[Panel]:
    requests = 'prediction_api_request_seconds_count{job="prediction-api", route=~"/predict.*"}'
    failed = 'prediction_api_request_seconds_count{job="prediction-api", route=~"/predict.*", status=~"5.."}'
    answers = 'prediction_api_request_seconds_count{job="prediction-api", route="/predict", status=~"200|499"}'
    fast = 'prediction_api_request_seconds_bucket{job="prediction-api", route="/predict", status=~"200|499", le="0.1"}'
    return (
        number(
            "Alerts that fire now",
            "Good is 0; a page means that callers are refused now or will be before morning, and monitoring/README.md says "
            "what to do about it.",
            "short",
            {
                "pages": 'count(ALERTS{alertstate="firing", severity="page"}) or vector(0)',
                "tickets": 'count(ALERTS{alertstate="firing", severity="ticket"}) or vector(0)',
            },
            steps=((None, GREEN), (1, RED)),
        ),
        number(
            "Replicas that answer Prometheus",
            "Good is as many as were started, at least one of each; without any, nobody gets predictions.",
            "short",
            {"{{job}}": 'sum by (job) (up{job=~"prediction-api|data-api"})'},
            steps=((None, RED), (1, GREEN)),
        ),
        number(
            "Failures still allowed this month",
            "Of 30 days' requests to /predict and /predict/batch, 0.5 % may end in a 5xx; good is when more than a quarter "
            "of that is left, and below 0 the objective is missed.",
            "percentunit",
            {
                "left": f"1 - (sum(increase({failed}[30d])) / sum(increase({requests}[30d])) > 0 or vector(0)) "
                f"/ {FAILED_ALLOWED}",
            },
            steps=BUDGET_LEFT,
        ),
        number(
            "Slow answers still allowed this month",
            "Of 30 days' answers of /predict, 1 % may take longer than 0.1 s; good is when more than a quarter of that is "
            "left, and below 0 the objective is missed.",
            "percentunit",
            {
                "left": f"1 - (1 - sum(increase({fast}[30d])) / sum(increase({answers}[30d])) > 0 or vector(0)) "
                f"/ {SLOW_ALLOWED}",
            },
            steps=BUDGET_LEFT,
        ),
    )


def _prediction_service() -> Sequence[Panel]:
    buckets = 'prediction_api_request_seconds_bucket{job="prediction-api", route=~"/predict.*", status=~"200|499"}'
    count = 'prediction_api_request_seconds_count{job="prediction-api"}'
    return (
        graph(
            "Requests each second, by route",
            "Good follows the daily rhythm of your callers; a fall to 0 means that they no longer reach the service.",
            "reqps",
            {"{{route}}": f"sum by (route) (rate({count}[$__rate_interval]))"},
        ),
        graph(
            "Share of prediction requests that fail (5xx)",
            "Good stays below the dashed line, the 0.5 % that the objective allows over 30 days; 503 means a full "
            "outbox or too many requests at once.",
            "percentunit",
            {
                "last 5 minutes": "job:prediction_api_errors:ratio_rate5m",
                "last hour": "job:prediction_api_errors:ratio_rate1h",
            },
            steps=((None, NONE), (FAILED_ALLOWED, RED)),
        ),
        graph(
            "How long do predictions take, by route?",
            "Good is p99 of /predict below the dashed line: 99 of 100 answers take at most 0.1 s. A batch takes "
            "longer the more records it has, so nothing is promised for it.",
            "s",
            percentiles(buckets, "route"),
            steps=((None, NONE), (FAST_SECONDS, RED)),
            logarithmic=True,
        ),
        graph(
            "Share of /predict that takes longer than 0.1 s",
            "Good stays below the dashed line, the 1 % that the objective allows over 30 days; without requests it is 0.",
            "percentunit",
            {
                "last 5 minutes": "sum(job:prediction_api_slow:ratio_rate5m >= 0) or vector(0)",
                "last hour": "sum(job:prediction_api_slow:ratio_rate1h >= 0) or vector(0)",
            },
            steps=((None, NONE), (SLOW_ALLOWED, RED)),
        ),
        distribution(
            "How are the durations of predictions distributed?",
            "Good is one dark band well below 0.1 s for /predict, and one above it if callers send batches; a third "
            "band is a slow replica or a slow disk.",
            "s",
            {"{{le}}": f"sum by (le) (increase({buckets}[$__rate_interval]))"},
        ),
        graph(
            "Answers each second, by status",
            "Good is 200. 422: the request does not fit the schema; 499: the caller closed the connection; 503: the "
            "service is short of something.",
            "reqps",
            {"{{status}}": f"sum by (status) (rate({count}[$__rate_interval]))"},
            stacked=True,
        ),
    )


def _outbox() -> Sequence[Panel]:
    return (
        graph(
            "How full is the outbox?",
            "Good is near 0; above 90 %, or above 20 % and growing, a page is raised, because a full outbox refuses "
            "requests.",
            "percentunit",
            {
                "{{instance}}": 'prediction_api_outbox_bytes{job="prediction-api"} '
                '/ prediction_api_outbox_max_bytes{job="prediction-api"}'
            },
            steps=((None, NONE), (0.2, ORANGE), (0.9, RED)),
        ),
        graph(
            "How long does the oldest prediction wait?",
            "Good is seconds; above the dashed line, 10 minutes, and growing, the data service does not take predictions.",
            "s",
            {"{{instance}}": 'prediction_api_outbox_age_seconds{job="prediction-api"}'},
            steps=((None, NONE), (600, ORANGE)),
        ),
        graph(
            "Predictions that wait in the outbox",
            "Good returns to 0 between deliveries; no prediction is lost while it waits, not even by a restart.",
            "short",
            {"{{instance}}": 'prediction_api_outbox_predictions{job="prediction-api"}'},
        ),
        graph(
            "Predictions delivered and refused each second",
            "Good is as many delivered as predicted, and none refused; a refused prediction is in no database until "
            "somebody posts it again.",
            "short",
            {
                "delivered": 'sum(rate(prediction_api_outbox_delivered_total{job="prediction-api"}[$__rate_interval]))',
                "refused for good": 'sum(rate(prediction_api_outbox_refused_total{job="prediction-api"}[$__rate_interval]))',
            },
            width=6,
        ),
        graph(
            "Deliveries that will be tried again, each minute",
            "Good is 0; a few during a restart of the data service do no harm.",
            "short",
            {
                "{{instance}}": 'sum by (instance) (rate(prediction_api_delivery_failures_total{job="prediction-api"}'
                "[$__rate_interval])) * 60"
            },
            width=6,
        ),
    )


def _data_service() -> Sequence[Panel]:
    buckets = 'data_api_request_seconds_bucket{job="data-api", route!~"/healthz|/readyz|/metrics"}'
    return (
        graph(
            "Requests each second, by route (data service)",
            "Good shows /predictions as often as the outbox delivers, and /outcomes as often as outcomes are sent.",
            "reqps",
            {"{{route}}": 'sum by (route) (rate(data_api_request_seconds_count{job="data-api"}[$__rate_interval]))'},
        ),
        graph(
            "Share of requests to the data service that fail (5xx)",
            "Good is 0; above the dashed line, 5 % over 15 minutes, a ticket is raised. No objective is promised, "
            "because the outbox waits.",
            "percentunit",
            {"last 15 minutes": "job:data_api_errors:ratio_rate15m"},
            steps=((None, NONE), (0.05, RED)),
        ),
        graph(
            "How long does the data service take to answer?",
            "Good is p95 below a second; an export of all predictions may take longer.",
            "s",
            percentiles(buckets),
        ),
        graph(
            "Which route is slow? (p95)",
            "Good is below a second for each; /performance takes longer the more predictions its window holds.",
            "s",
            {"{{route}}": f"histogram_quantile(0.95, sum by (le, route) (rate({buckets}[$__rate_interval])))"},
        ),
        distribution(
            "How are the durations of the data service distributed?",
            "Good is one dark band below 0.1 s, from batches of predictions and outcomes.",
            "s",
            {"{{le}}": f"sum by (le) (increase({buckets}[$__rate_interval]))"},
        ),
        graph(
            "New rows each minute, by table",
            "Good shows predictions at the rate of /predict, and outcomes at the same rate once they are known.",
            "short",
            {"{{table}}": 'sum by (table) (rate(data_api_rows_written_total{job="data-api"}[$__rate_interval])) * 60'},
        ),
        states(
            "Does the database answer, with the schema of this version?",
            "Good is ready all the time; after two minutes of unavailable a page is raised, because senders of "
            "outcomes have no outbox.",
            {"{{instance}}": 'data_api_ready{job="data-api"}'},
            named=READY,
        ),
        graph(
            "Logins each minute, by outcome",
            "Good is few, and all succeed; many that fail or are throttled mean that somebody guesses passwords.",
            "short",
            {"{{outcome}}": 'sum by (outcome) (rate(data_api_logins_total{job="data-api"}[$__rate_interval])) * 60'},
        ),
    )


def _saturation() -> Sequence[Panel]:
    jobs = 'job=~"prediction-api|data-api"'
    return (
        graph(
            "Share of the database connections in use",
            "Good is below 80 %; at 100 % requests wait for a connection, and some get 503.",
            "percentunit",
            {"{{instance}}": 'data_api_pool_connections{job="data-api"} / data_api_pool_size{job="data-api"}'},
            steps=((None, NONE), (0.8, ORANGE), (1, RED)),
        ),
        graph(
            "Processors that each service uses",
            "Good is below 1 for a replica of the prediction service, which is one process; if it comes near 1, start "
            "another replica.",
            "short",
            {"{{job}} {{instance}}": f"rate(process_cpu_seconds_total{{{jobs}}}[$__rate_interval])"},
            steps=((None, NONE), (1, ORANGE)),
        ),
        graph(
            "Memory of each service",
            "Good is steady; the compose file ends a service at 1 GiB, the dashed line.",
            "bytes",
            {"{{job}} {{instance}}": f"process_resident_memory_bytes{{{jobs}}}"},
            steps=((None, NONE), (2**30, RED)),
        ),
        graph(
            "Open files of each service, as a share of those allowed",
            "Good is steady and below 80 %; a line that only climbs means connections that nobody closes.",
            "percentunit",
            {"{{job}} {{instance}}": f"process_open_fds{{{jobs}}} / process_max_fds{{{jobs}}}"},
            steps=((None, NONE), (0.8, ORANGE)),
        ),
    )


def _monitors() -> Sequence[Panel]:
    return (
        states(
            "What does Uptime Kuma see: up or down?",
            "Good is up all the time; outbox, live scores and pipeline are heartbeats, which are down if their job has not "
            "succeeded in time.",
            {"{{monitor_name}}": 'max by (monitor_name) (monitor_status{job="uptime-kuma"})'},
            named=MONITOR,
            width=24,
            height=10,
        ),
        bars(
            "For which share of the last day was each up?",
            "Good is above 99.5 %, which the services promise; 0.5 % of a day is 7 minutes.",
            "percentunit",
            {
                "{{monitor_name}}": "avg by (monitor_name) "
                '(avg_over_time((monitor_status{job="uptime-kuma"} == bool 1)[1d:1m]))'
            },
            steps=((None, RED), (0.99, ORANGE), (0.995, GREEN)),
            most=1,
        ),
        graph(
            "How long does each take to answer Uptime Kuma?",
            "Good is steady; this is what a caller experiences, the network included.",
            "ms",
            {
                "{{monitor_name}}": "max by (monitor_name) "
                '(monitor_response_time{job="uptime-kuma", monitor_type!="push"} >= 0)'
            },
        ),
    )
