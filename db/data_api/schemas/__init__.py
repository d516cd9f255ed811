"""The bodies and parameters of HTTP, one file for each resource."""
