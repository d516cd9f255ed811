"""What the model would say of a subject whose columns had other values: nothing of it is stored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from board.clients.prediction_service import PredictionService
from board.errors import ContentRejected, ServiceUnavailable
from board.pages.form import fields as form_fields
from board.pages.frame.patience import within_patience
from board.tracking.source import Record
from service_kit.problems import FieldError

PREFIX = "to."  # of a column's name in the address, where the key of the subject has names of its own
Columns = Sequence[Mapping[str, Any]]  # of schema.json


@dataclass(frozen=True)
class Change:
    """A column that was given another value, both as text."""

    label: str
    before: str
    after: str
    unit: str


@dataclass(frozen=True)
class WhatIf:
    """The fields of the form by topic, what was changed in them, and the answer, or why there is none."""

    groups: Sequence[form_fields.FieldGroup]
    changes: tuple[Change, ...]
    answer: Record | None = None
    refusal: str | None = None


async def what_if(
    predictor: PredictionService, columns: Columns, record: Record, values: Mapping[str, str], topics: Sequence[str]
) -> WhatIf:
    """The answer to the changes of a ``record`` that the values of an address make; without changes nothing is asked.

    The fields of the first of these ``topics`` come first.
    """
    before = {column["name"]: form_fields.as_text(record[column["name"]]) for column in columns}
    typed = {name: values.get(PREFIX + name, text).strip() for name, text in before.items()}
    changed = [column for column in columns if not _is_same(column, typed[column["name"]], before[column["name"]])]
    changes = tuple(
        Change(
            column["description"] or column["name"], before[column["name"]], typed[column["name"]], column.get("unit") or ""
        )
        for column in changed
    )
    form = WhatIf(_groups(columns, typed, topics), changes)
    if not changed:
        return form
    try:
        asked = record | form_fields.record(changed, typed)
        answer = await within_patience(predictor.ask_about(asked, reasons=False, dry_run=True))
    except ContentRejected as error:
        sentence = "The model does not take this:" if error.field_errors else str(error)
        return replace(form, groups=_groups(columns, typed, topics, error.field_errors), refusal=sentence)
    except ServiceUnavailable:
        return replace(form, refusal="The prediction service does not answer. Try again in a moment.")
    names = {column["name"] for column in changed}
    warnings = [warning for warning in answer["warnings"] if warning["field"] in names]
    return replace(form, answer=answer | {"warnings": warnings})


def _is_same(column: Mapping[str, Any], typed: str, before: str) -> bool:
    """Whether a field holds what it held; browsers write a datetime without seconds where they are zero."""
    return before == typed or (column["kind"] == "datetime" and before == f"{typed}:00")


def _groups(
    columns: Columns, values: Mapping[str, str], topics: Sequence[str], errors: Sequence[FieldError] = ()
) -> Sequence[form_fields.FieldGroup]:
    """The fields under their names in the address; the first topic is open, and those where something is wrong."""
    named = [{**column, "name": PREFIX + column["name"]} for column in columns]
    wrong = [replace(error, field=PREFIX + error.field) for error in errors]
    groups = form_fields.groups(named, {PREFIX + name: value for name, value in values.items()}, wrong)
    places = {topic: place for place, topic in enumerate(topics)}
    groups.sort(key=lambda group: places.get(group.topic or "", len(places)))
    return [
        replace(group, is_open=place == 0 or any(entry.error for entry in group.fields))
        for place, group in enumerate(groups)
    ]
