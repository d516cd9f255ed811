"""Categories that are numbers or truth values: 1 and 1.0, or true and True, are one category, however a file writes them."""

import re
from collections.abc import Callable, Iterable

MOST_CHARACTERS = 500  # of a category
TRUTH = ("true", "false")
WHOLE = re.compile(r"(-?(?:0|[1-9]\d*))(?:\.0+)?")


def plain_text(value: object) -> str:
    """A value as text: whole numbers without a fraction, true and false in small letters, other text as it is."""
    text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    if whole := WHOLE.fullmatch(text):
        return whole[1]
    return text.lower() if text.lower() in TRUTH else text


def speller(categories: Iterable[str]) -> Callable[[object], object] | None:
    """A function that writes a value as the column does; None where no category is a whole number, true or false.

    What is text and a category stays, and so does what is neither text nor whole number nor truth value.
    """
    own = set(categories)
    by_text = {plain_text(category): category for category in sorted(own, reverse=True)}
    if not any(text in TRUTH or WHOLE.fullmatch(text) for text in by_text):
        return None

    def spell(value: object) -> object:
        if not isinstance(value, str | int | float) or value in own or (isinstance(value, float) and value % 1):
            return value
        text = plain_text(value)
        return by_text.get(text, value if isinstance(value, str) else text)

    return spell
