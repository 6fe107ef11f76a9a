"""Roots, alive: each has a store, a clock, sessions, and one thread that writes."""
