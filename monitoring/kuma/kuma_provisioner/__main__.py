"""Bring Uptime Kuma to the state that kuma_config.yml and kuma_agent.yml declare; settings come from the environment."""

import argparse
import os
import sys

from kuma_provisioner import config_loader, credentials, settings
from kuma_provisioner.apply import apply
from kuma_provisioner.desired import DesiredState, desired_state
from kuma_provisioner.errors import ProvisionerError, SettingsInvalid
from kuma_provisioner.plan import CurrentState, Plan, plan
from kuma_provisioner.protocol import Kuma


def main(arguments: list[str] | None = None) -> None:
    """Runs once; the exit status is 1 for a problem in the files or in Uptime Kuma, and 2 for one in the settings."""
    options = _parser().parse_args(arguments)
    try:
        configured = settings.read(**({"kuma_prune": True} if options.prune else {}))
        declared = config_loader.read(configured.kuma_config, configured.kuma_agent)
        token_names = (heartbeat.token_env for heartbeat in declared.agent.heartbeats.values())
        secrets = credentials.read(token_names, os.environ, configured.environment)
        if defaults := credentials.defaults_in_use(secrets):
            reason = "these variables have development defaults, which everybody can read in the source"
            print(f"warning: {reason}: {', '.join(defaults)}.", file=sys.stderr)
        steps = _run(configured, secrets[credentials.PASSWORD], desired_state(declared, secrets), options.check)
    except ProvisionerError as error:
        print("\n".join(f"error: {line}" for line in str(error).splitlines()), file=sys.stderr)
        sys.exit(2 if isinstance(error, SettingsInvalid) else 1)
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(1 if options.check and steps else 0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m kuma_provisioner", description=__doc__)
    parser.add_argument(
        "--check", "--dry-run", action="store_true", help="only print what would change; exit status 1 if something would"
    )
    parser.add_argument(
        "--prune", action="store_true", help="remove monitors that the files do not declare (or KUMA_PRUNE=true)"
    )
    return parser


def _run(configured: settings.Settings, password: str, desired: DesiredState, dry_run: bool) -> int:
    """How many steps were taken, or in a dry run would be."""
    with Kuma(configured.url) as kuma:
        kuma.connect(configured.kuma_wait_seconds)
        current = _current_state(kuma, configured.kuma_admin, password, desired, dry_run)
        steps = plan(desired, current, configured.kuma_prune)
        apply(steps, kuma, _report, dry_run)
    _report_sums(steps, dry_run)
    return len(steps.steps)


def _current_state(kuma: Kuma, admin: str, password: str, desired: DesiredState, dry_run: bool) -> CurrentState:
    """What Uptime Kuma holds, after a login; the first run makes the admin, a dry run reports that it would."""
    if kuma.needs_setup():
        if dry_run:
            _report(f"would make the admin {admin}")
            return CurrentState([])
        kuma.set_up(admin, password)
        _report(f"made the admin {admin}")
    kuma.log_in(admin, password)
    return kuma.current_state(desired.page.slug if desired.page else None)


def _report_sums(steps: Plan, dry_run: bool) -> None:
    if steps.undeclared:
        _report(f"left alone, as no file declares them: {', '.join(steps.undeclared)} (--prune removes them)")
    counts = f"{steps.count('add')} added, {steps.count('edit')} edited, {steps.count('remove')} removed"
    _report(f"{'would be: ' if dry_run else ''}{counts}, {steps.unchanged} unchanged")


def _report(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
