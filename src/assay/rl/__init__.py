"""Train a policy against a reward, and watch the gold while the proxy climbs.

`loop` composes the rest, each of which is pure: `rollout` (samples), `scoring` (scores become
rewards, by `transforms` and the placements of `rewards`), `advantages`, `objectives`, `kl`;
`alarms` reads the rows of a run. `policy` holds the model that learns and its reference, `prime` a
process model that learns along, `settings` the values, with the names that the field gives to some
of them (PPO, GRPO, RLOO, DAPO, PURE ...).
"""
