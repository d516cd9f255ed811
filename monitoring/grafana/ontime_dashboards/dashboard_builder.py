"""A dashboard out of rows of panels, with what all of them share, and its JSON."""

import json
from collections.abc import Mapping, Sequence

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as models

from ontime_dashboards.panel_kinds import SOURCE, Panels

TAG = "ontime"


def board(
    name: str, question: str, rows: Mapping[str, Panels], variables: Sequence[dashboard.QueryVariable] = ()
) -> models.Dashboard:
    """The dashboard ``ontime-NAME``: rows by title, and in each its panels by title; numbered from 1 on."""
    built = dashboard.Dashboard(f"Ontime: {name}").uid(f"{TAG}-{name}").description(question).tags([TAG]).readonly()
    built.timezone("browser").time("now-6h", "now").refresh("30s").tooltip(models.DashboardCursorSync.CROSSHAIR)
    built.link(_links()).variables(list(variables))
    for row, panels in rows.items():
        built.with_row(dashboard.Row(row))
        for title, panel in panels.items():
            built.with_panel(panel.title(title))
    result = built.build()
    for number, placed in enumerate(result.panels or [], start=1):
        placed.id_val = number
    return result


def variable(name: str, metric: str) -> dashboard.QueryVariable:
    """A choice among the values that a metric's label ``name`` has; all at first."""
    choice = dashboard.QueryVariable(name).label(name).datasource(SOURCE).query(f"label_values({metric}, {name})")
    choice.multi(True).include_all(True).all_value(".*").current(models.VariableOption(text="All", value="$__all"))
    return choice.refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(models.VariableSort.ALPHABETICAL_ASC)


def to_json(built: models.Dashboard) -> str:
    """The JSON of a dashboard; the same bytes for the same dashboard."""
    return json.dumps(built, cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _links() -> dashboard.DashboardLink:
    """Links to all dashboards of Ontime, which keep the time range."""
    link = dashboard.DashboardLink("Ontime").type(models.DashboardLinkType.DASHBOARDS).tags([TAG])
    link.as_dropdown(False).include_vars(False).keep_time(True)
    link.build().placement = None  # type: ignore[assignment] # the builder's own value hides it in a menu
    return link
