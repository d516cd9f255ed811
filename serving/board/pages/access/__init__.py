"""Who may see the pages: log-in, sessions, and the token of forms."""
