"""The root of a pipe: opened, recognised, and held on to."""
