"""What a page needs to know of the subjects themselves: the package of the board that is named like the model's recipe.

Such a package, as `board.flights`, has the name CLOCK. Models without a source have none.
"""

import importlib
from collections.abc import Mapping
from typing import Any

from board.app_state import AppState
from board.clock import UTC_CLOCK, Clock

RECIPES = ("flights",)  # whose subjects a package of the board knows
SUBJECTS = tuple(importlib.import_module(f"pipeline.recipes.{name}.live").SUBJECT for name in RECIPES)


def presentation_of(service: AppState) -> Any:
    """The package that knows the subjects of the model that answers; None where nothing is followed yet, or at all."""
    model = service.follower.model
    source = model["schema"].get("source") if model else None
    return importlib.import_module(f"board.{source['recipe']}") if source else None


def clock_of(service: AppState) -> Clock:
    """The clock of the subjects' place; UTC where no package knows it."""
    presentation = presentation_of(service)
    clock: Clock = presentation.CLOCK if presentation else UTC_CLOCK
    return clock


def target_of(service: AppState) -> dict[str, Any]:
    """The target of the model that answers: its description, and how often it comes true (``rate``)."""
    target: dict[str, Any] = (service.follower.model or {})["schema"]["target"]
    return target


def reason_phrase(service: AppState, topic: Mapping[str, Any], record: Mapping[str, Any]) -> str:
    """What a topic of the reasons says about a record; of models without a source its most unusual column with its value."""
    if presentation := presentation_of(service):
        return str(presentation.phrase(topic["topic"], topic["contribution"], record))
    for column in topic["columns"][:1]:
        value = "missing" if column["value"] is None else column["value"]
        shown = f"{value:.4g}" if isinstance(value, float) else str(value)
        return f"{column['description'] or column['name']} {shown} {column['unit'] or ''}".strip()
    return str(topic["topic"])


def nouns(service: AppState) -> tuple[str, str]:
    """What a subject is called, and several of them: case and cases where callers give the columns themselves."""
    tracker = service.follower.tracker
    name = tracker.source.live.SUBJECT if tracker else "case"
    return name, f"{name}s"
