"""The dashboard of the machine and of what runs on it: the host by node exporter, processes by what they say themselves."""

from collections.abc import Sequence

from grafana_foundation_sdk.models.dashboard import Dashboard

from ontime_dashboards import dashboard_builder
from ontime_dashboards.panel_kinds import GREEN, NONE, ORANGE, RED, Panel, bars, graph, number, rows

DAY, YEAR = 86400, 365 * 86400
UP = {0: ("missing", RED), 1: ("up", GREEN)}
# Nothing in the stack reads what the containers use (cAdvisor needs root), so each process reports for itself.
THEMSELVES = "Each process reports this about itself; PostgreSQL, MLflow and Grafana export no metrics and are missing here."


def board() -> Dashboard:
    """The dashboard."""
    panels = {
        "Host": _host(),
        "Disk and network": _disk(),
        "Processes in the containers": _processes(),
        "Prometheus itself": _prometheus(),
    }
    return dashboard_builder.board(
        "system", "Does the machine have room, and does everything that watches still run?", panels
    )


def _host() -> Sequence[Panel]:
    node = 'job="node-exporter"'
    memory = f"node_memory_MemAvailable_bytes{{{node}}} / node_memory_MemTotal_bytes{{{node}}}"
    busy = f'1 - avg(rate(node_cpu_seconds_total{{{node}, mode="idle"}}[$__rate_interval]))'
    return (
        number(
            "Processors busy",
            "Good is below 80 %: above that, answers begin to wait for one another.",
            "percentunit",
            {"busy": busy},
            steps=((None, GREEN), (0.8, ORANGE), (0.95, RED)),
        ),
        number(
            "Memory left",
            "Good is above 10 %, below which a ticket is raised; at 0 the kernel ends processes.",
            "percentunit",
            {"left": memory},
            steps=((None, RED), (0.1, ORANGE), (0.2, GREEN)),
        ),
        number(
            "Space left on the fullest disk",
            "Good is above 10 %, below which a ticket is raised; below 5 % a page is, because a full disk stops the outbox.",
            "percentunit",
            {"left": "min(device:node_filesystem_avail:ratio)"},
            steps=((None, RED), (0.05, ORANGE), (0.1, GREEN)),
        ),
        number(
            "Time since the machine started",
            "Good is what you expect; a short time after a quiet night is a restart that somebody should explain.",
            "s",
            {"since": f"time() - node_boot_time_seconds{{{node}}}"},
        ),
        graph(
            "What do the processors do?",
            "Good stays below the dashed line, 80 %; iowait is time lost to the disk, steal is time lost to other "
            "machines of the host.",
            "percentunit",
            {
                "{{mode}}": f'sum by (mode) (rate(node_cpu_seconds_total{{{node}, mode!="idle"}}[$__rate_interval])) '
                f'/ scalar(count(node_cpu_seconds_total{{{node}, mode="idle"}}))'
            },
            steps=((None, NONE), (0.8, ORANGE)),
            stacked=True,
            most=1,
        ),
        graph(
            "How many processes wait for a processor? (load per processor)",
            "Good is below the dashed line, 1: as many processes as processors; above that, they take turns.",
            "short",
            {
                f"{minutes} min": f"node_load{minutes}{{{node}}} "
                f'/ scalar(count(node_cpu_seconds_total{{{node}, mode="idle"}}))'
                for minutes in (1, 5, 15)
            },
            steps=((None, NONE), (1, ORANGE)),
        ),
        graph(
            "Memory",
            "Good is a wide gap between used and all; used is what programs hold, without the caches that the kernel can "
            "give back.",
            "bytes",
            {
                "used": f"node_memory_MemTotal_bytes{{{node}}} - node_memory_MemAvailable_bytes{{{node}}}",
                "all": f"node_memory_MemTotal_bytes{{{node}}}",
            },
        ),
        graph(
            "Share of memory left",
            "Good stays above the dashed line, 10 %; below it for 15 minutes, a ticket is raised.",
            "percentunit",
            {"left": memory},
            steps=((None, RED), (0.1, NONE)),
            most=1,
        ),
    )


