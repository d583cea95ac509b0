"""What runs inside the sandbox: the standard library alone, and nothing that must be kept secret.

The folder is shown to the sandbox read-only and imported there as the package `inside`. The host imports `codec` too.
"""
