"""From a policy and a checker to a process reward model: label steps by rollouts, train, and choose
among 16 answers.

The policy is a small model that adds digits and errs now and then; the checker knows the answers
and nothing of steps. Put your own in their place: any `Generator` (a Hugging Face model by
`engines.hf`, a server by `engines.openai`), any `Verifier`. About three minutes on one core.

    python examples/process_reward_model.py runs/example
"""

import argparse
from pathlib import Path

import numpy as np

from assay.labelling.adaptive import Adaptive
from assay.labelling.ledger import Ledger
from assay.labelling.rollouts import Rollouts
from assay.losses.step_bce import StepBCE
from assay.pages.solutions import solutions_section
from assay.protocols import Prefix, Sampling
from assay.report.html import write_report
from assay.scorers.local import LocalScorer
from assay.stats import best_of_n_curve, oracle_curve
from assay.studies.arithmetic.running_sums import Arithmetic
from assay.training.loop import train
from assay.types import Group, Score
from assay.worlds.threads import threads


def main(out: Path, world: Arithmetic) -> None:
    # A policy and a checker.
    out.mkdir(parents=True, exist_ok=True)
    if not (out / "policy").is_dir():
        world.make_policy(out / "policy", lambda done, note: None)
    policy, checker = world.policy(out / "policy"), world.verifier
    training, test = world.prompts()

    # Solutions whose steps are to be labelled.
    sampling = Sampling(n=4, max_tokens=25)
    sampled = policy.generate([Prefix(prompt) for prompt in training], sampling)
    given = [
        (prompt, r)
        for prompt, responses in zip(training, sampled, strict=True)
        for r in responses
        if r.steps
    ]

    # Labels: rollouts from after a step, where the label is undecided. A run that is stopped goes
    # on from the ledger.
    with Ledger(out / "ledger.jsonl") as ledger:
        rollouts = Rollouts(
            generator=policy,
            verifier=checker,
            sampling=Sampling(max_tokens=25, seed=1),
            name="policy",
            ledger=ledger,
        )
        records = Adaptive(label="soft")(given, rollouts)
    print(
        f"{len(records)} solutions labelled with {rollouts.cost.rollouts + rollouts.cost.known}"
        " rollouts"
    )

    # A process reward model.
    model = train(
        world.reward_model("process"),
        records,
        loss=StepBCE(),
        settings=world.settings("process", len(records)),
        out=out / "model",
    ).model

    # What it is worth: best of n for n up to 16, beside a random choice (n = 1) and the oracle.
    pools = policy.generate(
        [Prefix(prompt) for prompt in test], Sampling(n=16, max_tokens=25, seed=2)
    )
    groups = [
        Group(prompt=prompt, responses=tuple(pool))
        for prompt, pool in zip(test, pools, strict=True)
    ]
    scores = LocalScorer(model).score(groups)
    gold = np.array(
        [
            [checker.verify(r.text, g.prompt.reference or "").value for r in g.responses]
            for g in groups
        ]
    )  # type: ignore[union-attr]
    proxy = [[s.value if isinstance(s, Score) else np.nan for s in row] for row in scores]
    for ours, best in zip(
        best_of_n_curve(proxy, gold, [1, 4, 16]), oracle_curve(gold, [1, 4, 16]), strict=True
    ):
        e = ours.estimate
        print(
            f"best of {ours.n:2}: {e.value:.3f} [{e.low:.3f}, {e.high:.3f}], oracle"
            f" {best.estimate.value:.3f}"
        )

    # Where do solutions break? Steps coloured by the model's score.
    truth = [world.label(g.prompt, g.responses[0]) for g in groups]
    section = solutions_section(
        truth, [row[0] for row in scores], title="Test solutions, as the model sees them"
    )
    write_report(out / "report.html", "A process reward model from rollouts", [section])
    print(f"wrote {out / 'report.html'}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, nargs="?", default=Path("runs/example"))
    parser.add_argument(
        "--problems", type=int, default=1000, help="training problems, with four solutions each"
    )
    parser.add_argument(
        "--test-problems", type=int, default=300, help="problems to choose answers to"
    )
    parser.add_argument(
        "--policy-steps", type=int, default=800, help="optimiser steps of the policy"
    )
    parser.add_argument(
        "--steps", type=int, default=800, help="optimiser steps of the reward model"
    )
    given = parser.parse_args()
    world = Arithmetic(
        train_problems=given.problems,
        test_problems=given.test_problems,
        policy_steps=given.policy_steps,
        steps=given.steps,
    )
    with threads(1):
        main(given.out, world)
