"""Which steps lead from what Uptime Kuma holds to what is declared."""

import pytest

from kuma_provisioner.config_models import DeclaredConfig, StatusPage
from kuma_provisioner.desired import DesiredState, desired_state
from kuma_provisioner.errors import DuplicateName
from kuma_provisioner.plan import CurrentState, plan

PAGE = StatusPage(slug="things", title="Things", groups={"One": ("web",), "Two": ("base",)})
WEB = {"name": "web", "type": "http", "interval": 60, "description": ""}
BASE = {"name": "base", "type": "port", "interval": 60, "description": "a base"}
HELD = CurrentState(
    [
        {**WEB, "id": 7, "description": None, "parent": None},
        {**BASE, "id": 8, "notificationIDList": {"1": True}},
    ],
    {"title": "Things", "description": None},
    [
        {"id": 1, "name": "One", "monitorList": [{"name": "web"}]},
        {"id": 2, "name": "Two", "monitorList": [{"name": "base"}]},
    ],
)


def steps(monitors=(WEB, BASE), page=PAGE, present=HELD, prune=False):
    return plan(DesiredState(monitors, page), present, prune)


def test_what_is_there_as_declared_needs_no_step():
    found = steps()

    assert found.changes == 0
    assert found.unchanged == 3
    assert found.ids == {"web": 7, "base": 8}


def test_nothing_there_is_everything_added():
    found = steps(present=CurrentState([]))

    assert found.add == (WEB, BASE)
    assert found.page.made
    assert (found.changes, found.unchanged) == (3, 0)


def test_an_edit_keeps_the_monitor_and_names_what_changes():
    found = steps(monitors=(WEB | {"interval": 30}, BASE))

    (edit,) = found.edit
    assert edit.monitor["id"] == 7
    assert edit.said == "interval 60 -> 30"
    assert (found.changes, found.unchanged) == (1, 2)


def test_a_changed_token_is_not_shown():
    token = {"pushToken": "the-old-one"}
    found = steps(
        monitors=(WEB | {"pushToken": "the-new-one"},), page=None, present=CurrentState([{**WEB, **token, "id": 1}])
    )

    assert found.edit[0].said == "pushToken"


def test_zero_and_no_are_not_the_same_as_another_number():
    held = CurrentState([{**WEB, "id": 1, "maxretries": 2}])

    assert len(steps(monitors=(WEB | {"maxretries": 0},), page=None, present=held).edit) == 1


def test_what_nobody_declared_is_named_and_stays_unless_pruned():
    found, pruned = steps(monitors=(WEB,), page=None), steps(monitors=(WEB,), page=None, prune=True)

    assert (found.left, found.remove, found.changes) == (("base",), (), 0)
    assert (pruned.left, [one["id"] for one in pruned.remove], pruned.changes) == ((), [8], 1)


def test_a_declared_name_that_is_there_twice_is_refused_by_name():
    twice = CurrentState([*HELD.monitors, {**WEB, "id": 9}])

    with pytest.raises(DuplicateName, match="it holds several of 'web'"):
        steps(present=twice)
    assert steps(monitors=(BASE,), page=None, present=twice).left == ("web", "web")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"title": "Other"}, "title"),
        ({"description": "What is up"}, "description"),
        ({"groups": {"Two": ("base",), "One": ("web",)}}, "groups"),
        ({"groups": {"One": ("web", "base")}}, "groups"),
    ],
)
def test_a_page_that_differs_is_saved(change, said):
    found = steps(page=PAGE.model_copy(update=change))

    assert found.page.said == said
    assert not found.page.made
    assert (found.changes, found.unchanged) == (1, 2)


def test_a_declared_monitor_becomes_the_fields_of_the_protocol():
    declared = DeclaredConfig.model_validate(
        {
            "config": {
                "monitors": {
                    "web": {
                        "type": "http",
                        "url": "http://web",
                        "accepted_statuses": [200, "300-399"],
                        "interval_seconds": 30,
                    },
                    "base": {"type": "port", "hostname": "base", "port": 1, "retry_interval_seconds": 25},
                }
            },
            "agent": {"heartbeats": {"work": {"token_env": "T", "retries": 0}}},
        }
    )

    web, base, work = desired_state(declared, {"T": "token"}).monitors

    common = {"description": "", "upsideDown": False}
    assert web == common | {
        "name": "web", "type": "http", "interval": 30, "retryInterval": 30, "maxretries": 2, "url": "http://web",
        "method": "GET", "timeout": 10, "maxredirects": 10, "ignoreTls": False, "accepted_statuscodes": ["200", "300-399"],
    }  # fmt: skip
    assert base == common | {
        "name": "base", "type": "port", "interval": 60, "retryInterval": 25, "maxretries": 2, "hostname": "base", "port": 1,
        "accepted_statuscodes": ["200-299"],
    }  # fmt: skip
    assert work == common | {
        "name": "work", "type": "push", "interval": 60, "retryInterval": 60, "maxretries": 0, "pushToken": "token",
        "accepted_statuscodes": ["200-299"],
    }  # fmt: skip
