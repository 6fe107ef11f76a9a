"""Reading a source: on threads that can be given up, as fast as the storage bears, and again where it failed."""
