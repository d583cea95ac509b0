"""Step labels by rollouts: how often does a policy finish right from after each step?

`rollouts` makes and keeps the rollouts (`ledger`); a labeller is one module that says which it
wants and what it makes of them: `montecarlo` as many from every step, `adaptive` where the label is
undecided, `binary_search` for the first error alone, `search` grows a tree from the prompt.
`repair` guards against rollouts that undo an error, `consensus` keeps what two labellers agree on.
They see any generator and any verifier, and import neither.
"""
