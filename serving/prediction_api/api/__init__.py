"""The HTTP surface: routes, request bodies and their schema, OpenAPI, what every request passes."""
