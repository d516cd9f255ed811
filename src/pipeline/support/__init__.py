"""What every command prints and how it fails: console, tables on a terminal, errors."""
