"""What tests of an agent, and of what serves agents, can build on. Nothing of it runs in an agent."""
