"""Honest programs with honest tests that assert: a table by feature of the language, and a generator."""
