"""Worked studies with a known truth: the quickstart (arithmetic) and the laboratory (essays)."""
