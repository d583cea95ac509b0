"""Engines write responses: each is a `Generator`."""
