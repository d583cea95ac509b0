"""A rubric of OpenEnv (openenv-core 0.3): give it to an environment, Environment(rubric=...)."""

import asyncio
from types import SimpleNamespace
from typing import Any

from openenv.core.rubrics import WeightedSum

from assay.adapters.openenv import ScorerRubric


def read(action: Any, observation: Any) -> tuple[str, str, str]:
    return observation.prompt, action.message, observation.answer


rubric = WeightedSum([ScorerRubric("numeric", read), ScorerRubric("shortest", read)], [0.99, 0.01])

if __name__ == "__main__":
    seen = SimpleNamespace(prompt="What is 12 plus 30?", answer="42")
    print(asyncio.run(rubric(SimpleNamespace(message="The answer is 42."), seen)))
