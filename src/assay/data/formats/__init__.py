"""Public layouts of data: one frozen dataclass a module, found by name; its fields are its
settings.

A format tells its rows by their columns (`matches`), turns a row into records (`read`) and records
into rows (`write`). Writers give each row only after reading it back unchanged, so nothing is
dropped in silence.
"""
