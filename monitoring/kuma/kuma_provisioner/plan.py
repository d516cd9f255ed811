"""The steps that lead from what Uptime Kuma holds to what is declared."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from kuma_provisioner.config_models import StatusPage
from kuma_provisioner.desired import DesiredState, Fields
from kuma_provisioner.errors import DuplicateName

SECRET_FIELDS = {"pushToken"}
NO_FIELDS: Fields = MappingProxyType({})


class CurrentState(NamedTuple):
    """All monitors of Uptime Kuma, and the page of the declared slug with its groups, as Uptime Kuma sends them."""

    monitors: Sequence[Fields]
    page: Fields | None = None
    groups: Sequence[Fields] = ()


class Step(NamedTuple):
    """One change, to a monitor or to the status page. An edited monitor keeps its history, a removed one loses it."""

    action: Literal["add", "edit", "remove"]
    subject: str
    changes: str = ""  # what an edit changes, for people: no secret is in it
    fields: Fields = NO_FIELDS  # of a monitor, as declared
    current: Fields = NO_FIELDS  # a monitor as Uptime Kuma holds it
    page: StatusPage | None = None


class Plan(NamedTuple):
    """The steps to take, and what stays as it is."""

    steps: tuple[Step, ...]
    undeclared: tuple[str, ...]  # monitors that no file declares, and that stay
    unchanged: int
    ids: Mapping[str, int]  # of the declared monitors that Uptime Kuma already holds

    def count(self, action: str) -> int:
        """How many steps are of one action."""
        return sum(step.action == action for step in self.steps)


def plan(desired: DesiredState, current: CurrentState, prune: bool) -> Plan:
    """The steps; raises DuplicateName if Uptime Kuma holds several monitors of a declared name."""
    names = {fields["name"] for fields in desired.monitors}
    undeclared = [monitor for monitor in current.monitors if monitor["name"] not in names]
    existing = _by_name([monitor for monitor in current.monitors if monitor["name"] in names])
    steps = [*_monitor_steps(desired.monitors, existing)]
    if prune:
        steps += [Step("remove", monitor["name"], current=monitor) for monitor in undeclared]
    steps += _page_steps(desired.page, current)
    edited_or_added = sum(step.action != "remove" for step in steps)
    return Plan(
        steps=tuple(steps),
        undeclared=() if prune else tuple(monitor["name"] for monitor in undeclared),
        unchanged=len(desired.monitors) + (desired.page is not None) - edited_or_added,
        ids={name: monitor["id"] for name, monitor in existing.items()},
    )


def _by_name(monitors: Sequence[Fields]) -> dict[str, Fields]:
    duplicates = [repr(name) for name, count in Counter(monitor["name"] for monitor in monitors).items() if count > 1]
    if duplicates:
        raise DuplicateName(
            f"Uptime Kuma should hold one monitor of each declared name; it holds several of {', '.join(duplicates)}. "
            "Rename or delete all but one in its pages: their histories differ."
        )
    return {monitor["name"]: monitor for monitor in monitors}


def _monitor_steps(monitors: Sequence[Fields], existing: Mapping[str, Fields]) -> Iterator[Step]:
    for fields in monitors:
        name = fields["name"]
        if name not in existing:
            yield Step("add", name, fields=fields)
        elif changed := _changed_keys(fields, existing[name]):
            changes = ", ".join(_describe(key, existing[name].get(key), fields[key]) for key in changed)
            yield Step("edit", name, changes, fields, existing[name])


def _page_steps(page: StatusPage | None, current: CurrentState) -> Iterator[Step]:
    if page is None:
        return
    subject = f"the status page {page.slug}"
    if current.page is None:
        yield Step("add", subject, page=page)
        return
    changed = _changed_keys({"title": page.title, "description": page.description}, current.page)
    groups = [(group["name"], tuple(monitor["name"] for monitor in group["monitorList"])) for group in current.groups]
    if groups != list(page.groups.items()):
        changed.append("groups")
    if changed:
        yield Step("edit", subject, ", ".join(changed), page=page)


def _changed_keys(fields: Fields, current: Fields) -> list[str]:
    """The keys whose value differs; null and an empty text count as equal."""
    return [key for key, value in fields.items() if (current.get(key) or "") != (value or "")]


def _describe(key: str, old: Any, new: Any) -> str:
    return key if key in SECRET_FIELDS else f"{key} {old!r} -> {new!r}"
