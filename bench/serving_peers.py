"""Two other servers for `bench/serving.py`, on stock transformers.

* serve_rm: what OpenRLHF's `openrlhf/cli/serve_rm.py` does (0.11.2): each request is tokenised and
  run within the handler, so that a forward pass holds up the event loop and no two requests share
  one. Every text ends with one end-of-sequence token.
* batching: the usual answer to that: requests wait in a queue, and up to 32 of them, or what came
  within 5 ms, are padded to one batch, which a thread runs.
"""

import argparse
import asyncio

import torch
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse
from transformers import AutoModelForSequenceClassification, AutoTokenizer

LARGEST, WAIT = 32, 0.005


class Model:
    """Padded batches on a classifier."""

    def __init__(self, folder: str) -> None:
        self.network = AutoModelForSequenceClassification.from_pretrained(folder).eval()
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.end = self.tokenizer.eos_token
        self.tokens = 0

    def rewards(self, texts: list[str]) -> list[float]:
        # OpenRLHF's own strips the letters of the tokens' names off both ends, "<bos>" to "bos>".
        closed = [text.removesuffix(self.end) + self.end for text in texts]
        batch = self.tokenizer(
            closed, return_tensors="pt", padding=True, truncation=True, max_length=4096
        )
        self.tokens += batch["input_ids"].numel()
        with torch.no_grad():
            logits = self.network(
                input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]
            ).logits
        return logits[:, 0].tolist()


class Queue:
    """Requests that go through the model together."""

    def __init__(self, model: Model) -> None:
        self.model, self.waiting = model, asyncio.Queue()
        self.task = asyncio.create_task(self.work())

    async def ask(self, text: str) -> float:
        done = asyncio.get_running_loop().create_future()
        await self.waiting.put((text, done))
        return await done

    async def work(self) -> None:
        while True:
            batch = [await self.waiting.get()]
            end = asyncio.get_running_loop().time() + WAIT
            while len(batch) < LARGEST:
                left = end - asyncio.get_running_loop().time()
                if self.waiting.empty() and left <= 0:
                    break
                try:
                    batch.append(await asyncio.wait_for(self.waiting.get(), max(left, 0.001)))
                except TimeoutError:
                    break
            rewards = await asyncio.to_thread(self.model.rewards, [text for text, _ in batch])
            for (_, done), reward in zip(batch, rewards, strict=True):
                done.set_result(reward)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", choices=["serve_rm", "batching"])
    parser.add_argument("--model")
    parser.add_argument("--port", type=int)
    parser.add_argument("--threads", type=int)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    model = Model(arguments.model)
    model.rewards(["w10 w11"])
    model.tokens = 0
    app, queues = FastAPI(), []

    @app.post("/get_reward")
    async def get_reward(request: Request) -> JSONResponse:
        texts = (await request.json())["query"]
        if arguments.kind == "serve_rm":
            return JSONResponse({"rewards": model.rewards(texts)})
        if not queues:
            queues.append(Queue(model))
        return JSONResponse({"rewards": await asyncio.gather(*map(queues[0].ask, texts))})

    @app.get("/metrics")
    async def metrics() -> PlainTextResponse:
        return PlainTextResponse(f"tokens_read {model.tokens}\n")

    uvicorn.run(app, host="127.0.0.1", port=arguments.port, log_level="warning")


if __name__ == "__main__":
    main()
