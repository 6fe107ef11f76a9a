"""The rules of evidence, for any store: what a piece of evidence changes in a tree of nodes, and what may be committed at all (DESIGN §2).

Pure: no I/O and no clock. `nodes` is what a store implements, `rules` applies evidence to it, `names` knows what becomes of one name,
`totals` keeps the sums, `ledger` guards the sequences.
"""
