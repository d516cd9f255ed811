"""The subjects of a batch: whose predictions its records are, as of which moment, and which of them count as official."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, NotRequired
from uuid import RFC_4122, UUID

from pydantic import Field
from pydantic_core import ErrorDetails
from typing_extensions import TypedDict

from prediction_api.model.record_fields import NO_NUL, STRICT, UtcTime, shown, typed_dict
from service_kit.problems import FieldError

SUBJECTS = "subjects"
MOST_SUBJECT = 1000  # characters
MOST_POSITION = 2**63 - 1
COLONS_A_SUBJECT = 40  # after each name, in its times, and in a key that is JSON
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
RANDOM_BITS = 80  # of a UUID of version 7, below its milliseconds
ID = "a UUID of version 7 with the milliseconds of as_of"
EXPECTED = {
    "prediction_id": f"{ID}, or null",
    "subject": f"a text of 1 to {MOST_SUBJECT} characters",
    "as_of": "a date and time such as 2013-10-01T08:15:00Z, with an offset from UTC",
    "log_position": "a whole number of at least 0",
    "official": "true or false",
}


class Subject(TypedDict):
    """Whose prediction a record is, and what was known when its values were computed."""

    __pydantic_config__ = STRICT  # type: ignore[misc]

    prediction_id: NotRequired[
        Annotated[UUID | None, Field(description=f"{ID}; an official prediction needs it, others get one where it is null")]
    ]
    subject: Annotated[
        str,
        Field(
            min_length=1,
            max_length=MOST_SUBJECT,
            pattern=NO_NUL,
            description="What the record is about, such as the key of a row as JSON",
            examples=['{"carrier":"UA","flight":1545}'],
        ),
    ]
    as_of: Annotated[UtcTime, Field(description="The moment whose knowledge the record holds")]
    log_position: Annotated[
        int, Field(ge=0, le=MOST_POSITION, description="Up to where the event log had been read by then")
    ]
    official: Annotated[bool, Field(description="Whether it is the one prediction of its subject that is scored")]


def batch_type(record: Any, most: int) -> Any:
    """The TypedDict of a batch: ``records``, from one to ``most`` of them, and ``subjects``, where they are known."""
    records = Annotated[list[record], Field(min_length=1, max_length=most, description="What is predicted, in this order.")]
    subjects = Annotated[list[Subject | None], Field(max_length=most, description="For each record its subject, or null.")]
    kind = typed_dict("Batch", {"records": records, SUBJECTS: NotRequired[subjects]})
    kind.__pydantic_config__ = STRICT
    kind.__doc__ = f"Up to {most} records."
    return kind


def wrong_subjects(subjects: Sequence[Subject | None], records: int) -> Iterator[FieldError]:
    """What is wrong with subjects beside as many ``records`` that pydantic cannot see: their number, and their ids."""
    if len(subjects) != records:
        yield FieldError(SUBJECTS, f"an array of {records}, one for each record", f"{len(subjects)} of them")
        return
    places: dict[UUID, int] = {}
    for place, subject in enumerate(subjects):
        field = f"{SUBJECTS}[{place}].prediction_id"
        if subject is None:
            continue
        prediction_id = subject.get("prediction_id")
        if prediction_id is None:
            if subject["official"]:
                yield FieldError(field, f"{ID}, because the prediction is official", "null")
        elif not _is_of(prediction_id, subject["as_of"]):
            yield FieldError(field, f"{ID}, {subject['as_of'].isoformat()}", str(prediction_id))
        elif places.setdefault(prediction_id, place) != place:
            yield FieldError(field, f"another id than that of {SUBJECTS}[{places[prediction_id]}]", str(prediction_id))


def subject_error(error: ErrorDetails, field: str) -> FieldError:
    """One of pydantic's errors about subjects as a field error."""
    location, value = error["loc"], error["input"]
    name = str(location[-1])
    if len(location) == 1:
        size = f"{len(value)} of them" if isinstance(value, list) else shown(value)
        return FieldError(field, "an array with a JSON object or null for each record", size)
    if error["type"] == "extra_forbidden":
        return FieldError(field, f"one of {', '.join(EXPECTED)}", f"an unknown field, {field.rpartition('.')[2]}")
    got = "nothing" if error["type"] == "missing" else shown(value)
    return FieldError(field, EXPECTED.get(name, "a JSON object, or null"), got)


def with_subject(answer: dict[str, Any], subject: Mapping[str, Any]) -> dict[str, Any]:
    """An answer with the id and the other fields of its subject; its own id stays where the subject has none."""
    return {**answer, **subject, "prediction_id": str(subject.get("prediction_id") or answer["prediction_id"])}


def _is_of(prediction_id: UUID, moment: datetime) -> bool:
    milliseconds = (moment - EPOCH) // timedelta(milliseconds=1)
    is_version_7 = prediction_id.variant == RFC_4122 and prediction_id.version == 7
    return is_version_7 and prediction_id.int >> RANDOM_BITS == milliseconds
