"""Were we right? Predictions against what came true."""
