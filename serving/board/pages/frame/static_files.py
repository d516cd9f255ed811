"""Files that pages refer to: style sheet and script, under addresses that change with their content."""

import hashlib
import mimetypes
from functools import cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from service_kit.problems import ProblemError

FOLDER = Path(__file__).parents[1] / "static"
FOR_EVER, ASK_AGAIN = "public, max-age=31536000, immutable", "no-cache"
DIGITS = 16  # of the digest in addresses


@cache
def contents() -> dict[str, tuple[bytes, str]]:
    """The content of each file by its name, with its digest."""
    files = {path.name: path.read_bytes() for path in FOLDER.iterdir() if path.is_file()}
    return {name: (content, hashlib.sha256(content).hexdigest()[:DIGITS]) for name, content in files.items()}


def address(name: str) -> str:
    """The address of a file, with the digest of its content."""
    return f"/static/{name}?v={contents()[name][1]}"


async def static_file(request: Request, name: str, v: str = "") -> Response:
    """A file; browsers keep it for ever under the address with its digest. Raises ProblemError (404)."""
    if name not in contents():
        raise ProblemError(404, "There is no such file.")
    content, digest = contents()[name]
    headers = {"etag": f'"{digest}"', "cache-control": FOR_EVER if v == digest else ASK_AGAIN}
    if request.headers.get("if-none-match") == headers["etag"]:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=mimetypes.guess_type(name)[0], headers=headers)
