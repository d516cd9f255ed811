"""The name under which this service logs."""

LOGGER = "prediction_api"
