"""Adapters into the frameworks that train and evaluate: each in their own words, few lines."""
