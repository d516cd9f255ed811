"""Windows of time in a query: ``since`` and ``until``, the first included and the second not."""

from datetime import datetime
from typing import Annotated

from fastapi import Query
from pydantic import AwareDatetime

from data_api.problems import FieldFault, Refusal

Since = Annotated[AwareDatetime | None, Query(description="From this moment on, with a time zone")]
Until = Annotated[AwareDatetime | None, Query(description="Up to this moment, itself excluded")]


def refuse_backwards(since: datetime | None, until: datetime | None) -> None:
    """Raises Refusal (422) where a window ends before it begins."""
    if since is not None and until is not None and until < since:
        fault = FieldFault(field="until", wanted=f"a moment not before since, {since}", got=str(until))
        raise Refusal(422, "The window ends before it begins.", [fault])
