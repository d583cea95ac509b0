"""May a judge speak for people? Three people and a judge with a rubric read the same replies.

A judge is held against people, refused, mended and let in; a judge of pairs is asked in both
orders. People and language model are played by a few lines, so that this takes seconds. Put your
own in their place: labels by `assay annotate export`, and a judge's word such as
`rubric:rubric.yaml@http://localhost:8000/v1,model=NAME`. It writes below runs/judge_and_people.
"""

# %% [markdown]
# ## How far do people agree?
#
# One of two replies to each customer is an answer; some are courteous, which is none. A person errs
# once in ten. Intervals are by prompt, and Krippendorff's alpha is 0 for agreement by chance.

# %%
import json
from pathlib import Path

import numpy as np

import assay
from assay.data.rubrics import Criterion, Rubric
from assay.errors import ConfigError
from assay.judges.pairwise import Pairwise
from assay.judges.rubric import RubricScorer
from assay.questions import Distribution
from assay.stats.agreement import alpha, pairwise_agreement
from assay.workflows.gate import admitted, check_gate, gate

out = Path("runs/judge_and_people")
out.mkdir(parents=True, exist_ok=True)
rng = np.random.default_rng(0)
prompts = [f"When will I get the money for order {number}?" for number in range(100)]
good = [f"It is paid back within {3 + number % 7} days." for number in range(100)]
bad = ["We have passed it on to our team." for _ in prompts]
for replies, share in ((good, 0.2), (bad, 0.5)):
    replies[:] = [("Thank you for asking! " if rng.random() < share else "") + r for r in replies]
asked = [(p, reply) for p, *both in zip(prompts, good, bad, strict=True) for reply in both]
votes = [[("days" in reply) != (rng.random() < 0.1) for _ in range(3)] for _, reply in asked]
with (out / "labels.jsonl").open("w") as file:
    for (prompt, reply), said in zip(asked, votes, strict=True):
        file.write(json.dumps({"prompt": prompt, "response": reply, "verdicts": said}) + "\n")
for name, measure in (("two people agree", pairwise_agreement), ("alpha", alpha)):
    e = measure(votes, clusters=[prompt for prompt, _ in asked])
    print(f"{name}: {e.value:.3f} [{e.low:.3f}, {e.high:.3f}], {e.n} prompts")

# %% [markdown]
# ## Does the judge agree with them?
#
# In the language model's place stands an answerer with two habits: it takes courtesy for an answer,
# unless the criterion says that it is none; and of two replies it likes the first.


# %%
class Played:
    def answer(self, states, questions):
        """Answer each state's questions: a probability for each option."""
        asked = zip(states, questions, strict=True)
        return [[self.one(state.text, question) for question in some] for state, some in asked]

    def one(self, shown, question):
        courtesy = 0.0 if "Courtesy is no answer" in question.text else 0.8
        replies = shown.split("The second response:")
        worth = [("days" in r) + courtesy * ("Thank you" in r) for r in replies]
        ahead = worth[0] - (worth[1] - 0.4 if len(worth) == 2 else 0.5)
        first = 1 / (1 + np.exp(-4 * ahead))
        return Distribution(probabilities=(first, 1 - first, 0.0)[: len(question.options)])


def judge_of(criterion):
    rubric = Rubric(criteria=(Criterion(id="answers", text=criterion),))
    return RubricScorer(Played(), rubric, abstain=False)


careless = judge_of("The reply answers the customer.")
print(gate(out / "labels.jsonl", careless, blind="yes", out=out / "careless.json"))

# %% [markdown]
# Closed. `specificity` says where it errs: it passes what is no answer. A sentence in the rubric
# mends that. It was written after a look at these labels, so hold it against fresh ones as well.

# %%
careful = judge_of("The reply says when the money comes. Courtesy is no answer.")
print(gate(out / "labels.jsonl", careful, blind="yes", out=out / "gate.json"))

# %% [markdown]
# ## And in the other order?
#
# `accuracy` is of the mean of both orders, and hides that a third of the pairs flip: there the
# place decides, not the reply. `accuracy_both_orders` counts what is right whichever stands first.

# %%
with (out / "pairs.jsonl").open("w") as file:
    for row in zip(prompts, good, bad, strict=True):
        file.write(json.dumps(dict(zip(("prompt", "chosen", "rejected"), row, strict=True))) + "\n")
print(assay.judge(out / "pairs.jsonl", Pairwise(Played())))

# %% [markdown]
# ## What next
#
# Jobs with `gate=` (`--gate`) refuse all but this judge with this rubric. Ask its anchors again
# next week, for the model behind a name may have changed.

# %%
try:
    admitted([out / "gate.json"], {"the careless judge": careless})
except ConfigError as error:
    print(error)
print(check_gate(out / "gate.json", careful))
