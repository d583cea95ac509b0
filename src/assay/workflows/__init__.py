"""One function per job: the only package that knows all others."""
