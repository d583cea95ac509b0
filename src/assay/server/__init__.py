"""A reward server: every scorer and judge behind one port, in the dialects of many stacks."""
