"""An evaluation with Inspect (inspect-ai 0.3) that a scorer scores.

    inspect eval examples/adapters/inspect_task.py --model openai/NAME \\
        -T word=prm=remote:http://127.0.0.1:8765,model=prm

Inspect cuts what -T says at commas: the word is then a list, which `reward` takes too.
"""

from inspect_ai import Task, task
from inspect_ai.dataset import Sample
from inspect_ai.solver import generate

from assay.adapters.inspect_ai import reward


@task
def sums(word: str | list[str] = "numeric") -> Task:
    pairs = [(a, b) for a in (2, 12) for b in (3, 30)]
    samples = [Sample(input=f"What is {a} plus {b}?", target=str(a + b)) for a, b in pairs]
    return Task(dataset=samples, solver=[generate()], scorer=reward(word))
