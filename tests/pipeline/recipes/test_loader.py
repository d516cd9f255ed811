"""A recipe is found by the name of its file, and by nothing else."""

from dataclasses import replace

import pytest

import pipeline.recipes
from pipeline.config.params_file import read_params
from pipeline.params import compose
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


@pytest.mark.parametrize(("name", "tables"), [("flights", ["flights", "weather", "planes", "airports"]), ("table", [])])
def test_events_are_of_all_tables_of_a_recipe_that_has_events(name, tables):
    assert list(loader.event_tables(read_params(compose.compose(overrides=[f"data={name}"])).data)) == tables


def test_a_table_without_a_key_has_no_events():
    data = read_params(compose.compose()).data
    data = replace(data, tables={**data.tables, "planes": replace(data.tables["planes"], key=())})

    with pytest.raises(ParamsInvalid, match=r"data\.tables\.planes\.key should name the columns .* nothing is declared"):
        loader.event_tables(data)


def test_composing_refuses_a_table_without_a_key_where_the_recipe_has_events():
    with pytest.raises(ParamsInvalid, match=r"data\.tables\.weather\.key should name the columns"):
        compose.compose(overrides=["data.tables.weather.key=[]"])
