"""What a body is: a media type that its route takes, in UTF-8, and not encoded."""

from email.message import Message

from starlette.requests import Request

from service_kit.problems import CLOSE, ProblemError

JSON = "application/json"
UTF8 = ("utf-8", "utf8", "us-ascii")


def media_type(request: Request, *accepted: str, default: str = "") -> str:
    """The media type of the body; raises ProblemError (415) where it is none of ``accepted``.

    Other parameters than the charset change nothing of what a body means, and are ignored.
    """
    given = default
    for name, value in request.scope["headers"]:
        if name == b"content-type":
            given = value.decode("latin-1")
        elif name == b"content-encoding" and value != b"identity":
            encoding = value.decode("latin-1")
            raise ProblemError(415, f"The body should not be encoded; it is encoded as {encoding}.", headers=CLOSE)
    if given in accepted:  # without parameters, as most are
        return given
    message = Message()
    message["content-type"] = given
    kind = message.get_content_type()
    if kind not in accepted or message.get_content_charset("utf-8") not in UTF8:
        expected = " or ".join(accepted)
        raise ProblemError(415, f"The body should be {expected} in UTF-8; Content-Type is {given!r}.", headers=CLOSE)
    return kind
