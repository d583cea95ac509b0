"""Judges: prompts and protocols that turn answers to questions into scores and comparisons."""
