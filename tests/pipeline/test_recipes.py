"""A recipe is found by the name of its file, and by nothing else."""

import pytest

import pipeline
from pipeline import flights, recipes, table
from pipeline.errors import ParamsInvalid


def test_a_recipe_is_the_module_of_its_name():
    assert recipes.named("table") is table
    assert recipes.named("flights") is flights


@pytest.mark.parametrize("name", ["nothing", "errors", "table.py", "mine.py", "my.own", ""])
def test_a_name_without_a_recipe_is_refused(name):
    with pytest.raises(ParamsInvalid, match=rf"data\.recipe is '{name}'; it should name a file in src/pipeline"):
        recipes.named(name)


def test_a_library_that_a_recipe_misses_is_named_as_it_is(tmp_path, monkeypatch):
    (tmp_path / "thirsty.py").write_text("import no_such_library\n")
    monkeypatch.setattr(pipeline, "__path__", [*pipeline.__path__, str(tmp_path)])

    with pytest.raises(ModuleNotFoundError, match="no_such_library"):
        recipes.named("thirsty")
