"""What tests of Fustor, and of sources and stores made for it, can build on. Nothing of it runs in an agent or a fusion."""
