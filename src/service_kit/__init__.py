"""What every service of this repository needs and none owns: HTTP plumbing, settings, logs, keys, heartbeats, the server."""
