"""Published ways to compare models: what is asked, and what is made of the answers."""
