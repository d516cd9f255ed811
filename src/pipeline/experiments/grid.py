"""Every combination of overrides in Hydra's grammar of sweeps."""

import itertools
from collections.abc import Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Override
from hydra.errors import HydraException

from pipeline.support.errors import ParamsInvalid

BRACKETS = (("(", ")"), ("[", "]"), ("{", "}"))
Point = tuple[str, ...]  # overrides with one value each


def points(overrides: Sequence[str]) -> list[Point]:
    """The points of the search, the last override turning fastest, as DVC and Hydra order them.

    Raises ParamsInvalid where an override cannot be read, or does not say which values to try.
    """
    try:
        parsed = OverridesParser.create().parse_overrides(list(overrides))
    except HydraException as error:
        cut = next((one for one in overrides if any(one.count(a) != one.count(b) for a, b in BRACKETS)), None)
        said = f"{cut} lacks half of a bracket" if cut else " ".join(str(error).split())
        mend = "A space divides words: write it without spaces." if cut else "Correct it."
        raise ParamsInvalid(f"A sweep takes overrides such as model.leaves=choice(15,31); {said}. {mend}") from error
    return list(itertools.product(*map(_values, parsed)))


def _values(override: Override) -> list[str]:
    key = override.get_key_element()
    if not override.is_sweep_override():
        return [f"{key}={override.get_value_element_as_str()}"]
    if not override.is_discrete_sweep() or isinstance(override.value(), Glob):
        raise ParamsInvalid(
            f"A sweep tries values that are named; {override.input_line} names none. Write {key}=choice(...) or range(...)."
        )
    return [f"{key}={value}" for value in override.sweep_string_iterator()]
