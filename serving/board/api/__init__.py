"""The HTTP surface for programs: routes and the OpenAPI page."""
