"""A reward of slime: --custom-rm-path examples.adapters.slime_reward.custom_rm

The data's `metadata` has the prompt's messages under "messages".
"""

from assay.adapters.slime import reward

custom_rm = reward("remote:http://127.0.0.1:8765,model=prm,place=every_step", messages="messages")
