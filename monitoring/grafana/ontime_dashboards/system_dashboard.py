"""The dashboard of the machine and of what runs on it: the host by node exporter, processes by what they say themselves."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from ontime_dashboards import dashboard_builder
from ontime_dashboards.panel_kinds import GREEN, NONE, ORANGE, RED, Panels, bars, graph, limit, number, rows, share, stacked
from ontime_dashboards.queries import each, per_minute, rate, series, summed

DAY, YEAR = 86400, 365 * 86400
UP = {0: ("missing", RED), 1: ("up", GREEN)}
# Nothing in the stack reads what the containers use (cAdvisor needs root), so each process reports for itself.
THEMSELVES = "Each process reports this about itself; PostgreSQL, MLflow and Grafana export no metrics and are missing here."
JOBS = '{job=~"prediction-api|data-api|board|prometheus|alertmanager|node-exporter|uptime-kuma"}'
MEMORY, MEMORY_AVAILABLE = series("node_memory_MemTotal_bytes"), series("node_memory_MemAvailable_bytes")
MEMORY_LEFT = {"left": f"{MEMORY_AVAILABLE} / {MEMORY}"}
IDLE, WORKING = (series("node_cpu_seconds_total", f'mode{sign}"idle"') for sign in ("=", "!="))
PROCESSORS = f"scalar(count({IDLE}))"
DISKS, NETWORK_CARDS = 'device!~"loop.*|ram.*|zram.*"', 'device!~"lo|ifb.*|veth.*|br-.*|docker.*"'
DISK_LEFT = "device:node_filesystem_avail:ratio"
SECONDS_UNTIL_FULL = f"clamp_max({DISK_LEFT} / clamp_min(-deriv({DISK_LEFT}[6h]), 1e-9), {YEAR})"
DISK_TRAFFIC = {
    "read, {{device}}": rate(series("node_disk_read_bytes_total", DISKS)),
    "written, {{device}}": rate(series("node_disk_written_bytes_total", DISKS)),
}
NETWORK_TRAFFIC = {
    "received, {{device}}": rate(series("node_network_receive_bytes_total", NETWORK_CARDS)),
    "sent, {{device}}": rate(series("node_network_transmit_bytes_total", NETWORK_CARDS)),
}
STORAGE = {
    "blocks": series("prometheus_tsdb_storage_blocks_bytes"),
    "newest (log)": series("prometheus_tsdb_wal_storage_size_bytes"),
}
LOST_ALERTS = {
    **per_minute(series("prometheus_notifications_dropped_total"), legend="on the way to Alertmanager"),
    **per_minute(series("alertmanager_notifications_failed_total"), legend="on the way to the webhook"),
}

HOST: Panels = {
    "Processors busy": number(
        "percentunit", {"busy": f"1 - avg({rate(IDLE)})"}, ((None, GREEN), (0.8, ORANGE), (0.95, RED))
    ).description("Good is below 80 %: above that, answers begin to wait for one another."),
    "Memory left": number("percentunit", MEMORY_LEFT, ((None, RED), (0.1, ORANGE), (0.2, GREEN))).description(
        "Good is above 10 %, below which a ticket is raised; at 0 the kernel ends processes."
    ),
    "Space left on the fullest disk": number(
        "percentunit", {"left": f"min({DISK_LEFT})"}, ((None, RED), (0.05, ORANGE), (0.1, GREEN))
    ).description(
        "Good is above 10 %, below which a ticket is raised; below 5 % a page is, because a full disk stops the outbox."
    ),
    "Time since the machine started": number("s", {"since": f"time() - {series('node_boot_time_seconds')}"}).description(
        "Good is what you expect; a short time after a quiet night is a restart that somebody should explain."
    ),
    "What do the processors do?": stacked(
        "percentunit", each(f"{summed(rate(WORKING), 'mode')} / {PROCESSORS}", "mode"), limit(0.8)
    )
    .max(1)
    .description(
        "Good stays below the dashed line, 80 %; iowait is time lost to the disk, steal is time lost to other "
        "machines of the host."
    ),
    "How many processes wait for a processor? (load per processor)": graph(
        "short",
        {f"{minutes} min": f"{series(f'node_load{minutes}')} / {PROCESSORS}" for minutes in (1, 5, 15)},
        limit(1),
    ).description("Good is below the dashed line, 1: as many processes as processors; above that, they take turns."),
    "Memory": graph("bytes", {"used": f"{MEMORY} - {MEMORY_AVAILABLE}", "all": MEMORY}).description(
        "Good is a wide gap between used and all; used is what programs hold, without the caches that the kernel can "
        "give back."
    ),
    "Share of memory left": share(MEMORY_LEFT, ((None, RED), (0.1, NONE))).description(
        "Good stays above the dashed line, 10 %; below it for 15 minutes, a ticket is raised."
    ),
}
DISK_AND_NETWORK: Panels = {
    "Share of each disk left": share(each(DISK_LEFT, "device"), ((None, RED), (0.05, ORANGE), (0.1, NONE))).description(
        "Good stays above the dashed lines: a ticket at 10 %, a page at 5 %, because a full disk stops the outbox and "
        "the database."
    ),
    "When will each disk be full, if it fills as in the last six hours?": bars(
        "s", each(SECONDS_UNTIL_FULL, "device"), ((None, RED), (DAY, ORANGE), (7 * DAY, GREEN)), most=30 * DAY
    ).description(
        "Good is a full bar, 30 days or more (a disk that does not fill shows a year); with less than a day and "
        "less than 40 % left, a ticket is raised."
    ),
    "Read from and written to disk each second": graph("Bps", DISK_TRAFFIC).description(
        "Good is steady while the traffic is steady; each answer is written to the outbox before it leaves."
    ),
    "Share of the time in which each disk is busy": graph(
        "percentunit", each(rate(series("node_disk_io_time_seconds_total", DISKS)), "device"), limit(0.8)
    ).description("Good is below the dashed line, 80 %; above it, writes wait, and so do answers."),
    "Received and sent each second": graph("Bps", NETWORK_TRAFFIC, width=24).description(
        "Good follows the traffic; in a container node exporter sees only its own network card, on the machine "
        "itself it sees all cards."
    ),
}
PROCESSES: Panels = {
    "Memory of each process": graph("bytes", each(f"process_resident_memory_bytes{JOBS}", "job", "instance")).description(
        f"Good is steady; a line that only climbs is a leak, and compose ends most containers at 1 GiB. {THEMSELVES}"
    ),
    "Processors that each process uses": graph(
        "short", each(rate(f"process_cpu_seconds_total{JOBS}"), "job", "instance")
    ).description(f"Good leaves some of the machine's processors free. {THEMSELVES}"),
    "Open files of each process": graph("short", each(f"process_open_fds{JOBS}", "job", "instance")).description(
        f"Good is steady; a line that only climbs means connections that nobody closes. {THEMSELVES}"
    ),
    "How long has each process been running?": graph(
        "s", each(f"time() - process_start_time_seconds{JOBS}", "job", "instance")
    ).description(f"Good climbs steadily; a fall to 0 is a restart. {THEMSELVES}"),
}
PROMETHEUS: Panels = {
    "Which targets does Prometheus reach?": rows(
        'up{job=~".+"}', {"job": "Job", "instance": "Instance", "Value": "State"}, UP
    ).description(
        "Good is up everywhere; alerts on a missing target stay silent, but after 10 minutes its absence raises one."
    ),
    "How long does reading each target's metrics take?": graph(
        "s", each('scrape_duration_seconds{job=~".+"}', "job", "instance"), limit(10, RED)
    ).description("Good is far below 10 s, after which Prometheus gives up; Uptime Kuma takes about 0.1 s."),
    "Samples taken in each second": graph(
        "short", {"samples": summed(rate(series("prometheus_tsdb_head_samples_appended_total")))}, width=8
    ).description("Good is steady; a step up means a metric whose label has too many values."),
    "Series in memory": graph("short", {"series": series("prometheus_tsdb_head_series")}, width=8).description(
        "Good is a few thousand and steady; each series costs some kilobytes of memory."
    ),
    "Space that Prometheus takes": stacked("bytes", STORAGE, width=8).description(
        "Good levels off after 30 days, because older data is deleted; blocks hold what is older than a few hours."
    ),
    "Rules that failed, each minute": graph(
        "short", per_minute(series("prometheus_rule_evaluation_failures_total"), legend="failed")
    ).description("Good is 0; if a rule fails, its alerts stay silent."),
    "Alerts that were lost, each minute": graph("short", LOST_ALERTS).description(
        "Good is 0; an alert may have reached nobody."
    ),
}


def board() -> Dashboard:
    """The dashboard."""
    panels = {
        "Host": HOST,
        "Disk and network": DISK_AND_NETWORK,
        "Processes in the containers": PROCESSES,
        "Prometheus itself": PROMETHEUS,
    }
    return dashboard_builder.board(
        "system", "Does the machine have room, and does everything that watches still run?", panels
    )
