"""A resources server of NeMo Gym whose `/verify` is any scorer.

    if __name__ == "__main__":
        resources_server("runs/rm", reference="expected_answer").run_webserver()

A running `assay serve` answers `/verify` itself.
"""

from typing import Any

from assay.errors import DataError
from assay.types import Prompt, Response
from assay.workflows.paying import Payer, payer, total_of

__all__ = ["read", "resources_server"]


def read(pays: Payer, body: Any, reference: str = "") -> tuple[Prompt, Response]:
    """Read a request's conversation; reference: its field with the reference answer."""
    row = body.model_dump()
    given, said = row["responses_create_params"]["input"], row["response"]["output"]
    return pays.items(given, said, row[reference] if reference else None)


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
