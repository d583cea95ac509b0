"""What answers questions: a local model, a server's labels, a decision server, text, a head."""
