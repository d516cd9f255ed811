"""Says what `make test` leaves to `make test-long`: one line for each group of tests that is marked as long."""

import re
from pathlib import Path

MARK = re.compile(r'mark\.long\(\s*"([^"]+)"')


def groups(folder: Path) -> list[str]:
    """What the marks `long` in the files of a folder say, each once."""
    return sorted({what for path in folder.rglob("*.py") for what in MARK.findall(path.read_text(encoding="utf-8"))})


if __name__ == "__main__":
    for group in groups(Path("tests")):
        print(f"  {group}")
