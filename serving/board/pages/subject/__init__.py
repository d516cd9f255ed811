"""The page of one subject: its prediction, the reasons, and what would be if its columns were others."""
