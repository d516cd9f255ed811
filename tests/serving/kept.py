"""What an outbox keeps on disk."""

from pathlib import Path

from prediction_api.outbox.packed_batch import unpack_all

CHECKSUM = len("01234567 ")


def kept_lines(folder: Path) -> list[bytes]:
    """The line of each prediction in an outbox, in its order, as it will be delivered."""
    lines = [line for path in sorted(folder.glob("*.log")) for line in path.read_bytes().split(b"\n")[:-1]]
    return unpack_all([line[CHECKSUM:] for line in lines])
