"""Reward models: a causal-LM backbone, a head, and a read-out that is data."""
