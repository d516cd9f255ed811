"""Routes without parameters refuse those that a request has, rather than ignore them."""

from typing import Annotated

from fastapi import Depends, Query

from data_api.schemas.queries import NoQuery


def _no_query(_query: Annotated[NoQuery, Query()]) -> None:
    """FastAPI refuses (422) what the model forbids."""


NO_QUERY = Depends(_no_query)
