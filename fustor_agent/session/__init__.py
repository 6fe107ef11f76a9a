"""One session of a pipe with fusion: how it begins, what it sends, and what keeps it from going on."""
