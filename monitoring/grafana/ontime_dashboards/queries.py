"""The PromQL of panels: a mapping from the legend of each line to its query."""

from collections.abc import Mapping

Queries = Mapping[str, str]

# The job that exports the metrics of a prefix, where they differ.
JOBS = {"prediction_api": "prediction-api", "data_api": "data-api", "node": "node-exporter", "monitor": "uptime-kuma"}
PERCENTILES = {"half are faster than (p50)": 0.5, "19 of 20 (p95)": 0.95, "99 of 100 (p99)": 0.99}


def series(metric: str, *matchers: str) -> str:
    """The series of a metric from the job that exports it."""
    job = next((job for prefix, job in JOBS.items() if metric.startswith(prefix)), metric.partition("_")[0])
    return metric + "{" + ", ".join([f'job="{job}"', *matchers]) + "}"


def rate(selector: str) -> str:
    """How fast each series grows in a second."""
    return f"rate({selector}[$__rate_interval])"


def summed(query: str, *labels: str) -> str:
    """The sum for each value of the labels, or of everything."""
    return f"sum by ({', '.join(labels)}) ({query})" if labels else f"sum({query})"


def each(query: str, *labels: str) -> Queries:
    """A line for each of the query's series, named by its labels."""
    return {" ".join(f"{{{{{label}}}}}" for label in labels): query}


def per_second(selector: str, label: str) -> Queries:
    """The rate of each value of a label."""
    return each(summed(rate(selector), label), label)


def per_minute(selector: str, *labels: str, legend: str = "") -> Queries:
    """The rate by the minute of each value of the labels, or the rate of everything under a legend."""
    query = f"{summed(rate(selector), *labels)} * 60"
    return {legend: query} if legend else each(query, *labels)


def histogram(buckets: str) -> Queries:
    """How many values fell into each bucket."""
    return each(summed(f"increase({buckets}[$__rate_interval])", "le"), "le")


def percentiles(buckets: str, *labels: str) -> Queries:
    """The times that half, 95 % and 99 % of the observations stay below, for each value of the labels.

    ``buckets`` selects the series of one histogram.
    """
    names = "".join(f"{{{{{label}}}}}: " for label in labels)
    rates = summed(rate(buckets), "le", *labels)
    return {f"{names}{legend}": f"histogram_quantile({share}, {rates})" for legend, share in PERCENTILES.items()}
