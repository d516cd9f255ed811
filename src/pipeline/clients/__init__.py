"""HTTP clients of the running services and of their monitoring."""
