"""Fusion: merges the evidence of all agents into views, and answers queries."""
