"""What can be wrong with the service itself: each error says what was wanted, what was found, what to do."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from service_kit.errors import ServiceError


class DataApiError(ServiceError):
    """A failure that this service expects."""


class DatabaseUnavailable(DataApiError):
    """The database does not answer now; it may later. ``told`` leaves out what is for the log alone, such as its host."""

    told = "the database does not answer"


class DatabaseBusy(DatabaseUnavailable):
    """All connections to the database are in use; it answers those who have one."""

    told = "all connections to the database are in use"


class DatabaseForeign(DataApiError):
    """The database holds tables that the migrations here did not make; waiting would not help."""


class StatementTooLong(DataApiError):
    """The database gave up a question that took longer than STATEMENT_SECONDS."""


class NameTaken(DataApiError):
    """Something else has this name."""


class UserMissing(DataApiError):
    """Nobody has this name."""


class InvalidPassword(DataApiError):
    """A password is too short, too long, or was typed in two ways."""


class LastAdmin(DataApiError):
    """Without this user nobody could manage users and keys."""


class Difference(NamedTuple):
    """An id that is recorded with other content: where the request has it (``predictions.3.``), and the fields."""

    place: str
    recorded: UUID
    fields: list[str]


class ContentDiffers(DataApiError):
    """Ids are recorded with other content; the sentence names the first of them, ``differing`` them all."""

    def __init__(self, what: str, differing: Sequence[Difference]) -> None:
        first = differing[0]
        more = f", and {len(differing) - 1} more" if len(differing) > 1 else ""
        super().__init__(
            f"{what} {first.recorded} is recorded with another {', '.join(first.fields)}{more}. "
            "Nothing of this request was recorded."
        )
        self.differing = differing
