"""How files are written whole and known again."""
