"""What people ask: a subject found by its name, its prediction, forecasts of those that come next, and reasons."""
