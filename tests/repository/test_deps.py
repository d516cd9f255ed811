"""dvc.yaml says everything that a stage stands on, and nothing that only prints; a stage has one name in three places."""

from pathlib import Path

import grimp
import pytest
import yaml

STAGES = yaml.safe_load(Path("dvc.yaml").read_text())["stages"]
PRINTS = ("pipeline.support", "pipeline.tracking", "pipeline.versioning", "pipeline.compute")  # moves no byte of an output
GRAPH = grimp.build_graph("pipeline", "column_types", cache_dir=None)


def loaded(stage):
    """The files that a stage loads, apart from those that only print, watch or carry work to workers, and empty packages."""
    module = f"pipeline.stages.{stage}"
    names = {module, *GRAPH.find_upstream_modules(module)}
    if "pipeline.recipes.loader" in names:  # which imports the recipe by its name
        recipes = {"pipeline.recipes.flights", "pipeline.recipes.table"}
        names |= recipes.union(*(GRAPH.find_upstream_modules(recipe) for recipe in recipes))
    kept = {name for name in names if not name.startswith(PRINTS)}
    return {path for name in kept if (path := Path("src", *name.split(".")).with_suffix(".py")).is_file()}


def declared(stage):
    return [Path(dep) for dep in STAGES[stage]["deps"] if dep.startswith("src/")]


def covers(dep, path):
    return path == dep or dep in path.parents


@pytest.mark.parametrize("stage", STAGES)
def test_deps_cover_every_module_whose_code_can_move_a_byte(stage):
    lacking = {path for path in loaded(stage) if not any(covers(dep, path) for dep in declared(stage))}

    assert lacking == set(), f"deps of {stage} in dvc.yaml"


@pytest.mark.parametrize("stage", STAGES)
def test_each_dep_is_there_and_holds_a_module_that_the_stage_loads(stage):
    idle = [str(dep) for dep in declared(stage) if not any(covers(dep, path) for path in loaded(stage))]

    assert idle == []


@pytest.mark.parametrize(
    ("edited", "stages"),
    [
        ("src/pipeline/support/errors.py", []),
        ("src/pipeline/support/console.py", []),
        ("src/pipeline/tracking/mlflow_runs.py", []),
        ("src/pipeline/compute/engine.py", []),
        ("conf/compute.yaml", []),
        ("src/pipeline/diff/gate_settings.py", []),
        ("src/pipeline/reporting/figures.py", ["evaluate"]),
        ("src/pipeline/reporting/templates/report.html.j2", ["evaluate"]),
        ("conf/card/flights.yaml", ["train", "evaluate"]),
        ("src/pipeline/evaluation/permutation_importance.py", ["train", "evaluate"]),
        ("src/pipeline/evaluation/metrics.py", ["train", "evaluate"]),
        ("src/pipeline/modeling/estimator.py", ["train"]),
        ("src/pipeline/recipes/flights/history.py", ["preprocess"]),
        ("src/pipeline/features/point_in_time.py", ["preprocess"]),
        ("src/pipeline/data/sources.py", ["ingest", "preprocess", "evaluate"]),
        ("src/column_types/arrow.py", ["ingest", "preprocess", "train", "evaluate"]),
    ],
)
def test_an_edit_runs_these_stages_again_and_no_other(edited, stages):
    assert Path(edited).exists()

    again = [
        name
        for name, stage in STAGES.items()
        if any(covers(Path(dep), Path(edited)) for dep in stage["deps"] if "$" not in dep)
    ]

    assert again == stages


@pytest.mark.parametrize("stage", STAGES)
def test_stage_script_and_params_block_share_one_name(stage):
    assert f"-m pipeline.stages.{stage}" in STAGES[stage]["cmd"]
    assert Path(f"src/pipeline/stages/{stage}.py").is_file()
    assert stage in STAGES[stage]["params"]
    assert stage in yaml.safe_load(Path("params.yaml").read_text())


@pytest.mark.parametrize("stage", ["preprocess", "train", "evaluate"])
def test_a_stage_runs_again_when_the_lock_of_its_libraries_changes(stage):
    assert "requirements/pipeline.txt" in STAGES[stage]["deps"]


def test_a_text_of_the_model_card_is_no_setting_of_a_stage():
    assert "card" not in Path("params.yaml").read_text()
