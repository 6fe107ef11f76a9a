"""What the design promises about speed, measured against others in the same run: `make bench`."""
