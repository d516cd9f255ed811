"""What a body is: JSON, and a form where someone logs in."""

from fastapi import Request

from service_kit.media_type import JSON, media_type
from service_kit.request_middleware import WITH_BODY, route_path

FORM = "/token"
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


async def wants_json(request: Request) -> None:
    """Raises ProblemError (415) for a body that says it is anything else."""
    if request.method in WITH_BODY:
        media_type(request, *(FORMS if route_path(request.scope) == FORM else (JSON,)))
