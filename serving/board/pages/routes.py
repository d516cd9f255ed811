"""The routes of all pages."""

from fastapi import APIRouter
from fastapi.routing import APIRoute

from board.pages import departures
from board.pages.page_route import PageRoute
from board.pages.static_files import static_file

router = APIRouter(route_class=PageRoute, include_in_schema=False)
router.add_api_route("/static/{name}", static_file)
router.include_router(departures.router)
PATHS = frozenset(route.path for route in router.routes if isinstance(route, APIRoute) and "{" not in route.path)
