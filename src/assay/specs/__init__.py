"""One grammar from words to objects: scorers, verifiers, generators, rewards."""
