"""The agent: runs beside the data, and reports evidence of what is there."""
