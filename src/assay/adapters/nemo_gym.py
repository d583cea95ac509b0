"""A resources server of NeMo Gym whose `/verify` is any scorer.

    if __name__ == "__main__":
        resources_server("runs/rm", reference="expected_answer").run_webserver()

A running `assay serve` answers `/verify` itself.
"""

from typing import Any

from assay.adapters.paying import Payer, payer, total_of
from assay.data.conversations import response
from assay.data.items import messages
from assay.errors import DataError
from assay.types import Prompt, Response

__all__ = ["read", "resources_server"]


def read(pays: Payer, body: Any, reference: str = "") -> tuple[Prompt, Response]:
    """Read a request's conversation, in the items of OpenAI's Responses API.

    reference: the request's field with the reference answer.
    """
    row = body.model_dump()
    given = row["responses_create_params"]["input"]
    wanted = row[reference] if reference else None
    said = response(messages(row["response"]["output"], "response.output"))
    if not said.turns:
        said = pays.said(said.text)
    prompt = Prompt(
        messages=tuple(messages(given, "responses_create_params.input")),
        reference=None if wanted is None else str(wanted),
    )
    return prompt, said


def resources_server(word: Any, *, reference: str = "", **settings: Any) -> type:
    """Return the server's class. What cannot be scored is answered 422 with the reason."""
    from fastapi import HTTPException
    from nemo_gym.base_resources_server import (
        BaseVerifyRequest,
        BaseVerifyResponse,
        SimpleResourcesServer,
    )
    from pydantic import ConfigDict

    pays = payer(word, **settings)

    class VerifyRequest(BaseVerifyRequest):  # type: ignore[misc]
        model_config = ConfigDict(extra="allow")

    class ScorerServer(SimpleResourcesServer):  # type: ignore[misc]
        async def verify(self, body: VerifyRequest) -> BaseVerifyResponse:
            try:
                total = total_of(await pays.pay_one(*read(pays, body, reference)))
            except DataError as error:
                raise HTTPException(422, str(error)) from error
            return BaseVerifyResponse(**body.model_dump(), reward=total)

    return ScorerServer
