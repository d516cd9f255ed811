"""What was known when: counts and sums over events as of a moment."""
