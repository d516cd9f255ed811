"""The routes, one file per thing: thin, because the queries live in `crud` and the rules in `schemas`."""

from fastapi import APIRouter

from data_api.routes import api_keys, deployments, health, outcomes, performance, predictions, tokens, users

router = APIRouter()
for part in (predictions, outcomes, performance, deployments, tokens, users, api_keys, health):
    router.include_router(part.router)
