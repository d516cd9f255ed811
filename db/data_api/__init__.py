"""The data service: owns the database of users, API keys, predictions, outcomes and deployments."""
