"""Probes, one a module: frozen dataclasses that say what is changed and what is due.

A module holds one class in `__all__`; its fields are its settings. It appears in every report card
and in the contract tests with no other edit.
"""
