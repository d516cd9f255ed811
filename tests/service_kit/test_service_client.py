"""What a client shows of a refusal: the words of a problem, and neither our key nor what a stranger says."""

import httpx
import pytest

from service_kit.problems import MEDIA_TYPE, FieldError, problem_json
from service_kit.service_client import MOST_CHARACTERS, read_refusal

KEY = "a-key-that-nobody-may-see"


def answer(content, media_type=MEDIA_TYPE):
    return httpx.Response(422, content=content, headers={"content-type": media_type})


def test_a_problem_says_its_detail_and_fields_without_the_key():
    errors = [FieldError(f"records[{place}]", "a number", "none") for place in range(7)]

    refusal = read_refusal(answer(problem_json(422, f"{KEY} is {'long ' * 100}", errors)), KEY)

    assert refusal.reason.startswith("422: *** is long")
    assert refusal.reason.endswith(" (records[0], records[1], records[2], records[3], records[4])")
    assert len(refusal.reason) < MOST_CHARACTERS + 100
    assert refusal.field_errors == errors
    assert refusal.fields == [error.field for error in errors]
    assert refusal.is_problem


@pytest.mark.parametrize(
    ("content", "media_type"),
    [(b"secret", "text/html"), (b'{"detail": "secret"}', "application/json"), (b'{"detail": "secret"}', MEDIA_TYPE)],
)
def test_of_an_answer_that_is_no_problem_only_the_status_is_shown(content, media_type):
    refusal = read_refusal(answer(content, media_type), KEY)

    assert (refusal.reason, refusal.fields, refusal.is_problem) == ("422: Unprocessable Entity", [], False)
