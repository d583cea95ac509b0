"""Why the best of many answers may be worse than the first: over-optimization in a world where all
is known.

Gold is what we want; the proxy is what we choose by. No model is needed to see what happens between
them, so this takes seconds. The same call takes your own arrays.

    python examples/over_optimization.py
"""

# %% [markdown]
# ## A proxy that is gold plus noise
#
# 60 prompts with 128 answers each. The proxy sees gold through noise of the same size.

# %%
import numpy as np

import assay

rng = np.random.default_rng(0)
gold = rng.normal(size=(60, 128))
noisy = gold + rng.normal(size=gold.shape)
print(assay.overoptimization(proxy=noisy, gold=gold))

# %% [markdown]
# Gold rises less than the proxy promises, and never falls. More answers cost money, not quality:
# this is *regressional* Goodhart.
#
# ## A proxy that can be fooled
#
# One answer in a hundred holds something that the proxy likes and that is worth nothing.

# %%
hacked = rng.random(gold.shape) < 0.01
worthless = np.where(hacked, gold - 3.0, gold)
fooled = noisy + np.where(hacked, 8.0, 0.0)
result = assay.overoptimization(proxy=fooled, gold=worthless)
print(result)

# %% [markdown]
# Now gold rises and then falls, for among many answers one is nearly always a hack, and it wins.
# This is *extremal* Goodhart, and no pairwise accuracy shows it: of two answers at random the
# second proxy prefers the better one nearly as often as the first.

# %%
for name, proxy, true in (("noisy", noisy, gold), ("fooled", fooled, worthless)):
    agree = (proxy[:, ::2] > proxy[:, 1::2]) == (true[:, ::2] > true[:, 1::2])
    print(f"{name}: prefers the better of two answers in {agree.mean():.2f} of pairs")
