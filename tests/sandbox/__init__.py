"""Hostile programs against the sandbox and the graders of code.

`programs/` holds attacks, one function each: it raises what stopped it, or says what it achieved.
`runner` runs them in a process of its own, as root or as an ordinary user, at one level, and
watches from outside what changed; the tests read its report. An attack counts as stopped only where
it is known to work without a sandbox, or where it got as far as the kernel's refusal.
"""
