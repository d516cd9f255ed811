"""What an outbox keeps on disk."""

import json
from pathlib import Path

from prediction_api.outbox.packed_batch import unpack_all

CHECKSUM = len("01234567 ")
OWN = ("prediction_id", "time")  # what no two predictions share


def kept_lines(folder: Path) -> list[bytes]:
    """The line of each prediction in an outbox, in its order, as it will be delivered."""
    lines = [line for path in sorted(folder.glob("*.log")) for line in path.read_bytes().split(b"\n")[:-1]]
    return unpack_all([line[CHECKSUM:] for line in lines])


def without_own(line: bytes) -> bytes:
    """The line of a prediction without its id and time, which no two predictions share."""
    content = json.loads(line)
    for name in OWN:
        line = line.replace(content[name].encode(), b"")
    return line
