"""A line of the log on disk: a checksum, a space, the content, a line break.

A content is a prediction, or starts with PACKED and holds a batch of them: their number, a space, and bytes of which line
breaks are escaped.
"""

import zlib

CHECKSUM_CHARACTERS = 9  # eight hexadecimal digits and a space
PACKED = b"#"
LINE_BREAK, ESCAPE = b"\n", b"\x1b"
MOST_DIGITS = 7  # with PACKED and the space
ESCAPED = {ESCAPE: ESCAPE + b"e", LINE_BREAK: ESCAPE + b"n"}  # in this order


def with_checksum(content: bytes) -> bytes:
    """The line of a content."""
    return b"%08x %b\n" % (zlib.crc32(content), content)


def is_intact(line: bytes) -> bool:
    """Whether a line is as it was written."""
    return line[: CHECKSUM_CHARACTERS - 1] == b"%08x" % zlib.crc32(line[CHECKSUM_CHARACTERS:-1])


def content_of(line: bytes) -> bytes:
    """The content of a line."""
    return line[CHECKSUM_CHARACTERS:-1]


def packed_line(count: int, content: bytes) -> bytes:
    """The content of a line that holds so many predictions."""
    for byte, escaped in ESCAPED.items():
        content = content.replace(byte, escaped)
    return b"%b%d %b" % (PACKED, count, content)


def packed_content(packed: bytes) -> bytes:
    """What was packed."""
    content = packed[packed.index(b" ") + 1 :]
    for byte, escaped in reversed(ESCAPED.items()):
        content = content.replace(escaped, byte)
    return content


def is_packed(content: bytes) -> bool:
    """Whether a content holds a batch of predictions."""
    return content.startswith(PACKED)


def prediction_count(content: bytes) -> int:
    """How many predictions a content holds; 1 also where it is damaged."""
    if not is_packed(content):
        return 1
    digits, space, _ = content[len(PACKED) : MOST_DIGITS].partition(b" ")
    return max(1, int(digits)) if space and digits.isdigit() else 1
