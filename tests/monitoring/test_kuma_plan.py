"""The steps from what Uptime Kuma holds to what is declared, and how they are taken."""

import pytest

from kuma_provisioner.apply import apply
from kuma_provisioner.config_models import DeclaredConfig, StatusPage
from kuma_provisioner.desired import DesiredState, desired_state
from kuma_provisioner.errors import DuplicateName
from kuma_provisioner.plan import CurrentState, Step, plan

PAGE = StatusPage(slug="things", title="Things", groups={"One": ("web",), "Two": ("base",)})
WEB = {"name": "web", "type": "http", "interval": 60, "description": ""}
BASE = {"name": "base", "type": "port", "interval": 60, "description": "a base"}
CURRENT = CurrentState(
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


def planned(monitors=(WEB, BASE), page=PAGE, current=CURRENT, prune=False):
    return plan(DesiredState(monitors, page), current, prune)


def test_a_declared_state_that_is_reached_needs_no_step():
    result = planned()

    assert result.steps == ()
    assert result.unchanged == 3
    assert result.ids == {"web": 7, "base": 8}


def test_everything_is_added_to_an_empty_server():
    result = planned(current=CurrentState([]))

    page = Step("add", "the status page things", page=PAGE)
    assert result.steps == (Step("add", "web", fields=WEB), Step("add", "base", fields=BASE), page)
    assert result.unchanged == 0


def test_an_edit_keeps_the_monitor_and_names_what_changes():
    faster = WEB | {"interval": 30}
    result = planned(monitors=(faster, BASE))

    assert result.steps == (Step("edit", "web", "interval 60 -> 30", faster, CURRENT.monitors[0]),)
    assert result.unchanged == 2


def test_a_changed_token_is_not_shown():
    current = CurrentState([{**WEB, "pushToken": "the-old-one", "id": 1}])

    (edit,) = planned(monitors=(WEB | {"pushToken": "the-new-one"},), page=None, current=current).steps

    assert edit.changes == "pushToken"


def test_a_number_that_becomes_zero_is_a_change():
    current = CurrentState([{**WEB, "id": 1, "maxretries": 2}])

    assert len(planned(monitors=(WEB | {"maxretries": 0},), page=None, current=current).steps) == 1


def test_an_undeclared_monitor_is_named_and_stays_unless_pruned():
    kept, pruned = (planned(monitors=(WEB,), page=None, prune=prune) for prune in (False, True))

    assert (kept.undeclared, kept.steps) == (("base",), ())
    assert (pruned.undeclared, pruned.steps) == ((), (Step("remove", "base", current=CURRENT.monitors[1]),))


def test_a_declared_name_of_several_monitors_is_refused():
    duplicated = CurrentState([*CURRENT.monitors, {**WEB, "id": 9}])

    with pytest.raises(DuplicateName, match="it holds several of 'web'"):
        planned(current=duplicated)
    assert planned(monitors=(BASE,), page=None, current=duplicated).undeclared == ("web", "web")


@pytest.mark.parametrize(
    ("update", "changes"),
    [
        ({"title": "Other"}, "title"),
        ({"description": "What is up"}, "description"),
        ({"groups": {"Two": ("base",), "One": ("web",)}}, "groups"),
        ({"groups": {"One": ("web", "base")}}, "groups"),
    ],
)
def test_a_page_that_differs_is_edited(update, changes):
    page = PAGE.model_copy(update=update)

    assert planned(page=page).steps == (Step("edit", "the status page things", changes, page=page),)


class FakeKuma:
    """Notes the calls that change something."""

    def __init__(self):
        self.calls = []

    def __getattr__(self, name):
        def note(*arguments):
            self.calls.append((name, *arguments))
            return 9

        return note


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_plan_is_carried_out_or_only_reported(dry_run):
    current = CurrentState([{**WEB, "id": 7, "interval": 30}, {**BASE, "name": "old", "id": 8}])
    web, old = current.monitors
    kuma, lines = FakeKuma(), []

    apply(planned(current=current, prune=True), kuma, lines.append, dry_run)

    web_changes, page = "web: interval 30 -> 60", "the status page things"
    if dry_run:
        assert lines == [f"would edit {web_changes}", "would add base", "would remove old", f"would add {page}"]
        assert kuma.calls == []
    else:
        assert lines == [f"edited {web_changes}", "added base", "removed old", f"added {page}"]
        fields = {"title": "Things", "description": ""}
        assert kuma.calls == [
            ("edit", web, WEB),
            ("add", BASE),
            ("remove", old),
            ("add_page", "Things", "things"),
            ("save_page", "things", fields, {"One": [7], "Two": [9]}),
        ]


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
