"""The routes of all pages."""

from fastapi import APIRouter, Depends
from fastapi.routing import APIRoute

from board.pages import about, departures, form, login, quality, subject
from board.pages.page_route import PageRoute
from board.pages.reader import page_reader
from board.pages.static_files import static_file

READERS_PAGES = (departures.router, subject.router, quality.router, about.router, form.router)
router = APIRouter(route_class=PageRoute, include_in_schema=False)
router.add_api_route("/static/{name}", static_file)
router.include_router(login.router)
for pages in READERS_PAGES:
    router.include_router(pages, dependencies=[Depends(page_reader)])
PATHS = frozenset(
    route.path for pages in (login.router, *READERS_PAGES) for route in pages.routes if isinstance(route, APIRoute)
)
