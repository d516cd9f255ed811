"""What came true: scores by day and by model version, and the worst surprises."""
