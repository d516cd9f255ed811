"""Commands that a running system needs: smoke test, heartbeat, a model to start with."""
