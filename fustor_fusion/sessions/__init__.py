"""The sessions of one root, as plain decisions: who leads, what each has said, and where they contradict each other."""
