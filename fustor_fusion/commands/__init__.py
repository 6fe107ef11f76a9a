"""The query commands: each asks fusion through `fustor_fusion.client`, and prints for people or, with --json, for programs."""
