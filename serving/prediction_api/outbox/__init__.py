"""What must reach the data service: the durable outbox, its relay, deployments."""
