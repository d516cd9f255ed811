"""The declared state from its two files, checked whole."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from kuma_provisioner.config_models import Closed, DeclaredConfig, KumaAgent, KumaConfig
from kuma_provisioner.errors import DeclarationInvalid
from kuma_provisioner.validation_messages import of_model

Model = TypeVar("Model", bound=Closed)


class _Loader(yaml.SafeLoader):
    """Reads YAML, and refuses a key that a mapping has twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """A mapping; raises yaml's own error for a key that comes again, where PyYAML would keep the last."""
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} is there twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def read(config: Path, agent: Path) -> DeclaredConfig:
    """Both files; raises DeclarationInvalid with a line for each fault in either."""
    faults: list[str] = []
    one, other = _model(config, KumaConfig, faults), _model(agent, KumaAgent, faults)
    if one and other:
        faults += [f"{config.name}: {fault}" for fault in _disagreements(one, other, agent.name)]
    if faults or not one or not other:
        raise DeclarationInvalid("\n".join(faults))
    return DeclaredConfig(config=one, agent=other)


def _model(path: Path, model: type[Model], faults: list[str]) -> Model | None:
    """A file as its model, or None after adding to the faults."""
    try:
        return model.model_validate(yaml.load(path.read_text(encoding="utf-8"), _Loader))  # noqa: S506 a safe loader
    except OSError as error:
        faults.append(f"{path}: cannot be read: {error.strerror}")
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        faults.append(f"{path.name}: is no YAML that can be used: {_one_line(error)}")
    except ValidationError as error:
        faults += [f"{path.name}: {fault}" for fault in of_model(error, model)]
    return None


def _one_line(error: Exception) -> str:
    """What is wrong with a text, with its line where the parser says it."""
    mark = getattr(error, "problem_mark", None)
    said = getattr(error, "problem", None) or str(error)
    return f"line {mark.line + 1}: {said}" if mark else said


def _disagreements(config: KumaConfig, agent: KumaAgent, agent_file: str) -> Iterator[str]:
    """Names that two monitors have, and names on the page that no monitor has."""
    both = config.monitors.keys() & agent.heartbeats.keys()
    yield from (f"monitors.{name}: is a heartbeat of {agent_file} too; rename one of them" for name in sorted(both))
    groups = config.status_page.groups if config.status_page else {}
    known = config.monitors.keys() | agent.heartbeats.keys()
    for group, names in groups.items():
        for name in names:
            if name not in known:
                yield f"status_page.groups.{group}: names {name!r}, which neither file declares"
        if len(set(names)) < len(names):
            yield f"status_page.groups.{group}: names a monitor twice"
