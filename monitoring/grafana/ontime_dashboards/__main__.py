"""Writes the dashboards as JSON, or checks that the JSON is what their source gives.

python -m ontime_dashboards            writes monitoring/grafana/dashboards
python -m ontime_dashboards --check    names the files that differ, and changes nothing
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from ontime_dashboards import board_dashboard, model_dashboard, reference, services_dashboard, system_dashboard
from ontime_dashboards.dashboard_builder import to_json

FOLDER = Path(__file__).parents[1] / "dashboards"
INTERVALS = Path("data/report/intervals.json")


def files(intervals: Path = INTERVALS) -> dict[str, str]:
    """The text of each file, by its name."""
    return {
        "system.json": to_json(system_dashboard.board()),
        "services.json": to_json(services_dashboard.board()),
        "board.json": to_json(board_dashboard.board()),
        "model.json": to_json(model_dashboard.board(reference.read(intervals))),
    }


def write(texts: Mapping[str, str], folder: Path) -> None:
    """Writes the files, and removes others: Grafana would show them."""
    folder.mkdir(exist_ok=True)
    for path in folder.glob("*.json"):
        path.unlink()
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")


def differing(texts: Mapping[str, str], folder: Path) -> list[str]:
    """The names of files that are missing, of another text, or not among the texts."""
    present = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.json")}
    return sorted(name for name in {*present, *texts} if present.get(name) != texts.get(name))


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 1 where ``--check`` finds a difference."""
    parser = argparse.ArgumentParser(prog="python -m ontime_dashboards", description="Write Grafana's dashboards as JSON.")
    parser.add_argument("--check", action="store_true", help="only say whether the JSON is what the source gives")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the JSON is (monitoring/grafana/dashboards)")
    options = parser.parse_args(arguments)
    if not options.check:
        write(files(), options.folder)
        return 0
    names = differing(files(), options.folder)
    for name in names:
        print(
            f"error: {options.folder / name} is not what monitoring/grafana/ontime_dashboards and {INTERVALS} give. "
            "Type `make dashboards`.",
            file=sys.stderr,
        )
    return int(bool(names))


if __name__ == "__main__":
    sys.exit(main())
