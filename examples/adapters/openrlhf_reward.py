"""A reward function of OpenRLHF (0.11): --reward.remote_url examples/adapters/openrlhf_reward.py

The prompts are what the policy's chat template made; `question` takes the user's words out of
Qwen's, so that the reward model's own template can lay them out.
"""

from assay.adapters.openrlhf import reward_function


def question(text: str) -> str:
    return text.rpartition("<|im_start|>user\n")[2].partition("<|im_end|>")[0]


reward_func = reward_function(
    "remote:http://127.0.0.1:8765,model=prm,place=every_step", read=question, end="<|im_end|>"
)
