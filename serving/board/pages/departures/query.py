"""What the address of the departures page asks for: which hours, which of their subjects, in which order."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import AwareDatetime, TypeAdapter, ValidationError

from board.tracking.source import SECONDS
from service_kit.problems import FieldError, ProblemError

WINDOW = timedelta(hours=6)
MINUTES = int(WINDOW.total_seconds()) // SECONDS
NEXT, LAST = "next", "last"  # the hours after the log's time, and those before
SORTS = ("time", "probability", "name", "to")
MOST_LETTERS = 80
MOMENT = TypeAdapter(AwareDatetime)


@dataclass(frozen=True)
class DeparturesQuery:
    """``since`` names hours that stay; without it they move with the log's time. ``facets`` holds values of columns."""

    show: str = NEXT
    since: datetime | None = None
    text: str = ""
    facets: tuple[tuple[str, str], ...] = ()
    sort: str = SORTS[0]
    page: int = 1

    def window(self, now: int) -> tuple[int, int]:
        """The first moment and the one after the last, in minutes since 1970; overdue subjects come beside them."""
        start = now if self.show == NEXT else now - MINUTES
        if self.since:
            start = int(self.since.timestamp()) // SECONDS
        return start, start + MINUTES

    def parameters(self, **changes: Any) -> dict[str, Any]:
        """The query of the address that asks for this, or for it with ``changes``; what is the default is left out."""
        asked = replace(self, **changes)
        return {
            "show": asked.show if asked.show != NEXT and not asked.since else None,
            "from": f"{asked.since.astimezone(UTC):%Y-%m-%dT%H:%MZ}" if asked.since else None,
            "q": asked.text or None,
            **dict(asked.facets),
            "sort": asked.sort if asked.sort != SORTS[0] else None,
            "page": asked.page if asked.page > 1 else None,
        }


def read_query(values: Mapping[str, str], facets: Mapping[str, str]) -> DeparturesQuery:
    """Raises ProblemError (422) for a value that cannot be; a parameter of another name is left alone."""
    errors = []
    show, sort, page = values.get("show") or NEXT, values.get("sort") or SORTS[0], values.get("page") or "1"
    if show not in {NEXT, LAST}:
        errors.append(FieldError("show", f"{NEXT} or {LAST}", repr(show)[:MOST_LETTERS]))
    if sort not in SORTS:
        errors.append(FieldError("sort", f"one of {', '.join(SORTS)}", repr(sort)[:MOST_LETTERS]))
    if not (page.isdecimal() and len(page) < 5 and int(page)):
        errors.append(FieldError("page", "a number from 1 on", repr(page)[:MOST_LETTERS]))
    since = None
    if text := values.get("from"):
        try:
            since = MOMENT.validate_python(text)
        except ValidationError:
            errors.append(FieldError("from", "a moment such as 2013-10-05T10:00Z", repr(text)[:MOST_LETTERS]))
    if errors:
        raise ProblemError(422, "The address asks for something that the page does not have.", errors)
    chosen = tuple((name, value[:MOST_LETTERS]) for name in facets if (value := values.get(name)))
    return DeparturesQuery(show, since, values.get("q", "").strip()[:MOST_LETTERS], chosen, sort, int(page))
