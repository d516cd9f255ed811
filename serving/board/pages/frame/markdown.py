"""The Markdown of a line, as people write it into the model card: links, emphasis and code; the rest is text."""

import re

from markupsafe import Markup, escape

LINK = re.compile(r"\[([^\]]+)\]\((https?://[^\s()]+)\)")
CODE = re.compile(r"`([^`]+)`")
STRONG, EMPHASIS = re.compile(r"\*\*(?!\s)([^*]+)(?<!\s)\*\*"), re.compile(r"\*(?!\s)([^*]+)(?<!\s)\*")


def inline(text: str) -> Markup:
    """The text as HTML. Markup in it is escaped, and links lead nowhere but to the web."""
    html = str(escape(" ".join(text.split())))
    html = LINK.sub(r'<a href="\2" rel="noreferrer">\1</a>', html)
    html = EMPHASIS.sub(r"<em>\1</em>", STRONG.sub(r"<strong>\1</strong>", CODE.sub(r"<code>\1</code>", html)))
    return Markup(html)  # noqa: S704 - escaped above
