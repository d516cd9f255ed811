"""`make audit` says which package has which vulnerability, and never takes silence for health."""

import json
from datetime import date
from pathlib import Path

import pytest

import audit
from audit import CLEAN, UNKNOWN, VULNERABLE, Accepted
from pipeline.support.errors import ParamsInvalid

TODAY = date(2026, 11, 24)
SKIPPED = {"name": "b", "skip_reason": "Dependency not found on PyPI and could not be audited: b (2.0)"}
FLAW = {"id": "PYSEC-2026-1", "fix_versions": ["1.1"], "aliases": ["GHSA-aaaa-bbbb-cccc"], "description": "It is open."}
KNOWN = Accepted("GHSA-aaaa-bbbb-cccc", "a", "Nobody sends us one.", date(2026, 12, 31))


def report(*packages):
    return {"dependencies": list(packages), "fixes": []}


def package(*flaws, name="a"):
    return {"name": name, "version": "1.0", "vulns": list(flaws)}


def verdict(*packages, known=()):
    return audit.verdict(report(*packages), list(known), TODAY)


def test_packages_without_a_flaw_are_said_to_have_none():
    assert verdict(package(), package(name="b")) == (
        CLEAN,
        ["None of 2 packages has a known vulnerability that is not accepted."],
    )


def test_a_flaw_is_named_with_its_package_and_the_release_that_mends_it():
    status, lines = verdict(package(FLAW), package(name="b"))

    assert status == VULNERABLE
    assert "\n".join(lines) == (
        "a 1.0 has PYSEC-2026-1 (GHSA-aaaa-bbbb-cccc); it is fixed in 1.1: type `make lock UPGRADE=1`, or accept it in "
        "requirements/accepted.yaml."
    )


def test_a_flaw_that_no_release_mends_is_said_to_be_one():
    _, lines = verdict(package({**FLAW, "fix_versions": [], "aliases": []}))

    assert lines == ["a 1.0 has PYSEC-2026-1; no release fixes it yet, or accept it in requirements/accepted.yaml."]


def test_a_package_that_nothing_is_known_of_is_no_clean_one():
    status, lines = verdict(package(), SKIPPED)

    assert status == UNKNOWN
    assert "\n".join(lines) == (
        "Nothing is known of 1 of 2 packages (b): Dependency not found on PyPI and could not be audited. "
        "Audit where PyPI's vulnerability service answers."
    )


def test_many_packages_that_nothing_is_known_of_are_counted():
    _, lines = verdict(*[{**SKIPPED, "name": f"p{number}"} for number in range(9)])

    assert "9 of 9 packages (p0, p1, p2 and 6 more)" in lines[0]


def test_a_flaw_counts_beside_packages_that_nothing_is_known_of():
    assert verdict(package(FLAW), SKIPPED)[0] == VULNERABLE


def test_no_package_at_all_is_no_clean_result():
    assert verdict()[0] == UNKNOWN


def test_a_flaw_that_is_accepted_by_any_of_its_names_is_no_failure():
    assert verdict(package(FLAW), known=[KNOWN])[0] == CLEAN


def test_a_flaw_is_accepted_in_its_package_alone():
    assert verdict(package(FLAW, name="other"), known=[KNOWN])[0] == VULNERABLE


def test_a_flaw_that_was_accepted_until_yesterday_fails_and_says_so():
    status, lines = verdict(package(FLAW), known=[Accepted(KNOWN.id, "a", KNOWN.reason, date(2026, 11, 23))])

    assert status == VULNERABLE
    assert lines[1] == "GHSA-aaaa-bbbb-cccc of a was accepted until 2026-11-23 (Nobody sends us one.): look again."


def test_what_is_accepted_and_gone_is_to_be_removed():
    status, lines = verdict(package(), known=[KNOWN])

    assert status == CLEAN
    assert lines[0] == "GHSA-aaaa-bbbb-cccc was not found in a: remove it from requirements/accepted.yaml."


def test_what_is_accepted_has_a_reason_and_a_day():
    text = "- {id: X-1, package: a, reason: Nobody sends us one., until: 2026-12-31}"

    assert audit.accepted(text) == [Accepted("X-1", "a", "Nobody sends us one.", date(2026, 12, 31))]
    for faulty in (
        text.replace(", until: 2026-12-31", ""),
        text.replace("Nobody sends us one.", ""),
        text.replace("id", "di"),
    ):
        with pytest.raises(ParamsInvalid, match=r"requirements/accepted\.yaml"):
            audit.accepted(faulty)


def test_what_is_accepted_here_can_be_read():
    audit.accepted(audit.ACCEPTED.read_text())


def test_every_lock_is_read_and_a_package_for_another_system_too():
    lock = "a==1.0 \\\n    --hash=sha256:00\nb==2.0 ; sys_platform == 'win32' \\\n    --hash=sha256:11\n"

    assert audit.pins([lock, lock.replace("a==1.0", "a==1.1")]) == ["a==1.0", "a==1.1", "b==2.0"]


@pytest.mark.parametrize("lock", sorted(Path("requirements").glob("*.txt")), ids=str)
def test_no_line_of_a_lock_is_missed(lock):
    text = lock.read_text()

    assert len(audit.pins([text])) == len([line for line in text.splitlines() if not line.startswith(" ")])


def asked(script):
    """What comes of another pip-audit, which is this line of a shell."""
    return audit.audited(["a==1.0"], ("bash", "-c", script, "pip-audit"))


def test_pip_audit_is_asked_for_the_packages_without_installing_any():
    seen = asked(r"""printf '{"options": "%s", "packages": "%s"}' "${*#/tmp*}" "$(cat "$2")" """)

    assert seen["packages"] == "a==1.0"
    assert {"--no-deps", "--disable-pip", "--format=json"} <= set(seen["options"].split())


def test_a_report_is_read_although_pip_audit_fails_because_of_it():
    found = report(package(FLAW))

    assert asked(f"echo '{json.dumps(found)}'; exit 1") == found


def test_the_reason_why_nothing_was_audited_is_handed_on():
    assert asked("echo first >&2; echo 'Could not connect' >&2; exit 1") == "Could not connect"


def test_silence_is_no_report():
    assert asked("exit 0") == "it said nothing"