def _disk() -> Sequence[Panel]:
    node = 'job="node-exporter"'
    cards = f'{node}, device!~"lo|ifb.*|veth.*|br-.*|docker.*"'
    real = f'{node}, device!~"loop.*|ram.*|zram.*"'
    left = "device:node_filesystem_avail:ratio"
    return (
        graph(
            "Share of each disk left",
            "Good stays above the dashed lines: a ticket at 10 %, a page at 5 %, because a full disk stops the outbox and "
            "the database.",
            "percentunit",
            {"{{device}}": left},
            steps=((None, RED), (0.05, ORANGE), (0.1, NONE)),
            most=1,
        ),
        bars(
            "When will each disk be full, if it fills as in the last six hours?",
            "Good is a full bar, 30 days or more (a disk that does not fill shows a year); with less than a day and "
            "less than 40 % left, a ticket is raised.",
            "s",
            {"{{device}}": f"clamp_max({left} / clamp_min(-deriv({left}[6h]), 1e-9), {YEAR})"},
            steps=((None, RED), (DAY, ORANGE), (7 * DAY, GREEN)),
            most=30 * DAY,
        ),
        graph(
            "Read from and written to disk each second",
            "Good is steady while the traffic is steady; each answer is written to the outbox before it leaves.",
            "Bps",
            {
                "read, {{device}}": f"rate(node_disk_read_bytes_total{{{real}}}[$__rate_interval])",
                "written, {{device}}": f"rate(node_disk_written_bytes_total{{{real}}}[$__rate_interval])",
            },
        ),
        graph(
            "Share of the time in which each disk is busy",
            "Good is below the dashed line, 80 %; above it, writes wait, and so do answers.",
            "percentunit",
            {"{{device}}": f"rate(node_disk_io_time_seconds_total{{{real}}}[$__rate_interval])"},
            steps=((None, NONE), (0.8, ORANGE)),
        ),
        graph(
            "Received and sent each second",
            "Good follows the traffic; in a container node exporter sees only its own network card, on the machine "
            "itself it sees all cards.",
            "Bps",
            {
                "received, {{device}}": f"rate(node_network_receive_bytes_total{{{cards}}}[$__rate_interval])",
                "sent, {{device}}": f"rate(node_network_transmit_bytes_total{{{cards}}}[$__rate_interval])",
            },
            width=24,
        ),
    )


def _processes() -> Sequence[Panel]:
    jobs = 'job=~"prediction-api|data-api|prometheus|alertmanager|node-exporter|uptime-kuma"'
    name = "{{job}} {{instance}}"
    return (
        graph(
            "Memory of each process",
            f"Good is steady; a line that only climbs is a leak, and compose ends most containers at 1 GiB. {THEMSELVES}",
            "bytes",
            {name: f"process_resident_memory_bytes{{{jobs}}}"},
        ),
        graph(
            "Processors that each process uses",
            f"Good leaves some of the machine's processors free. {THEMSELVES}",
            "short",
            {name: f"rate(process_cpu_seconds_total{{{jobs}}}[$__rate_interval])"},
        ),
        graph(
            "Open files of each process",
            f"Good is steady; a line that only climbs means connections that nobody closes. {THEMSELVES}",
            "short",
            {name: f"process_open_fds{{{jobs}}}"},
        ),
        graph(
            "How long has each process been running?",
            f"Good climbs steadily; a fall to 0 is a restart. {THEMSELVES}",
            "s",
            {name: f"time() - process_start_time_seconds{{{jobs}}}"},
        ),
    )


def _prometheus() -> Sequence[Panel]:
    own = 'job="prometheus"'
    return (
        rows(
            "Which targets does Prometheus reach?",
            "Good is up everywhere; alerts on a missing target stay silent, but after 10 minutes its absence raises one.",
            "none",
            'up{job=~".+"}',
            {"job": "Job", "instance": "Instance", "Value": "State"},
            named=UP,
        ),
        graph(
            "How long does reading each target's metrics take?",
            "Good is far below 10 s, after which Prometheus gives up; Uptime Kuma takes about 0.1 s.",
            "s",
            {"{{job}} {{instance}}": 'scrape_duration_seconds{job=~".+"}'},
            steps=((None, NONE), (10, RED)),
        ),
        graph(
            "Samples taken in each second",
            "Good is steady; a step up means a metric whose label has too many values.",
            "short",
            {"samples": f"sum(rate(prometheus_tsdb_head_samples_appended_total{{{own}}}[$__rate_interval]))"},
            width=8,
        ),
        graph(
            "Series in memory",
            "Good is a few thousand and steady; each series costs some kilobytes of memory.",
            "short",
            {"series": f"prometheus_tsdb_head_series{{{own}}}"},
            width=8,
        ),
        graph(
            "Space that Prometheus takes",
            "Good levels off after 30 days, because older data is deleted; blocks hold what is older than a few hours.",
            "bytes",
            {
                "blocks": f"prometheus_tsdb_storage_blocks_bytes{{{own}}}",
                "newest (log)": f"prometheus_tsdb_wal_storage_size_bytes{{{own}}}",
            },
            stacked=True,
            width=8,
        ),
        graph(
            "Rules that failed, each minute",
            "Good is 0; if a rule fails, its alerts stay silent.",
            "short",
            {"failed": f"sum(rate(prometheus_rule_evaluation_failures_total{{{own}}}[$__rate_interval])) * 60"},
        ),
        graph(
            "Alerts that were lost, each minute",
            "Good is 0; an alert may have reached nobody.",
            "short",
            {
                "on the way to Alertmanager": f"sum(rate(prometheus_notifications_dropped_total{{{own}}}"
                "[$__rate_interval])) * 60",
                "on the way to the webhook": 'sum(rate(alertmanager_notifications_failed_total{job="alertmanager"}'
                "[$__rate_interval])) * 60",
            },
        ),
    )
