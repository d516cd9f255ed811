"""What can be wrong with the service itself: each error says what was wanted, what was found, what to do."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from service_kit.errors import ServiceError
from service_kit.field_errors import MOST_FIELD_ERRORS
from service_kit.problems import FieldError, ProblemError


class DatabaseUnavailable(ServiceError):
    """The database does not answer now; it may later. ``public_message`` leaves out what only the log may show: the host."""

    public_message = "the database does not answer"


class DatabaseBusy(DatabaseUnavailable):
    """All connections to the database are in use; it answers those who have one."""

    public_message = "all connections to the database are in use"


class DatabaseReadOnly(DatabaseUnavailable):
    """The database answers and takes no writes now: its owner made it read-only, or it is a standby."""

    public_message = "the database takes no writes now: it is read-only, or a standby"


class DatabaseForeign(ServiceError):
    """The database holds tables that the migrations here did not make; waiting would not help."""


class MigrationsInvalid(ServiceError):
    """The migrations of this version of the service do not follow each other."""


class StatementTooLong(ProblemError):
    """The database gave up a query that took longer than STATEMENT_SECONDS (422)."""


class Difference(NamedTuple):
    """An id that is recorded with other content: where the request has it (``predictions.3.``), and the fields."""

    place: str
    recorded: UUID
    fields: list[str]


class ContentDiffers(ProblemError):
    """Ids are recorded with other content (409). The sentence names the first id; the field errors name all."""

    def __init__(self, subject: str, differences: Sequence[Difference]) -> None:
        first, *others = differences
        more = f", and {len(others)} more" if others else ""
        field_errors = [
            FieldError(f"{place}{name}", f"what is recorded of {recorded}", "something else")
            for place, recorded, fields in differences[:MOST_FIELD_ERRORS]
            for name in fields
        ]
        super().__init__(
            409,
            f"{subject} {first.recorded} is recorded with another {', '.join(first.fields)}{more}. "
            "Nothing of this request was recorded.",
            field_errors[:MOST_FIELD_ERRORS],
        )
