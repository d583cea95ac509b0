"""What runs inside the sandbox: the standard library alone, and nothing that must be kept secret.

The folder is shown to the sandbox read-only and imported there as the package `inside`. The host
imports `codec` too.
"""

from typing import Final

__all__ = ["BEGUN"]

BEGUN: Final = b'{"begun": 1}\n'
"""What the result of a whole program starts with, once all that it is given is in its place."""
