"""Honest programs with honest tests that assert: tables by feature of the language, and a
generator."""
