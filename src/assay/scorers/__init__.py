"""Everything that turns (prompt, response) into a number; one kind a module.

Only `local` needs torch.
"""
