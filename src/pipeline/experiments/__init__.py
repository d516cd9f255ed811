"""DVC experiments: sweeps and their listing."""
