"""What can be read off a text in one pass: its units, its language, its JSON."""
