"""One HTTP client for every server that is asked: retries, rate limits, back-pressure, keys."""
