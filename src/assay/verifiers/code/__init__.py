"""Programs judged by tests in a sandbox."""

from assay.verifiers.code.verifier import Code

__all__ = ["Code"]
