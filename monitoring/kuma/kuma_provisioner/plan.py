"""The steps from what Uptime Kuma holds to what was declared."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from kuma_provisioner.config_models import StatusPage
from kuma_provisioner.desired import DesiredState, Fields
from kuma_provisioner.errors import DuplicateName

SECRET = {"pushToken"}


class CurrentState(NamedTuple):
    """What Uptime Kuma holds, as it says it: all monitors, and the page of the declared slug with its groups."""

    monitors: Sequence[Mapping[str, Any]]
    page: Mapping[str, Any] | None = None
    groups: Sequence[Mapping[str, Any]] = ()


class Edit(NamedTuple):
    """A monitor that stays, with its history, and the fields that change; ``said`` is for people and shows no secret."""

    monitor: Mapping[str, Any]
    fields: Fields
    said: str


class PageStep(NamedTuple):
    """The status page is made where it is not there, and saved."""

    page: StatusPage
    made: bool
    said: str


class Plan(NamedTuple):
    """What is to do, and what is not."""

    add: tuple[Fields, ...]
    edit: tuple[Edit, ...]
    remove: tuple[Mapping[str, Any], ...]
    page: PageStep | None
    left: tuple[str, ...]  # monitors that nobody declared, which stay
    unchanged: int
    ids: Mapping[str, int]  # of the declared monitors that are there

    @property
    def changes(self) -> int:
        """How many steps there are."""
        return len(self.add) + len(self.edit) + len(self.remove) + (self.page is not None)


def plan(wanted: DesiredState, present: CurrentState, prune: bool) -> Plan:
    """The steps; raises DuplicateName where a declared name belongs to more than one monitor in Uptime Kuma."""
    held = _by_name(wanted, present)
    edits = tuple(_edits(wanted, held))
    page = _page_step(wanted.page, present)
    strange = [one for one in present.monitors if one["name"] not in {fields["name"] for fields in wanted.monitors}]
    return Plan(
        add=tuple(fields for fields in wanted.monitors if fields["name"] not in held),
        edit=edits,
        remove=tuple(strange) if prune else (),
        page=page,
        left=() if prune else tuple(one["name"] for one in strange),
        unchanged=len(held) - len(edits) + (wanted.page is not None and page is None),
        ids={name: one["id"] for name, one in held.items()},
    )


def _by_name(wanted: DesiredState, present: CurrentState) -> dict[str, Mapping[str, Any]]:
    """The monitors of declared names."""
    names = {fields["name"] for fields in wanted.monitors}
    twice = [name for name, many in Counter(one["name"] for one in present.monitors).items() if many > 1 and name in names]
    if twice:
        raise DuplicateName(
            f"Uptime Kuma should hold one monitor of each declared name; it holds several of {', '.join(map(repr, twice))}. "
            "Rename or delete all but one in its pages: their histories differ."
        )
    return {one["name"]: one for one in present.monitors if one["name"] in names}


def _edits(wanted: DesiredState, held: Mapping[str, Mapping[str, Any]]) -> Iterator[Edit]:
    for fields in wanted.monitors:
        monitor = held.get(fields["name"])
        if monitor is not None and (changed := _differing(fields, monitor)):
            yield Edit(monitor, fields, ", ".join(_shown(key, monitor.get(key), fields[key]) for key in changed))


def _differing(fields: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """The keys of which Uptime Kuma holds another value; nothing and an empty text are the same."""
    return [key for key, value in fields.items() if (found.get(key) or "") != (value or "")]


def _shown(key: str, old: Any, new: Any) -> str:
    return key if key in SECRET else f"{key} {old!r} -> {new!r}"


def _page_step(page: StatusPage | None, present: CurrentState) -> PageStep | None:
    if page is None:
        return None
    if present.page is None:
        return PageStep(page, made=True, said="")
    changed = _differing({"title": page.title, "description": page.description}, present.page)
    groups = [(group["name"], tuple(one["name"] for one in group["monitorList"])) for group in present.groups]
    if groups != list(page.groups.items()):
        changed.append("groups")
    return PageStep(page, made=False, said=", ".join(changed)) if changed else None
