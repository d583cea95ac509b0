"""Terminal output shared by all commands: progress bars and tables."""
