"""Carries out a plan and reports each step."""

from collections.abc import Callable, Mapping

from kuma_provisioner.config_models import StatusPage
from kuma_provisioner.plan import Plan, Step
from kuma_provisioner.protocol import Kuma

PAST_TENSE = {"add": "added", "edit": "edited", "remove": "removed"}


def apply(plan: Plan, kuma: Kuma, report: Callable[[str], None], dry_run: bool = False) -> None:
    """Takes the steps in order, or only reports them; if a run is interrupted, the next one takes the remaining steps."""
    ids = dict(plan.ids)
    for step in plan.steps:
        if not dry_run:
            _take(step, kuma, ids)
        verb = f"would {step.action}" if dry_run else PAST_TENSE[step.action]
        report(f"{verb} {step.subject}" + (f": {step.changes}" if step.changes else ""))


def _take(step: Step, kuma: Kuma, ids: dict[str, int]) -> None:
    if step.page:
        _save_page(step.page, step.action == "add", kuma, ids)
    elif step.action == "add":
        ids[step.subject] = kuma.add(step.fields)
    elif step.action == "edit":
        kuma.edit(step.current, step.fields)
    else:
        kuma.remove(step.current)


def _save_page(page: StatusPage, is_new: bool, kuma: Kuma, ids: Mapping[str, int]) -> None:
    if is_new:
        kuma.add_page(page.title, page.slug)
    groups = {group: [ids[monitor] for monitor in monitors] for group, monitors in page.groups.items()}
    kuma.save_page(page.slug, {"title": page.title, "description": page.description}, groups)
