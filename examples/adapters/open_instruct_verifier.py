"""A verifier of open-instruct: import this before training; rows with dataset "scored" get it."""

from assay.adapters.open_instruct import verifier

Scored = verifier("scored", "remote:http://127.0.0.1:8765", reference=False)
