"""HTTP around the routes: what every request passes, problem details, OpenAPI."""
