"""find's language: parsed into a tree, evaluated entry by entry as GNU find does it, and planned against what fusion itself can filter.
Pure."""
