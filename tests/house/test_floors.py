"""Floors of src/pipeline import only downward, and the pure ones touch nothing."""

import pytest

import imports

STAGES = {"ingest", "preprocess", "train", "evaluate"}
VERBS = STAGES | {
    "compose",
    "experiments",
    "history",
    "promote",
    "provide",
    "replay",
    "report",
    "rollback",
    "smoke",
    "sweep",
}
WORLD = {
    "sources", "tables", "params", "model_directory", "tracking", "report_page", "model_card", "outputs", "digests", "stage",
    "recipes", "services", "playback", "score_table", "console_table", "lineage", "registry", "scored", "revision", "sides",
    "change_page", "crew", "reproduction", "grid", "experiment_queue", "heartbeat", "runs", "trial_table", "watch",
    "git",
}  # fmt: skip
RECIPES = {"flights", "table"}
PURE = set(imports.modules()) - VERBS - WORLD - RECIPES
FLOOR = {name: floor for floor, names in enumerate((PURE, RECIPES, WORLD, VERBS)) for name in names}
TOUCHES_THE_WORLD = {"mlflow", "hydra", "dvc", "os", "sys", "time", "random", "subprocess", "shutil", "requests", "yaml"}


@pytest.mark.parametrize("module", imports.modules())
def test_a_module_imports_only_from_its_floor_and_below(module):
    above = {name for name in imports.direct(module) if FLOOR[name] > FLOOR[module]}

    assert above == set()


@pytest.mark.parametrize("stage", sorted(STAGES))
def test_a_stage_imports_no_other_stage(stage):
    assert imports.reached(stage) & (STAGES - {stage}) == set()


@pytest.mark.parametrize("module", sorted(PURE | RECIPES))
def test_a_pure_module_reaches_neither_files_nor_clock_nor_trackers(module):
    assert imports.libraries(module) & TOUCHES_THE_WORLD == set()


def test_no_module_reaches_itself_again():
    for module in imports.modules():
        assert module not in imports.reached(*imports.direct(module)), f"{module} is part of a circle of imports"
