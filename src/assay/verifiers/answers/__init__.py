"""Final answers: extraction, normalisation and comparison."""
