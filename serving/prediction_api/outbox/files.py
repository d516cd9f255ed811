"""Files that survive a crash: written as a whole or not at all."""

import os
from pathlib import Path


def replace(path: Path, content: bytes, temporary: Path, full_sync: bool) -> None:
    """Gives a file new content in one step; with ``full_sync``, content and name are on the disk afterwards."""
    with temporary.open("wb") as file:
        file.write(content)
        if full_sync:
            file.flush()
            os.fsync(file.fileno())
    temporary.replace(path)
    if full_sync:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Puts the names in a folder on the disk: a new file survives a loss of power only then."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
