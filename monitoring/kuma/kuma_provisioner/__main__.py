"""Bring Uptime Kuma to the state that kuma_config.yml and kuma_agent.yml declare; settings come from the environment."""

import argparse
import os
import sys

from kuma_provisioner import config_loader, credentials, settings
from kuma_provisioner.apply import apply, outlook
from kuma_provisioner.desired import DesiredState, desired_state
from kuma_provisioner.errors import ProvisionerError, SettingsInvalid
from kuma_provisioner.plan import CurrentState, Plan, plan
from kuma_provisioner.protocol import Kuma


def main(arguments: list[str] | None = None) -> None:
    """Runs once; ends with 1 for a fault in the files or in Uptime Kuma, and with 2 for one in the settings."""
    given = _parser().parse_args(arguments)
    try:
        told = settings.read(**({"kuma_prune": True} if given.prune else {}))
        declared = config_loader.read(told.kuma_config, told.kuma_agent)
        tokens = (one.token_env for one in declared.agent.heartbeats.values())
        secrets = credentials.read(tokens, os.environ, told.environment)
        _warn(credentials.defaults_in_use(secrets))
        changes = _run(told, secrets[credentials.PASSWORD], desired_state(declared, secrets), given.check)
    except ProvisionerError as error:
        print("\n".join(f"error: {line}" for line in str(error).splitlines()), file=sys.stderr)
        sys.exit(2 if isinstance(error, SettingsInvalid) else 1)
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(1 if given.check and changes else 0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m kuma_provisioner", description=__doc__)
    parser.add_argument(
        "--check", "--dry-run", action="store_true", help="only say what would change; exit status 1 if something would"
    )
    parser.add_argument(
        "--prune", action="store_true", help="remove monitors that the files do not declare (or KUMA_PRUNE=true)"
    )
    return parser


def _run(told: settings.Settings, password: str, to_be: DesiredState, check: bool) -> int:
    """How many changes there were, or with ``check`` would be."""
    with Kuma(told.url) as kuma:
        kuma.connect(told.kuma_wait_seconds)
        present = _present(kuma, told.kuma_admin, password, to_be, check)
        steps = plan(to_be, present, told.kuma_prune)
        if check:
            outlook(steps, _tell)
        else:
            apply(steps, kuma, _tell)
    _sum_up(steps, check)
    return steps.changes


def _present(kuma: Kuma, admin: str, password: str, to_be: DesiredState, check: bool) -> CurrentState:
    """What is there once somebody is logged in; ``check`` makes no admin, and finds nothing where there is none."""
    if kuma.needs_setup():
        if check:
            _tell(f"would make the admin {admin}")
            return CurrentState([])
        kuma.set_up(admin, password)
        _tell(f"made the admin {admin}")
    kuma.log_in(admin, password)
    return kuma.present(to_be.page.slug if to_be.page else None)


def _sum_up(steps: Plan, check: bool) -> None:
    if steps.left:
        _tell(f"left alone, as no file declares them: {', '.join(steps.left)} (--prune removes them)")
    added = len(steps.add) + bool(steps.page and steps.page.made)
    edited = len(steps.edit) + bool(steps.page and not steps.page.made)
    would = "would be: " if check else ""
    _tell(f"{would}{added} added, {edited} edited, {len(steps.remove)} removed, {steps.unchanged} unchanged")


def _warn(names: list[str]) -> None:
    if names:
        said = "in use are defaults of development, which everybody can read in the source"
        print(f"warning: {said}: {', '.join(names)}.", file=sys.stderr)


def _tell(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
