"""The errors that the board expects: what was wanted, what was found, what to do."""

from collections.abc import Sequence

from service_kit.errors import ServiceError


class BoardError(ServiceError):
    """A failure that the board expects."""


class ServiceUnavailable(BoardError):
    """Another service did not answer, or not as it should, for a reason that may pass."""


class ContentRejected(BoardError):
    """Another service refuses what was sent; ``fields`` names what is wrong, where the answer says so."""

    def __init__(self, reason: str, status: int, fields: Sequence[str] = ()) -> None:
        super().__init__(reason)
        self.status, self.fields = status, fields


class ModelChanged(BoardError):
    """Another model answers than the one whose features the board computes: the board begins again with the new one."""


class RecipeMissing(BoardError):
    """The model was made by a recipe that this board does not have, or that takes other options."""


class AuditImpossible(BoardError):
    """There is nothing to audit."""
