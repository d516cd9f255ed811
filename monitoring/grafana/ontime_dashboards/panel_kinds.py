"""The kinds of panel of which dashboards are made; each has a title, a sentence on what good is, a unit and its queries.

Queries are a mapping from legend to PromQL. Steps are where a colour begins, the first one at None: below all others.
"""

from collections.abc import Mapping, Sequence
from string import ascii_uppercase
from typing import TypeVar

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    dashboard,
    heatmap,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import common as options
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

Panel = Builder[models.Panel]
Queries = Mapping[str, str]
Steps = Sequence[tuple[float | None, str]]
P = TypeVar("P", timeseries.Panel, stat.Panel, bargauge.Panel, heatmap.Panel, statetimeline.Panel, table.Panel)

SOURCE = options.DataSourceRef(type_val="prometheus", uid="prometheus")
NONE, GREEN, YELLOW, ORANGE, RED, BLUE = "transparent", "green", "yellow", "orange", "red", "blue"
PERCENTILES = {"half are faster than (p50)": 0.5, "19 of 20 (p95)": 0.95, "99 of 100 (p99)": 0.99}
RANGE, INSTANT, TABLE, BUCKETS = range(4)


def graph(
    title: str,
    good: str,
    unit: str,
    queries: Queries,
    *,
    steps: Steps = (),
    area: bool = False,
    least: float | None = 0,
    most: float | None = None,
    stacked: bool = False,
    logarithmic: bool = False,
    width: int = 12,
) -> Panel:
    """Lines over time. Each step but the first is a dashed line; with ``area`` the colours fill what lies between."""
    panel = _told(timeseries.Panel(), title, good, unit, queries, width, 8).line_width(1).fill_opacity(8)
    panel.color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.PALETTE_CLASSIC))
    panel.legend(_legend()).tooltip(common.VizTooltipOptions().mode(options.TooltipDisplayMode.MULTI))
    if logarithmic:
        panel.scale_distribution(common.ScaleDistributionConfig().type(options.ScaleDistribution.LOG).log(10))
    elif least is not None:
        panel.min(least)
    if most is not None:
        panel.max(most)
    if stacked:
        panel.stacking(common.StackingConfig().mode(options.StackingMode.NORMAL)).fill_opacity(40)
    if steps:
        style = options.GraphThresholdsStyleMode.AREA if area else options.GraphThresholdsStyleMode.DASHED
        panel.thresholds(_thresholds(steps)).thresholds_style(common.GraphThresholdsStyleConfig().mode(style))
    return panel


def number(title: str, good: str, unit: str, queries: Queries, *, steps: Steps = ((None, GREEN),), width: int = 6) -> Panel:
    """The latest values, large, in the colour of their step."""
    panel = _told(stat.Panel(), title, good, unit, queries, width, 5, query=INSTANT).thresholds(_thresholds(steps))
    panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"])).graph_mode(options.BigValueGraphMode.NONE)
    return panel.text_mode(options.BigValueTextMode.VALUE_AND_NAME if len(queries) > 1 else options.BigValueTextMode.AUTO)


def bars(
    title: str, good: str, unit: str, queries: Queries, *, steps: Steps, most: float, width: int = 12, height: int = 8
) -> Panel:
    """The latest value of each series as a bar from 0 to ``most``, in the colour of its step."""
    panel = _told(bargauge.Panel(), title, good, unit, queries, width, height, query=INSTANT).thresholds(_thresholds(steps))
    panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"])).min(0).max(most)
    return panel.orientation(options.VizOrientation.HORIZONTAL).display_mode(options.BarGaugeDisplayMode.BASIC)


def distribution(title: str, good: str, unit: str, queries: Queries, *, width: int = 12) -> Panel:
    """How many values fall between the edges of a histogram, over time; the query gives its buckets by ``le``."""
    panel = _told(heatmap.Panel(), title, good, "short", queries, width, 8, query=BUCKETS)
    panel.calculate(False).y_axis(heatmap.YAxisConfig().unit(unit))
    colours = heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Blues").steps(32).exponent(0.5)
    return panel.color(colours).tooltip(heatmap.HeatmapTooltip().mode(options.TooltipDisplayMode.SINGLE).y_histogram(True))


def states(
    title: str, good: str, queries: Queries, *, named: Mapping[int, tuple[str, str]], width: int = 12, height: int = 8
) -> Panel:
    """A band for each series, in the word and colour of its value at each time."""
    panel = _told(statetimeline.Panel(), title, good, "none", queries, width, height)
    panel.legend(common.VizLegendOptions().show_legend(False).display_mode(options.LegendDisplayMode.LIST))
    return panel.mappings([_words(named)]).show_value(options.VisibilityMode.AUTO).row_height(0.8)


def rows(
    title: str,
    good: str,
    unit: str,
    query: str,
    columns: Mapping[str, str],
    *,
    named: Mapping[int, tuple[str, str]] | None = None,
    width: int = 12,
) -> Panel:
    """A table of what a query finds now: its labels and value (``Value``) under the names of ``columns``, in that order."""
    panel = _told(table.Panel(), title, good, unit, {"": query}, width, 8, query=TABLE)
    if named:
        coloured = models.DynamicConfigValue(id_val="custom.cellOptions", value=options.TableColorTextCellOptions())
        panel.mappings([_words(named)]).override_by_name(columns["Value"], [coloured])
    order = {
        "includeByName": dict.fromkeys(columns, True),
        "indexByName": {name: place for place, name in enumerate(columns)},
        "renameByName": dict(columns),
    }
    return panel.with_transformation(models.DataTransformerConfig(id_val="organize", options=order))


def percentiles(buckets: str, *labels: str) -> Queries:
    """The times that half, 95 % and 99 % of the observations stay below, for each value of the labels.

    ``buckets`` selects the series of one histogram.
    """
    rates = f"sum by ({', '.join(['le', *labels])}) (rate({buckets}[$__rate_interval]))"
    names = "".join(f"{{{{{label}}}}}: " for label in labels)
    return {f"{names}{legend}": f"histogram_quantile({share}, {rates})" for legend, share in PERCENTILES.items()}


def _told(panel: P, title: str, good: str, unit: str, queries: Queries, width: int, height: int, *, query: int = RANGE) -> P:
    panel.title(title).description(good).unit(unit).datasource(SOURCE).span(width).height(height)
    for letter, (legend, expr) in zip(ascii_uppercase, queries.items(), strict=False):
        panel.with_target(_query(letter, legend, expr, query))
    return panel


def _query(letter: str, legend: str, expr: str, kind: int) -> prometheus.Dataquery:
    query = prometheus.Dataquery().ref_id(letter).expr(expr).datasource(SOURCE)
    if legend:
        query.legend_format(legend)
    if kind == TABLE:
        query.format(PromQueryFormat.TABLE)
    if kind == BUCKETS:
        query.format(PromQueryFormat.HEATMAP)
    return query.instant() if kind in (INSTANT, TABLE) else query.range()


def _thresholds(steps: Steps) -> dashboard.ThresholdsConfig:
    found = [models.Threshold(value=value, color=colour) for value, colour in steps]
    return dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(found)


def _words(named: Mapping[int, tuple[str, str]]) -> models.ValueMap:
    return models.ValueMap({str(value): models.ValueMappingResult(text, colour) for value, (text, colour) in named.items()})


def _legend() -> common.VizLegendOptions:
    legend = common.VizLegendOptions().show_legend(True).display_mode(options.LegendDisplayMode.LIST)
    return legend.placement(options.LegendPlacement.BOTTOM)
