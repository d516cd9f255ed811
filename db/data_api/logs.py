"""The name under which this service logs."""

LOGGER = "data_api"
