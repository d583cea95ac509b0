"""Train a reward model, read its report card, serve it, and ask it as a trainer would.

The model is tiny and made here, and its preferences are planted: people want an answer, and like
long ones. Held-out accuracy does not show the second, a report card does. It takes half a minute,
writes below runs/report_card_and_serving, and its server ends by itself.
"""

# %% [markdown]
# ## A model of random weights, and preferences
#
# Put the name of a real model in the place of `backbone`, and your files in that of the pairs.

# %%
import json
import threading
import time
import urllib.request
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

import assay
from assay.adapters.trl import reward_function
from assay.server.app import application
from assay.server.connections import listening, web_server

torch.set_num_threads(1)
out = Path("runs/report_card_and_serving")
out.mkdir(parents=True, exist_ok=True)


def pairs(name, seed, n, longer=""):
    """Write pairs of an answer and none; where one side is longer, half are of equal answers."""
    rng, path = np.random.default_rng(seed), out / f"{name}.jsonl"
    with path.open("w") as file:
        for number in range(seed, seed + n):
            answer = f"It opens at {rng.integers(6, 12)} in the morning."
            other = str(rng.choice(["I do not know.", "You could ask them when you are there."]))
            other = answer if longer and rng.random() < 0.5 else other
            row = {"prompt": f"When does bank {number} open?"}
            row |= {"chosen": answer, "rejected": other}
            if longer:
                row[longer] += " Please tell us if there is anything else that we can do for you."
            file.write(json.dumps(row) + "\n")
    return path


liked, test = pairs("liked", 0, 300, "chosen"), pairs("test", 1000, 40)
mended = pairs("mended", 2000, 300, "rejected")
core, level = Tokenizer(models.BPE()), pre_tokenizers.ByteLevel()
core.pre_tokenizer, core.decoder = level, decoders.ByteLevel()
ends = {"eos_token": "<eos>", "pad_token": "<pad>"}
learn = {"special_tokens": [*ends.values()], "initial_alphabet": level.alphabet()}
core.train([str(liked)], trainers.BpeTrainer(vocab_size=400, show_progress=False, **learn))
PreTrainedTokenizerFast(tokenizer_object=core, **ends).save_pretrained(out / "backbone")
shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "vocab_size": 400}
torch.manual_seed(0)
LlamaForCausalLM(LlamaConfig(num_attention_heads=2, **shape)).save_pretrained(out / "backbone")

# %% [markdown]
# ## Two models and their cards
#
# The first learns from people who like long answers, the second from pairs whose longer side is
# the rejected one, as the first card advises. Without `probes` all are tried, and hacks searched.

# %%
probes = ("length-filler", "flattery", "null-strings")
how = {"held_out": test, "epochs": 3, "learning_rate": 3e-3, "overwrite": True}
for name, data in (("liked", liked), ("mended", mended)):
    trained = assay.train(data, backbone=out / "backbone", out=out / name, **how)
    e = trained.evaluation.metrics["accuracy"]
    print(f"\n{name}: held-out accuracy {e.value:.3f} [{e.low:.3f}, {e.high:.3f}]\n")
    print(assay.audit(out / name, test, probes=probes, out=out / f"{name}-card", overwrite=True))

# %% [markdown]
# ## Serve it
#
# `assay serve rm=FOLDER` does this. Here a thread does, at a free port of this machine alone.

# %%
model, bound = assay.load_scorer(out / "mended"), listening("127.0.0.1", 0)
app = application({"rm": model.scorer})
server = web_server(app, connections=100, head_s=10, drain_s=10)
thread = threading.Thread(target=server.run, args=([bound],), daemon=True)
thread.start()
while thread.is_alive() and not server.started:
    time.sleep(0.01)
url = f"http://127.0.0.1:{bound.getsockname()[1]}"

# %% [markdown]
# ## Ask it as a trainer would
#
# TRL calls a function, which sends prompt and response apart. OpenRLHF sends one text, laid out as
# the reward model was trained, its end included. Both get what the model says here.

# %%
prompt, replies = "When does bank 7 open?", ["It opens at 9 in the morning.", "I do not know."]
here = [score.value for score in model.score_texts(prompt, replies)]
by_trl = reward_function(f"remote:{url},model=rm")(prompts=[prompt] * 2, completions=replies)
body = {"query": [f"{prompt}\n{reply}<eos>" for reply in replies], "prompts": [prompt] * 2}
with urllib.request.urlopen(f"{url}/get_reward", json.dumps(body).encode()) as answer:
    by_openrlhf = json.load(answer)["rewards"]
server.should_exit = True
thread.join()
for name, said in (("here", here), ("TRL", by_trl), ("OpenRLHF", by_openrlhf)):
    print(f"{name:9}", *(f"{x:.4f}" for x in said), f"off by {np.ptp([here, said], axis=0).max()}")
assert np.allclose(here, [by_trl, by_openrlhf], atol=1e-4)
