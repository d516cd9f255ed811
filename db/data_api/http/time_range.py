"""Windows of time in a query: ``since`` and ``until``, the first included and the second not."""

from datetime import datetime, timedelta

from data_api.database.uuid7 import EPOCH
from service_kit.problems import FieldError, ProblemError


def refuse_backwards(since: datetime | None, until: datetime | None) -> None:
    """Raises ProblemError (422) where a window ends before it begins."""
    if since is not None and until is not None and until < since:
        fault = FieldError(field="until", wanted=f"a moment not before since, {since}", got=str(until))
        raise ProblemError(422, "The window ends before it begins.", [fault])


def before(until: datetime, length: timedelta) -> datetime:
    """The moment so long before another; 1970, before which there are no ids, where that is farther away."""
    return until - min(length, max(until - EPOCH, timedelta()))
