"""The routes of all pages."""

from fastapi import APIRouter, Depends
from fastapi.routing import APIRoute

from board.pages import about
from board.pages.access import login
from board.pages.access.reader import page_reader
from board.pages.departures import page as departures
from board.pages.form import page as form
from board.pages.frame.page_route import PageRoute
from board.pages.frame.static_files import static_file
from board.pages.quality import page as quality
from board.pages.subject import page as subject

READERS_PAGES = (departures.router, subject.router, quality.router, about.router, form.router)
router = APIRouter(route_class=PageRoute, include_in_schema=False)
router.add_api_route("/static/{name}", static_file)
router.include_router(login.router)
for pages in READERS_PAGES:
    router.include_router(pages, dependencies=[Depends(page_reader)])
PATHS = frozenset(
    route.path for pages in (login.router, *READERS_PAGES) for route in pages.routes if isinstance(route, APIRoute)
)
