"""Words that both sides of Fustor share; imports neither of them."""
