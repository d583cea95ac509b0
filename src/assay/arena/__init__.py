"""Rank players from comparisons: models, checkpoints, reward models, prompts, judges."""
