"""Asks for known vulnerabilities of every package that a lock of requirements/ names, whatever machine it is for.

Exits with 1 where there is one that requirements/accepted.yaml does not accept, with 2 where packages could not be audited.
"""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field
from pydantic.dataclasses import dataclass

from pipeline.config.parsing import parse_settings
from pipeline.config.settings import CLOSED
from pipeline.support.errors import ParamsInvalid

LOCKS = Path("requirements")
ACCEPTED = LOCKS / "accepted.yaml"
CLEAN, VULNERABLE, UNKNOWN = 0, 1, 2
PIN = re.compile(r"^[a-z0-9-]+==[^ ;\\]+", re.MULTILINE)
Flaw = tuple[Mapping[str, Any], Mapping[str, Any]]  # a package and one of its vulnerabilities, as pip-audit reports them
SHOWN = 3  # packages that could not be audited, named before the rest is counted


@dataclass(frozen=True, config=CLOSED)
class Accepted:
    """A vulnerability that somebody looked at and can live with, until a day."""

    id: str
    package: str
    reason: Annotated[str, Field(min_length=10)]
    until: Annotated[date, Field(strict=False)]


def pins(locks: Iterable[str]) -> list[str]:
    """Each ``name==version`` in the texts of locks, also of those for another system or Python."""
    return sorted({pin for text in locks for pin in PIN.findall(text)})


def accepted(text: str) -> list[Accepted]:
    """The entries of requirements/accepted.yaml. Raises ParamsInvalid, which names every faulty key."""
    return parse_settings(list[Accepted], yaml.safe_load(text) or [], file=str(ACCEPTED))


def verdict(report: Mapping[str, Any], exceptions: list[Accepted], today: date) -> tuple[int, list[str]]:
    """The exit status and the lines to print for what pip-audit reports as JSON."""
    packages = report["dependencies"]
    skipped = [package for package in packages if "skip_reason" in package]
    flaws = [(package, flaw) for package in packages for flaw in package.get("vulns", [])]
    unaccepted = [(package, flaw) for package, flaw in flaws if not _accepts(exceptions, package, flaw, today)]
    lines = [*_vulnerable(unaccepted), *_stale(exceptions, flaws, today), *_unknown(skipped, len(packages))]
    if unaccepted:
        return VULNERABLE, lines
    if skipped or not packages:
        return UNKNOWN, lines or ["No package was audited: pip-audit reported none."]
    return CLEAN, [*lines, f"None of {len(packages)} packages has a known vulnerability that is not accepted."]


def _accepts(exceptions: list[Accepted], package: Mapping[str, Any], flaw: Mapping[str, Any], today: date) -> bool:
    return any(_is(entry, package, flaw) and today <= entry.until for entry in exceptions)


def _is(entry: Accepted, package: Mapping[str, Any], flaw: Mapping[str, Any]) -> bool:
    return entry.package == package["name"] and entry.id in (flaw["id"], *flaw.get("aliases", []))


def _vulnerable(flaws: list[Flaw]) -> Iterator[str]:
    for package, flaw in flaws:
        fixed = ", ".join(flaw["fix_versions"])
        mend = f"it is fixed in {fixed}: type `make lock UPGRADE=1`" if fixed else "no release fixes it yet"
        aliases = f" ({', '.join(flaw['aliases'])})" if flaw.get("aliases") else ""
        yield f"{package['name']} {package['version']} has {flaw['id']}{aliases}; {mend}, or accept it in {ACCEPTED}."


def _stale(exceptions: list[Accepted], flaws: list[Flaw], today: date) -> Iterator[str]:
    for entry in exceptions:
        if not any(_is(entry, package, flaw) for package, flaw in flaws):
            yield f"{entry.id} was not found in {entry.package}: remove it from {ACCEPTED}."
        elif today > entry.until:
            yield f"{entry.id} of {entry.package} was accepted until {entry.until} ({entry.reason}): look again."


def _unknown(skipped: list[Mapping[str, Any]], packages: int) -> Iterator[str]:
    if skipped:
        names = ", ".join(package["name"] for package in skipped[:SHOWN])
        more = f" and {len(skipped) - SHOWN} more" if len(skipped) > SHOWN else ""
        reason = skipped[0]["skip_reason"].partition(":")[0]
        yield (
            f"Nothing is known of {len(skipped)} of {packages} packages ({names}{more}): {reason}. "
            "Audit where PyPI's vulnerability service answers."
        )


def audited(requirements: list[str], command: tuple[str, ...] = ("pip-audit",)) -> dict[str, Any] | str:
    """What pip-audit reports of the packages; the last line that it wrote where it could not."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(requirements))
        file.flush()
        options = ("--requirement", file.name, "--no-deps", "--disable-pip", "--format=json", "--progress-spinner=off")
        done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    try:
        report: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        return (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
    return report


def main() -> int:
    try:
        exceptions = accepted(ACCEPTED.read_text(encoding="utf-8"))
    except ParamsInvalid as error:
        print(f"error: {error}")
        return UNKNOWN
    requirements = pins(path.read_text(encoding="utf-8") for path in LOCKS.glob("*.txt"))
    report = audited(requirements)
    if isinstance(report, str):
        print(
            f"error: The {len(requirements)} packages of the locks could not be audited: {report}. Try again with a network."
        )
        return UNKNOWN
    status, lines = verdict(report, exceptions, datetime.now(UTC).date())
    print("\n".join(lines))
    return status


if __name__ == "__main__":
    sys.exit(main())
