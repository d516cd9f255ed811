"""dvc.yaml says everything that a stage stands on, and a stage has one name in three places."""

from pathlib import Path

import pytest
import yaml

import imports

STAGES = yaml.safe_load(Path("dvc.yaml").read_text())["stages"]
RECIPES = {"flights", "table"}


@pytest.mark.parametrize("stage", STAGES)
def test_deps_name_every_module_that_the_stage_loads(stage):
    recipes = RECIPES if "recipes" in imports.reached(stage) else set()
    loaded = imports.reached(stage, *recipes) - recipes
    declared = {Path(dep).stem for dep in STAGES[stage]["deps"] if dep.endswith(".py")} - {"${data.recipe}"}

    assert declared == loaded, f"deps of {stage} in dvc.yaml"


def test_preprocess_depends_on_the_recipe_that_the_data_set_names():
    assert "src/pipeline/${data.recipe}.py" in STAGES["preprocess"]["deps"]


@pytest.mark.parametrize("stage", STAGES)
def test_stage_script_and_params_block_share_one_name(stage):
    assert f"-m pipeline.{stage}" in STAGES[stage]["cmd"]
    assert Path(f"src/pipeline/{stage}.py").is_file()
    assert stage in STAGES[stage]["params"]
    assert stage in yaml.safe_load(Path("params.yaml").read_text())


@pytest.mark.parametrize("stage", ["preprocess", "train", "evaluate"])
def test_a_stage_runs_again_when_the_lock_of_its_libraries_changes(stage):
    assert "requirements/pipeline.txt" in STAGES[stage]["deps"]


@pytest.mark.parametrize("path", ["src/pipeline/report.html.j2", "src/pipeline/model_card.md.j2", "conf/card"])
def test_the_templates_and_texts_of_what_evaluate_writes_are_deps(path):
    assert path in STAGES["evaluate"]["deps"]


def test_a_text_of_the_model_card_is_no_setting_of_a_stage():
    assert "card" not in Path("params.yaml").read_text()
