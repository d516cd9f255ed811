"""Renders the templates of the pages with what all of them show: navigation, data set, the log's time, the reader."""

from collections.abc import Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse

from board.app_state import AppState
from board.clock import duration
from board.pages.frame import static_files
from board.pages.frame.headers import HEADERS
from board.pages.frame.presentation import clock_of

TEMPLATES = Path(__file__).parents[1] / "templates"
MISSING = "\N{EN DASH}"
MOST_CERTAIN = 0.005  # a share this near to 0 or 1 is not written as it


class NavigationLink(NamedTuple):
    """An entry of the navigation."""

    path: str
    text: str


NAVIGATION = (
    NavigationLink("/", "Departures"),
    NavigationLink("/quality", "Were we right?"),
    NavigationLink("/about", "The model"),
)

WITHOUT_LOG = (NavigationLink("/form", "Ask"), *NAVIGATION[1:])  # where the model's columns do not come from events


@cache
def environment() -> jinja2.Environment:
    """The templates; whatever a variable holds is escaped, and one that is not given is an error."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader([TEMPLATES, *sorted(TEMPLATES.parents[1].glob("*/templates"))]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["duration"] = duration
    made.filters |= {"percent": percent, "points": points, "number": number}
    return made


def render(request: Request, template: str, status: int = 200, **context: Any) -> HTMLResponse:
    """A page from a template of this folder, which gets these values beside those that all pages show."""
    text = environment().get_template(template).render(**shared(request), **context)
    return HTMLResponse(text, status, HEADERS)


def shared(request: Request) -> dict[str, Any]:
    """What all pages show; ``reader`` and ``csrf_token`` are what their guard has put into the request's state."""
    service: AppState = request.app.state.service
    follower = service.follower
    tracker, model = follower.tracker, follower.model or {}
    return {
        "navigation": WITHOUT_LOG if follower.has_source is False else NAVIGATION,
        "path": request.url.path.removeprefix(request.scope.get("root_path", "")),
        "link": partial(link, request),
        "static": lambda name: request.scope.get("root_path", "") + static_files.address(name),
        "data_set": model.get("name"),
        "model_version": model.get("version"),
        "watermark": tracker.tables.watermark if tracker else None,
        "clock": clock_of(service),
        "reader": getattr(request.state, "reader", None),
        "csrf_token": getattr(request.state, "csrf_token", None),
    }


def link(request: Request, path: str, query: Mapping[str, Any] | None = None) -> str:
    """The address of a page as the browser sees it: behind ROOT_PATH, with the values of a query that are not None."""
    values = [(name, value) for name, value in (query or {}).items() if value is not None]
    return str(request.scope.get("root_path", "")) + path + (f"?{urlencode(values)}" if values else "")


def percent(share: float | None) -> str:
    """A share such as 0.274 as 27 %; below 1 and above 99 it says so, an en dash where it is missing."""
    if share is None:
        return MISSING
    if 0 < share < MOST_CERTAIN or 1 - MOST_CERTAIN < share < 1:
        return "<1\N{NO-BREAK SPACE}%" if share < MOST_CERTAIN else ">99\N{NO-BREAK SPACE}%"
    return f"{100 * share:.0f}\N{NO-BREAK SPACE}%"


def points(contribution: float) -> str:
    """A difference of shares such as 0.12 as +12, in points of a hundred, with a minus sign that is as wide as the plus."""
    return f"{100 * contribution:+.0f}".replace("-", "\N{MINUS SIGN}").replace("+0", "0").replace("\N{MINUS SIGN}0", "0")


def number(value: float | None, digits: int = 1) -> str:
    """A number with at most so many decimals; an en dash where it is missing."""
    if value is None:
        return MISSING
    text = f"{value:,.{digits}f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text).replace("-", "\N{MINUS SIGN}")
