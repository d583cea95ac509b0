"""A run's folder: settings, journal, metrics, evaluation points and results."""
