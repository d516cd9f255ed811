"""Every refusal is a problem (RFC 9457), and names the fields that are wrong."""

import json

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.exceptions import HTTPException

from service_kit.field_errors import invalid_request, sentence
from service_kit.problems import FieldError, ProblemError, error_response


class Row(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str = Field(max_length=3)
    password: str = "x"
    rows: list[int] = []


def errors_of(text, model=Row):
    with pytest.raises(ValidationError) as caught:
        model.model_validate_json(text)
    return caught.value


def test_a_problem_has_type_title_status_and_detail_and_names_fields_where_there_are_any():
    plain = error_response(ProblemError(404, "There is no user 7."))
    faulty = error_response(ProblemError(422, "One field is wrong.", [FieldError("name", "a word", "7")]))

    assert plain.headers["content-type"] == "application/problem+json"
    assert json.loads(plain.body) == {
        "type": "about:blank", "title": "Not Found", "status": 404, "detail": "There is no user 7.",
    }  # fmt: skip
    assert json.loads(faulty.body)["errors"] == [{"field": "name", "wanted": "a word", "got": "7"}]


def test_only_a_503_says_when_to_try_again():
    def retry_after(*content):
        return error_response(ProblemError(*content)).headers.get("retry-after")

    assert retry_after(503, "Later.") == "1"
    assert retry_after(500, "Failed.") is None
    assert retry_after(503, "Later.", (), {"retry-after": "9"}) == "9"


@pytest.mark.parametrize(
    "error", [HTTPException(405, "No.", {"allow": "GET"}), ProblemError(405, "No.", (), {"allow": "GET"})]
)
def test_an_error_of_the_service_and_one_of_the_framework_are_answered_alike(error):
    answer = error_response(error)

    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")
    assert json.loads(answer.body)["detail"] == "No."


def test_a_body_that_is_no_json_is_a_400_and_says_where():
    error = invalid_request(errors_of("{").errors())

    assert error.status_code == 400
    assert error.detail.startswith("The body should be JSON in UTF-8; EOF while parsing")


def test_each_invalid_field_is_named_with_what_was_wanted_and_got():
    error = invalid_request(errors_of('{"name": "long", "rows": [1, {"a": 2}], "more": 1}').errors())

    assert (error.status_code, error.detail) == (422, "3 fields are not as the API wants them; GET /docs shows how.")
    assert [(field_error.field, field_error.got) for field_error in error.field_errors] == [
        ("name", "'long'"),
        ("rows.1", "an object of 1"),
        ("more", "1"),
    ]


def test_a_missing_field_a_secret_and_a_long_value_are_shown_as_such():
    (missing,) = invalid_request(errors_of("{}").errors()).field_errors
    (secret,) = invalid_request(errors_of('{"name": "a", "password": 7}').errors()).field_errors
    (long,) = invalid_request(errors_of(json.dumps({"name": "x" * 1000})).errors()).field_errors

    assert (missing.got, secret.got) == ("nothing", "a secret, which is not shown")
    assert len(long.got) == 80


def test_a_problem_names_at_most_twenty_fields_and_counts_all():
    error = invalid_request(errors_of(json.dumps({"name": "a", "rows": ["x"] * 50})).errors())

    assert (len(error.field_errors), error.detail[:9]) == (20, "50 fields")


def test_settings_that_are_invalid_are_one_sentence_without_values():
    assert sentence(errors_of('{"name": "hidden", "rows": 7}')) == (
        "NAME: string should have at most 3 characters; ROWS: input should be a valid array"
    )
