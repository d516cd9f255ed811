"""Each check of a page finds what is not there, by name, and nothing else."""

from pathlib import Path

import pytest

import pages

HERE = Path()


def shell(line):
    return f"```sh\n{line}\n```\n"


@pytest.mark.parametrize(
    ("check", "text", "fault"),
    [
        (pages.links, "[a page](serving/NOTHING.md)", "the link serving/NOTHING.md leads nowhere"),
        (pages.links, "# One\n[below](#two)", "the link #two leads to no heading"),
        (pages.links, "[a part](serving/README.md#nothing)", "the link serving/README.md#nothing leads to no heading"),
        (pages.files, "`src/pipeline/nothing.py`", "src/pipeline/nothing.py is no file or folder"),
        (pages.files, "`src/nothing`", "src/nothing is no file or folder"),
        (pages.files, "`nothing/`", "nothing/ is no file or folder"),
        (pages.files, "`nothing.yaml`", "nothing.yaml is no file or folder"),
        (pages.targets, "Type `make nothing`.", "make nothing is no target"),
        (pages.targets, shell("cd . && make nothing   # makes nothing"), "make nothing is no target"),
        (pages.commands, shell("nothing --at all"), "nothing is no program that `make setup` installs"),
        (pages.commands, shell("WORD=$(nothing -s)"), "nothing is no program that `make setup` installs"),
        (pages.commands, shell("dvc nothing"), "dvc nothing: "),
        (pages.commands, shell("make params && dvc repro --nothing"), "dvc repro --nothing: "),
        (pages.commands, "`dvc exp show --nothing`", "dvc exp show --nothing: "),
        (pages.modules, "`python -m pipeline.nothing`", "python -m pipeline.nothing is no module"),
        (
            pages.modules,
            "`python -m pipeline.params.compose --nothing`",
            "python -m pipeline.params.compose has no --nothing",
        ),
        (pages.modules, "`python -m pipeline.stages.train --nothing`", "python -m pipeline.stages.train has no --nothing"),
        (
            pages.modules,
            "`python -m pipeline.stages.train quickly`",
            "python -m pipeline.stages.train quickly is not understood",
        ),
        (pages.modules, shell("python -m data_api nothing"), "python -m data_api nothing is not understood"),
        (pages.modules, "`python -m data_api drop-month 2024-01 --no`", "python -m data_api has no --no"),
        (pages.modules, "`python -m data_api drop-month` asks, but for `--no`", "nothing on the page has an option --no"),
        (pages.settings, "Set `MODEL_NOTHING`.", "MODEL_NOTHING is no setting of .env.example"),
        (pages.settings, "Set `NOTHING=1`.", "NOTHING is no setting of .env.example"),
        (pages.settings, shell("DATA_API_NOTHING=1 make serve"), "DATA_API_NOTHING is no setting of .env.example"),
        (pages.metrics, "`data_api_nothing_total`", "data_api_nothing_total is no metric"),
        (pages.metrics, "`rate(prediction_api_nothing_sum[5m])`", "prediction_api_nothing is no metric"),
        (pages.alerts, "`NothingDown` pages.", "NothingDown is no alert"),
        (pages.alerts, "# Alerts\n## NothingDown\nLook.", "NothingDown is no alert"),
    ],
)
def test_what_is_not_there_is_found(check, text, fault):
    (problem,) = check(text, HERE)

    assert problem.startswith(fault)


@pytest.mark.parametrize(
    ("check", "text"),
    [
        (
            pages.links,
            "[one](serving/README.md), [part](serving/README.md#run-it), [web](https://example.org/x), ![no](picture)",
        ),
        (pages.links, "# One: `two`, three!\n[above](#one-two-three)"),
        (
            pages.files,
            "`src/pipeline/params/compose.py`, `src/pipeline/`, `dvc.yaml`, `repository/`, `compose.py`, `model.onnx`",
        ),
        (
            pages.files,
            "`data/report/report.html`, `data/processed/test.parquet`, `mlflow.db`: a stage or a tool writes them",
        ),
        (pages.files, "`conf/data/mine.yaml`: the reader will write it"),
        (
            pages.files,
            "`/predict`, `GET /model`, `application/json`, `origin/main`, `problem.details` and `a/b` are no files",
        ),
        (pages.targets, "To make sure, `make test`, then " + shell("STAGES=train make repro; make verify")),
        (
            pages.commands,
            shell("dvc exp run -S model=logistic    # an experiment\ngit restore . && dvc checkout\nmake repro"),
        ),
        (pages.commands, shell("WORD=$(curl -s localhost)\ncurl $WORD")),
        (pages.settings, shell("WORD=$(curl -s localhost)\ncurl $WORD")),
        (pages.commands, shell("MLFLOW_TRACKING_URI=x \\\n  mlflow ui") + "`dvc.yaml`"),
        (
            pages.modules,
            "`python -m pipeline.params.compose --check`, `python -m pip install x --quiet`",
        ),
        (pages.modules, shell("PYTHONPATH=src python -m data_api drop-month 2024-01 --yes") + "`--yes` asks nothing"),
        (pages.modules, shell("dvc exp run --queue") + "without `--queue`"),
        (pages.settings, "`MODEL_URI`, `API_KEYS=`, `POST`, `STAGES=train`, `DATABASE_URL=sqlite:///x`, SHOUTED_WORDS"),
        (pages.metrics, "`data_api_ready`, `prediction_api_request_seconds_bucket`, `prediction_api` and `data_api`"),
        (pages.alerts, "# Alerts\n## OutboxGrowing\n`OutboxNearlyFull`, `ModelMissing` is in code, NothingDown is not"),
    ],
)
def test_what_is_there_is_no_fault(check, text):
    assert list(check(text, HERE)) == []


def test_links_and_files_are_looked_for_beside_the_page_too():
    text = "[settings](data_api/settings.py), `data_api/settings.py`"

    for check in (pages.links, pages.files):
        assert list(check(text, Path("db"))) == []
    assert list(pages.links(text, HERE)) != []


def test_what_a_block_of_another_language_says_is_no_command():
    assert list(pages.commands("```yaml\nnothing: 1\n```\n", HERE)) == []


def test_every_page_that_git_would_take_is_looked_at():
    tracked = pages.tracked("*.md")

    assert {Path("README.md"), Path("db/README.md"), Path("serving/README.md"), Path("data/report/model_card.md")} <= set(
        tracked
    )
    assert all(path.exists() for path in tracked)
