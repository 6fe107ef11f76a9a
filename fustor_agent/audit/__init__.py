"""Reads again, little by little, what no event told of."""
