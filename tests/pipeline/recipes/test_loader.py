"""A recipe is found by the name of its file, and by nothing else."""

import pytest

import pipeline.recipes
from pipeline.recipes import flights, loader, table
from pipeline.support.errors import ParamsInvalid


def test_a_recipe_is_the_module_of_its_name():
    assert loader.load_recipe("table") is table
    assert loader.load_recipe("flights") is flights


@pytest.mark.parametrize("name", ["nothing", "errors", "table.py", "mine.py", "my.own", ""])
def test_a_name_without_a_recipe_is_refused(name):
    with pytest.raises(ParamsInvalid, match=rf"data\.recipe is '{name}'; it should name a file in src/pipeline/recipes"):
        loader.load_recipe(name)


def test_a_library_that_a_recipe_misses_is_named_as_it_is(tmp_path, monkeypatch):
    (tmp_path / "thirsty.py").write_text("import no_such_library\n")
    monkeypatch.setattr(pipeline.recipes, "__path__", [*pipeline.recipes.__path__, str(tmp_path)])

    with pytest.raises(ModuleNotFoundError, match="no_such_library"):
        loader.load_recipe("thirsty")
