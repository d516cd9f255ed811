"""What a body is: JSON, as it is, and a form where someone logs in."""

from fastapi import Request

from service_kit.problems import CLOSE, ProblemError

WITH_BODY, FORM = frozenset(("POST", "PUT", "PATCH")), "/token"
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


async def wants_json(request: Request) -> None:
    """Raises ProblemError (415) for a body that says it is anything else."""
    if request.method not in WITH_BODY:
        return
    content_type = request.headers.get("content-type", "")
    if request.url.path == FORM:
        if content_type.partition(";")[0].strip().lower() not in FORMS:
            detail = f"The body should be a form with username and password ({FORMS[0]}); Content-Type is {content_type!r}."
            raise ProblemError(415, detail, headers=CLOSE)
        return
    plain = request.headers.get("content-encoding", "identity") == "identity"
    if content_type.partition(";")[0].strip().lower() != "application/json" or not plain:
        raise ProblemError(
            415, f"The body should be application/json, uncompressed; Content-Type is {content_type!r}.", headers=CLOSE
        )
