"""Reads both files and checks them whole."""

from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from kuma_provisioner.config_models import DeclaredConfig, FrozenModel, KumaAgent, KumaConfig
from kuma_provisioner.errors import DeclarationInvalid
from kuma_provisioner.validation_messages import describe

Model = TypeVar("Model", bound=FrozenModel)


def read(config_path: Path, agent_path: Path) -> DeclaredConfig:
    """The contents of both files; raises DeclarationInvalid with one line for each problem in either."""
    problems: list[str] = []
    config, agent = _read_model(config_path, KumaConfig, problems), _read_model(agent_path, KumaAgent, problems)
    if config and agent:
        problems += [f"{config_path.name}: {conflict}" for conflict in _conflicts(config, agent, agent_path.name)]
        if not problems:
            return DeclaredConfig(config=config, agent=agent)
    raise DeclarationInvalid("\n".join(problems))


def _read_model(path: Path, model: type[Model], problems: list[str]) -> Model | None:
    """The content of a file, or None if it is invalid; then the problems grow."""
    try:
        return model.model_validate(YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8")))
    except OSError as error:
        problems.append(f"{path}: cannot be read: {error.strerror}")
    except (UnicodeDecodeError, YAMLError) as error:
        problems.append(f"{path.name}: is not valid YAML: {_reason(error)}")
    except ValidationError as error:
        problems += [f"{path.name}: {problem}" for problem in describe(error, model)]
    return None


def _reason(error: Exception) -> str:
    """What is wrong with a text, with its line if the parser knows it."""
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    return f"line {mark.line + 1}: {problem}" if mark and problem else str(error)


def _conflicts(config: KumaConfig, agent: KumaAgent, agent_file: str) -> Iterator[str]:
    """Names that two monitors have, and names on the page that no monitor has."""
    for name in sorted(config.monitors.keys() & agent.heartbeats.keys()):
        yield f"monitors.{name}: is also a heartbeat in {agent_file}; rename one of them"
    declared_names = config.monitors.keys() | agent.heartbeats.keys()
    groups = config.status_page.groups if config.status_page else {}
    for group, names in groups.items():
        for name in names:
            if name not in declared_names:
                yield f"status_page.groups.{group}: names {name!r}, which neither file declares"
        if len(set(names)) < len(names):
            yield f"status_page.groups.{group}: names a monitor twice"
