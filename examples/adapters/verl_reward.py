"""Rewards of verl (0.9) by file: a number a response, or a reward a step.

reward.custom_reward_function.path=examples/adapters/verl_reward.py
reward.custom_reward_function.name=compute_score
+reward.custom_reward_function.reward_kwargs.word=remote:http://127.0.0.1:8765

reward.reward_manager.source=importlib
reward.reward_manager.module.path=examples/adapters/verl_reward.py
reward.reward_manager.name=StepRewards
algorithm.adv_estimator=reinforce_plus_plus
"""

from assay.adapters.verl import compute_score, manager

__all__ = ["StepRewards", "compute_score"]

StepRewards = manager("remote:http://127.0.0.1:8765,model=prm,place=every_step")
