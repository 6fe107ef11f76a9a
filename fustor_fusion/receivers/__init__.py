"""Where evidence comes in."""
