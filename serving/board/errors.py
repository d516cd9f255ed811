"""The errors that the board expects: what was wanted, what was found, what to do."""

from collections.abc import Sequence

from service_kit.errors import ServiceError
from service_kit.problems import FieldError


class BoardError(ServiceError):
    """A failure that the board expects."""


class ServiceUnavailable(BoardError):
    """Another service did not answer, or not as it should, for a reason that may pass."""


class ContentRejected(BoardError):
    """Another service refuses what was sent; ``field_errors`` says what is wrong with which field, where the answer does."""

    def __init__(self, reason: str, status: int, field_errors: Sequence[FieldError] = ()) -> None:
        super().__init__(reason)
        self.status, self.field_errors = status, field_errors

    @property
    def fields(self) -> list[str]:
        """The names of the fields."""
        return [error.field for error in self.field_errors]


class ModelChanged(BoardError):
    """Another model answers than the one whose features the board computes: the board begins again with the new one."""


class RecipeMissing(BoardError):
    """The model was made by a recipe that this board does not have, or that takes other options."""


class AuditImpossible(BoardError):
    """There is nothing to audit."""
