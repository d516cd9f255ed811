"""Who calls: users' passwords and tokens, API keys, login throttle, the first admin."""
