"""Attacks: source that is sent into the sandbox, never imported by the tests.

Every public function is one attack. It gets `world`, what an attacker may know about the machine
(`runner.World`), and returns "effective: ..." when it achieved something, "blocked: ..." when it
saw that it did not, or raises the kernel's refusal.
"""
