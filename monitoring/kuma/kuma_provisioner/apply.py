"""Carries out a plan, telling each step once it is done."""

from collections.abc import Callable, Mapping

from kuma_provisioner.plan import PageStep, Plan
from kuma_provisioner.protocol import Kuma


def apply(plan: Plan, kuma: Kuma, tell: Callable[[str], None]) -> None:
    """Takes the steps one by one: a run that ends between two of them is finished by the next run."""
    ids = dict(plan.ids)
    for fields in plan.add:
        ids[fields["name"]] = kuma.add(fields)
        tell(f"added {fields['name']}")
    for monitor, fields, said in plan.edit:
        kuma.edit(monitor, fields)
        tell(f"edited {fields['name']}: {said}")
    for monitor in plan.remove:
        kuma.remove(monitor)
        tell(f"removed {monitor['name']}")
    if plan.page:
        _page(plan.page, kuma, ids)
        tell(_told(plan.page))


def outlook(plan: Plan, tell: Callable[[str], None]) -> None:
    """Tells the steps that ``apply`` would take."""
    for fields in plan.add:
        tell(f"would add {fields['name']}")
    for _, fields, said in plan.edit:
        tell(f"would edit {fields['name']}: {said}")
    for monitor in plan.remove:
        tell(f"would remove {monitor['name']}")
    if plan.page:
        tell(f"would have {_told(plan.page)}")


def _page(step: PageStep, kuma: Kuma, ids: Mapping[str, int]) -> None:
    page = step.page
    groups = {name: [ids[one] for one in monitors] for name, monitors in page.groups.items()}
    if step.made:
        kuma.add_page(page.title, page.slug)
    kuma.save_page(page.slug, {"title": page.title, "description": page.description}, groups)


def _told(step: PageStep) -> str:
    return (
        f"added the status page {step.page.slug}" if step.made else f"edited the status page {step.page.slug}: {step.said}"
    )
