"""Writes the dashboards as JSON, or checks that the JSON is what their source gives.

python -m ontime_dashboards            writes monitoring/grafana/dashboards
python -m ontime_dashboards --check    names the files that differ, and changes nothing
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from ontime_dashboards import dashboard_builder, model_dashboard, reference, services_dashboard, system_dashboard

FOLDER = Path(__file__).parents[1] / "dashboards"
METRICS = Path("data/report/metrics.json")


def files(metrics: Path = METRICS) -> dict[str, str]:
    """The text of each file, by its name."""
    built = {
        "system": system_dashboard.board(),
        "services": services_dashboard.board(),
        "model": model_dashboard.board(reference.read(metrics)),
    }
    return {f"{name}.json": dashboard_builder.text(one) for name, one in built.items()}


def write(wanted: Mapping[str, str], folder: Path) -> None:
    """Writes the files, and removes others: Grafana would show them."""
    folder.mkdir(exist_ok=True)
    for path in folder.glob("*.json"):
        if path.name not in wanted:
            path.unlink()
    for name, text in wanted.items():
        (folder / name).write_text(text, encoding="utf-8")


def differing(wanted: Mapping[str, str], folder: Path) -> list[str]:
    """The names of files that are missing, of another text, or not wanted."""
    found = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.json")}
    return sorted(name for name in {*found, *wanted} if found.get(name) != wanted.get(name))


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 1 where ``--check`` finds a difference."""
    parser = argparse.ArgumentParser(prog="python -m ontime_dashboards", description="Write Grafana's dashboards as JSON.")
    parser.add_argument("--check", action="store_true", help="only say whether the JSON is what the source gives")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the JSON is (monitoring/grafana/dashboards)")
    given = parser.parse_args(arguments)
    wanted = files()
    if not given.check:
        write(wanted, given.folder)
        return 0
    differ = differing(wanted, given.folder)
    for name in differ:
        print(
            f"error: {given.folder / name} is not what monitoring/grafana/ontime_dashboards and {METRICS} give. "
            "Type `make dashboards`.",
            file=sys.stderr,
        )
    return int(bool(differ))


if __name__ == "__main__":
    sys.exit(main())
