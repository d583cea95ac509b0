"""A task of verifiers (0.4) that is rewarded by a running `assay serve`, or by any scorer.

    python examples/adapters/verifiers_task.py prm=remote:http://127.0.0.1:8765,model=prm

It scores traces that are written here. In an environment of yours the task is all that is needed.
"""

import asyncio
import sys

import verifiers.v1 as vf

from assay.adapters.verifiers import reward

WORD = sys.argv[1] if len(sys.argv) > 1 else "numeric"
PAY = reward(WORD, reference="answer")


class Data(vf.TaskData):
    answer: str


class Sum(vf.Task[Data, vf.State, vf.TaskConfig]):
    @vf.reward
    async def scored(self, trace: vf.Trace) -> float:
        return await PAY(self.data, trace)


async def main() -> None:
    task = Sum(Data(prompt="What is 12 plus 30?", answer="42"))
    for said in ("12 plus 30 is 42.\nThe answer is 42.", "It is 12 plus 30.\nThe answer is 41."):
        trace = vf.Trace(
            task=vf.TraceTask(type="Sum", data=task.data),
            agent=vf.AgentInfo(config=vf.AgentConfig()),
            nodes=[
                vf.MessageNode(message=vf.UserMessage(content=task.data.prompt)),
                vf.MessageNode(parent=0, message=vf.AssistantMessage(content=said), sampled=True),
            ],
        )
        await task.score(trace)
        print(f"{trace.reward:.4f}  {said!r}")


if __name__ == "__main__":
    asyncio.run(main())
