"""The errors that this service expects, of models, outboxes and files: what was wanted, what was found, what to do."""

from collections.abc import Mapping, Sequence
from typing import Any

from service_kit.errors import ServiceError

MOST_SHOWN = 60  # characters of what a caller sent, in a message
MOST_NAMES, MOST_CHARACTERS = 5, 200  # of what another service sent


class PredictionApiError(ServiceError):
    """A failure that this service expects."""


class InvalidModel(PredictionApiError):
    """A model that is absent, altered, foreign, or gives no probability."""


class FetchFailed(PredictionApiError):
    """The place where the model comes from did not hand it over."""


class NothingRegistered(FetchFailed):
    """The registry answers, and has no such version yet."""


class OutboxUnusable(PredictionApiError):
    """The outbox cannot be opened: another process holds it, or its folder cannot be written."""


class OutboxLocked(OutboxUnusable):
    """Another process that runs holds the outbox."""


class OutboxUnavailable(PredictionApiError):
    """The outbox takes no prediction now: it is full, or its disk refuses. The caller may try again."""


class DataServiceUnavailable(PredictionApiError):
    """The data service did not take what was sent, for a reason that may pass."""


def unconfirmed(expected: str, answer: Mapping[str, Any]) -> DataServiceUnavailable:
    """The error for an answer that is not the data service's own, as where another server has its address."""
    names = ", ".join(sorted(answer)[:MOST_NAMES])[:MOST_CHARACTERS]  # no values: a stranger may send back the key
    return DataServiceUnavailable(f"DATA_API_URL should confirm {expected}; it answers with the fields: {names or 'none'}")


class ContentRejected(PredictionApiError):
    """The content of what was sent is refused; ``fields`` names what is wrong, where the answer says so.

    ``is_final`` where the data service itself says what is wrong; else another server may have its address.
    """

    def __init__(self, reason: str, fields: Sequence[str] = (), is_final: bool = False) -> None:
        super().__init__(reason)
        self.fields, self.is_final = fields, is_final


class TableUnreadable(PredictionApiError):
    """A file to be scored lacks columns, holds values that the schema refuses, or cannot be read or written."""


class ReasonsUnavailable(PredictionApiError):
    """The model that answers has no topics, so its predictions have no reasons."""
