"""The kinds of panel of which dashboards are made, each with a unit and queries; the SDK's own methods do the rest.

Steps are where a colour begins, the first one at None: below all others.
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
from grafana_foundation_sdk.models import common as options
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from ontime_dashboards.queries import Queries

Panel = timeseries.Panel | stat.Panel | bargauge.Panel | heatmap.Panel | statetimeline.Panel | table.Panel
Panels = Mapping[str, Panel]
Steps = Sequence[tuple[float | None, str]]
States = Mapping[int, tuple[str, str]]
P = TypeVar("P", timeseries.Panel, stat.Panel, bargauge.Panel, heatmap.Panel, statetimeline.Panel, table.Panel)

SOURCE = options.DataSourceRef(type_val="prometheus", uid="prometheus")
NONE, GREEN, YELLOW, ORANGE, RED, BLUE = "transparent", "green", "yellow", "orange", "red", "blue"
LATEST = common.ReduceDataOptions().calcs(["lastNotNull"])
STACKED = common.StackingConfig().mode(options.StackingMode.NORMAL)
LOGARITHMIC = common.ScaleDistributionConfig().type(options.ScaleDistribution.LOG).log(10)


def limit(value: float, colour: str = ORANGE) -> Steps:
    """A dashed line at a value that should not be exceeded."""
    return (None, NONE), (value, colour)


def graph(unit: str, queries: Queries, steps: Steps = (), *, logarithmic: bool = False, width: int = 12) -> timeseries.Panel:
    """Lines over time, from 0 on unless logarithmic. Each step but the first is a dashed line."""
    panel = _panel(timeseries.Panel(), unit, queries).span(width).line_width(1).fill_opacity(8)
    panel.color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.PALETTE_CLASSIC))
    panel.legend(_legend(True).placement(options.LegendPlacement.BOTTOM))
    panel.tooltip(common.VizTooltipOptions().mode(options.TooltipDisplayMode.MULTI))
    if steps:
        panel.thresholds(_thresholds(steps)).thresholds_style(_style(options.GraphThresholdsStyleMode.DASHED))
    return panel.scale_distribution(LOGARITHMIC) if logarithmic else panel.min(0)


def share(queries: Queries, steps: Steps = ()) -> timeseries.Panel:
    """Lines over time, from 0 to 1."""
    return graph("percentunit", queries, steps).max(1)


def stacked(unit: str, queries: Queries, steps: Steps = (), *, width: int = 12) -> timeseries.Panel:
    """Lines over time, each on top of the one before."""
    return graph(unit, queries, steps, width=width).stacking(STACKED).fill_opacity(40)


def areas(unit: str, queries: Queries, steps: Steps) -> timeseries.Panel:
    """Lines over time, in front of the colours of the steps."""
    return graph(unit, queries, steps).thresholds_style(_style(options.GraphThresholdsStyleMode.AREA))


def number(unit: str, queries: Queries, steps: Steps = ((None, GREEN),)) -> stat.Panel:
    """The latest values, large, in the colour of their step."""
    panel = _panel(stat.Panel(), unit, queries, instant=True).span(6).height(5).thresholds(_thresholds(steps))
    panel.reduce_options(LATEST).graph_mode(options.BigValueGraphMode.NONE)
    return panel.text_mode(options.BigValueTextMode.VALUE_AND_NAME if len(queries) > 1 else options.BigValueTextMode.AUTO)


def bars(unit: str, queries: Queries, steps: Steps, *, most: float = 1) -> bargauge.Panel:
    """The latest value of each series as a bar from 0 to ``most``, in the colour of its step."""
    panel = _panel(bargauge.Panel(), unit, queries, instant=True).thresholds(_thresholds(steps)).min(0).max(most)
    panel.reduce_options(LATEST).orientation(options.VizOrientation.HORIZONTAL)
    return panel.display_mode(options.BarGaugeDisplayMode.BASIC)


def distribution(unit: str, queries: Queries) -> heatmap.Panel:
    """How many values fall between the edges of a histogram, over time; the query gives its buckets by ``le``."""
    panel = _panel(heatmap.Panel(), "short", queries, PromQueryFormat.HEATMAP)
    panel.calculate(False).y_axis(heatmap.YAxisConfig().unit(unit))
    colours = heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Blues").steps(32).exponent(0.5)
    return panel.color(colours).tooltip(heatmap.HeatmapTooltip().mode(options.TooltipDisplayMode.SINGLE).y_histogram(True))


def timeline(queries: Queries, states: States) -> statetimeline.Panel:
    """A band for each series, in the word and colour of its state at each time."""
    panel = _panel(statetimeline.Panel(), "none", queries).legend(_legend(False))
    return panel.mappings([_value_map(states)]).show_value(options.VisibilityMode.AUTO).row_height(0.8)


def rows(query: str, columns: Mapping[str, str], states: States | None = None) -> table.Panel:
    """A table of what a query finds now: its labels and value (``Value``) under the names of ``columns``, in that order."""
    panel = _panel(table.Panel(), "none", {"": query}, PromQueryFormat.TABLE, instant=True)
    if states:
        coloured = models.DynamicConfigValue(id_val="custom.cellOptions", value=options.TableColorTextCellOptions())
        panel.mappings([_value_map(states)]).override_by_name(columns["Value"], [coloured])
    order = {
        "includeByName": dict.fromkeys(columns, True),
        "indexByName": {name: place for place, name in enumerate(columns)},
        "renameByName": dict(columns),
    }
    return panel.with_transformation(models.DataTransformerConfig(id_val="organize", options=order))


def _panel(panel: P, unit: str, queries: Queries, result: PromQueryFormat | None = None, *, instant: bool = False) -> P:
    panel.unit(unit).datasource(SOURCE).span(12).height(8)
    for letter, (legend, expr) in zip(ascii_uppercase, queries.items(), strict=False):
        query = prometheus.Dataquery().ref_id(letter).expr(expr).datasource(SOURCE)
        if legend:
            query.legend_format(legend)
        if result:
            query.format(result)
        panel.with_target(query.instant() if instant else query.range())
    return panel


def _thresholds(steps: Steps) -> dashboard.ThresholdsConfig:
    thresholds = [models.Threshold(value=value, color=colour) for value, colour in steps]
    return dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(thresholds)


def _style(mode: options.GraphThresholdsStyleMode) -> common.GraphThresholdsStyleConfig:
    return common.GraphThresholdsStyleConfig().mode(mode)


def _value_map(states: States) -> models.ValueMap:
    return models.ValueMap({str(value): models.ValueMappingResult(text, colour) for value, (text, colour) in states.items()})


def _legend(shown: bool) -> common.VizLegendOptions:
    return common.VizLegendOptions().show_legend(shown).display_mode(options.LegendDisplayMode.LIST)
