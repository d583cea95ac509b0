"""Several rewards at once: a verifier, a preference model and a judge, with a gate, in one run.

A small policy adds digits. It is paid for right answers (a checker), for answers that a reward
model prefers, and for what a judge thinks of them; an answer that was cut off earns nothing,
whatever they say. Each reward is compared within its group before they are added (GDPO,
arXiv:2601.05242), so that none speaks for all because its numbers are larger; and where the judge
gives no verdict, the response is compared by the other two. About two minutes on one core.

    python -m examples.mixture runs/mixture

makes the policy and the reward model, and then does the same as this command:

    assay rl gdpo runs/mixture/problems.jsonl --policy runs/mixture/policy \\
        --template plain --join "" \\
        --reward right=assay.worlds.arithmetic.checker:Checker \\
            preferred=runs/mixture/reward_model,weight=0.5 \\
            brief=examples.mixture:judge,weight=0.3 ended=examples.mixture:ended,must_pass=0.5 \\
        --gold truth=assay.worlds.arithmetic.checker:Checker --missing partial --max-tokens 25 \\
        --max-length 64 --learning-rate 4e-4 --steps 40 --out runs/mixture/rl

The judge here is planted, a function in an answerer's place. A model is one by its word, such as
`pointwise:http://localhost:8000/v1,model=NAME` or `pointwise:smol` instead of
`examples.mixture:judge`; `--judge WORD` takes it.
"""

import argparse
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import assay
from assay.data import io
from assay.judges.pointwise import Pointwise
from assay.losses.bradley_terry import BradleyTerry
from assay.protocols import Prefix, Sampling
from assay.questions import Distribution, Question
from assay.studies.arithmetic.records import graded, preferences
from assay.studies.arithmetic.running_sums import Arithmetic
from assay.training.loop import train
from assay.types import Prompt, Unscored
from assay.worlds.threads import threads

CHECKER = "assay.worlds.arithmetic.checker:Checker"


@dataclass(frozen=True)
class Planted:
    """In a language model's place: the fewer steps that add nothing, the higher the rating. On one
    text in eight it has no verdict."""

    def answer(
        self, states: Sequence[Prompt], questions: Sequence[Sequence[Question]]
    ) -> list[list[Distribution | Unscored]]:
        """A sure answer to each question, one of its levels."""
        return [
            [self._rating(state.text, question) for question in some]
            for state, some in zip(states, questions, strict=True)
        ]

    def _rating(self, text: str, question: Question) -> Distribution | Unscored:
        if zlib.crc32(text.encode()) % 8 == 0:
            return Unscored(reason="no verdict")
        level = max(0, len(question.options) - 1 - text.count(" +0="))
        places = range(len(question.options))
        return Distribution(probabilities=tuple(float(place == level) for place in places))


judge = Pointwise(Planted(), levels=5)


def ended(completions: Sequence[str], **columns: object) -> list[float]:
    """Whether a response came to an answer."""
    return [float("ans=" in text) for text in completions]


def main(out: Path, world: Arithmetic, judge_word: str, rounds: int) -> None:
    training, _ = world.prompts()
    io.write(training, out / "problems.jsonl")
    if not (out / "policy").is_dir():
        world.make_policy(out / "policy", lambda done, note: None)

    # A reward model: which of two answers of this policy is right? It is wrong now and then.
    sampled = world.policy(out / "policy").generate(
        [Prefix(prompt) for prompt in training], Sampling(n=8, max_tokens=25)
    )
    pools = [graded(p, rs, world.verifier) for p, rs in zip(training, sampled, strict=True)]
    pairs = preferences(pools, most=8, seed=0)
    train(
        world.reward_model("preference"),
        pairs,
        loss=BradleyTerry(),
        settings=world.settings("preference", len(pairs)),
        out=out / "reward_model",
    )

    # All of them in one run; the checker also watches, on problems that are held out.
    done = assay.rl(
        out / "problems.jsonl",
        recipe="gdpo",
        policy=out / "policy",
        template="plain",
        join="",
        reward=[
            f"right={CHECKER}",
            f"preferred={out / 'reward_model'},weight=0.5",
            f"brief={judge_word},weight=0.3",
            "ended=examples.mixture:ended,must_pass=0.5",
        ],
        gold=[f"truth={CHECKER}"],
        missing="partial",
        max_tokens=25,
        max_length=64,
        learning_rate=4e-4,
        steps=rounds,
        out=out / "rl",
    )
    print(done)
    points = done.evaluations
    for name in points[0].parts:
        print(f"{name}: {points[0].parts[name]:.3f} before, {points[-1].parts[name]:.3f} after")
    print(f"wrote {out / 'rl' / 'report.html'}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, nargs="?", default=Path("runs/mixture"))
    parser.add_argument("--judge", default="examples.mixture:judge", help="a judge's word")
    parser.add_argument("--problems", type=int, default=600, help="problems to train on")
    parser.add_argument("--rounds", type=int, default=40, help="rounds of the policy's training")
    parser.add_argument("--policy-steps", type=int, default=400, help="steps of the policy")
    parser.add_argument("--steps", type=int, default=300, help="steps of the reward model")
    given = parser.parse_args()
    world = Arithmetic(
        train_problems=given.problems, policy_steps=given.policy_steps, steps=given.steps
    )
    with threads(1):
        main(given.out, world, given.judge, given.rounds)
