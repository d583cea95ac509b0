import json
from pathlib import Path
from typing import Any

import pytest

from assay.cli import main
from assay.data import io
from assay.specs.generators import Policy
from assay.types import Group, Prompt, Ranking, Record, Response
from assay.worlds.arithmetic.policy import llama_config
from assay.worlds.arithmetic.task import all_problems, prompts_of
from assay.worlds.arithmetic.tokenizer import make_tokenizer
from tests.engines.fake_server import Asked, FakeServer, Reply

CHECKER = ["--verifier", "assay.worlds.arithmetic.checker:Checker"]


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights: what it writes is nonsense, with a step and an answer here and there."""
    import torch
    from transformers import LlamaForCausalLM

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("policy")
    model: Any = LlamaForCausalLM(llama_config())
    model.save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    return folder


def write(path: Path, *records: Record) -> str:
    io.write(records, path)
    return str(path)


def problems(tmp_path: Path) -> str:
    return write(tmp_path / "p.jsonl", *prompts_of(all_problems()[:6]))


def search(how: str, *arguments: object, policy: Path | None = None) -> None:
    local = [
        "--policy",
        str(policy),
        "--template",
        "plain",
        "--join",
        "",
        "--max-length",
        "64",
        "--max-tokens",
        "8",
        "--device",
        "cpu",
        "--step-tokens",
        "3",
        "--step-stop",
        *(f"={digit}" for digit in range(10)),
    ]
    main(["search", how, *map(str, arguments), *CHECKER, *(local if policy else [])])


def rows(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]


def without_time(out: Path) -> list[dict[str, Any]]:
    return [
        {**row, "spent": {k: v for k, v in row["spent"].items() if k != "seconds"}}
        for row in rows(out)
    ]


@pytest.mark.parametrize(
    ("how", "settings"),
    [
        ("best-of-n", ["--n", "3"]),
        ("majority", ["--n", "6", "--chunk", "2"]),
        ("beam", ["--n", "4", "--width", "2", "--max-steps", "3", "--lookahead", "1"]),
        ("mcts", ["--simulations", "3", "--each", "2", "--max-steps", "3"]),
    ],
)
def test_a_search_is_written_reported_resumed_and_replayed(
    how: str, settings: list[str], policy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = problems(tmp_path), tmp_path / "out"
    search(how, data, "--out", out, "--scorer", "longest", *settings, policy=policy)
    said = capsys.readouterr().out
    assert "prompts: 6" in said
    assert "accuracy: " in said
    assert "generated tokens per prompt: " in said
    first = without_time(out)
    assert len(first) == 6
    assert all(row["spent"]["generated_tokens"] > 0 for row in first)
    assert "<html" in (out / "report.html").read_text()
    run = json.loads((out / "run.json").read_text())
    assert run["settings"]["strategy"]["component"] == f"search/{how}"

    search(how, data, "--out", out, "--scorer", "longest", *settings, policy=policy)
    assert without_time(out) == first
    record = (out / "record.jsonl").read_bytes()
    assert len({json.loads(line)["sha256"] for line in record.splitlines()}) == len(
        record.splitlines()
    )

    search(
        how,
        data,
        "--out",
        tmp_path / "again",
        "--scorer",
        "longest",
        *settings,
        "--replay",
        out / "record.jsonl",
    )
    assert without_time(tmp_path / "again") == first


def test_the_truth_as_scorer_is_the_oracle(
    policy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prompts = prompts_of(all_problems()[:4])
    answers = [(f" ans={(int(p.reference or 0) + 1) % 10}", f" ans={p.reference}") for p in prompts]
    pool = [
        Group(prompt=p, responses=tuple(map(Response.of, texts)))
        for p, texts in zip(prompts, answers, strict=True)
    ]
    data, file = write(tmp_path / "p.jsonl", *prompts), write(tmp_path / "pool.jsonl", *pool)
    search(
        "best-of-n",
        data,
        "--out",
        tmp_path / "o",
        "--scorer",
        "verifier",
        "--replay",
        file,
        "--n",
        "2",
    )
    assert "accuracy: 1.000" in capsys.readouterr().out
    search(
        "rejection",
        data,
        "--out",
        tmp_path / "r",
        "--scorer",
        "verifier",
        "--replay",
        file,
        "--n",
        "2",
    )
    kept = list(io.read(str(tmp_path / "r" / "kept.jsonl")))
    assert [[r.text for r in g.responses] for g in kept if isinstance(g, Group)] == [
        [f" ans={p.reference}"] for p in prompts
    ]
    assert "responses kept: 4" in capsys.readouterr().out
    search(
        "best-of-n",
        data,
        "--out",
        tmp_path / "m",
        "--scorer",
        "verifier",
        "--replay",
        file,
        "--n",
        "5",
    )
    assert "samples missing: 12" in capsys.readouterr().out


def test_strategies_are_compared(
    policy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    search(
        "compare",
        problems(tmp_path),
        "--out",
        out,
        "--scorer",
        "random",
        "--ns",
        "1",
        "4",
        "--strategies",
        "best-of-n",
        "beam:max_steps=3",
        "mcts:simulations=2,each=2",
        policy=policy,
    )
    found = json.loads((out / "compare.json").read_text())
    assert {way: [p["n"] for p in points] for way, points in found["points"].items()} == {
        "best-of-n": [1, 4],
        "beam:max_steps=3": [1, 4],
        "mcts:simulations=2,each=2": [0],
    }
    one, four = found["points"]["best-of-n"]
    assert four["samples"] == 4 * one["samples"] == 4
    assert four["generated_tokens"] > 2 * one["generated_tokens"]
    assert "best-of-n n=4: " in capsys.readouterr().out
    assert "<svg" in (out / "report.html").read_text()
    # Samples were shared: those of n=1 are the first of those of n=4.
    lines = [json.loads(line) for line in (out / "record.jsonl").read_text().splitlines()]
    whole = [line for line in lines if line["kind"] == "samples" and not line["sampling"]["stop"]]
    assert sum(len(line["samples"]) for line in whole) == 6 * 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["best-of-n"], "give --policy, or --replay"),
        (["best-of-n", "--scorer", "nobody"], "nobody is no folder of a reward model"),
        (["best-of-n", "--scorer", "none"], "there is no scorer; give one"),
        (["best-of-n", "--scorer", "log-probability"], "log-probabilities need a local policy"),
        (["best-of-n", "--scorer", "longest", "--aggregate", "min"], "gives no step scores"),
        (["best-of-n", "--scorer", "longest", "--lower-bound", "1"], "does not say how sure"),
        (["best-of-n", "--scorer", "longest", "--generated-tokens", "5"], "does not count"),
        (["best-of-n", "--scorer", "none", "--n", "2"], "there is no scorer"),
        (["compare", "--strategies", "guess"], "no search component is called 'guess'"),
        (["compare", "--strategies", "beam:depth=2"], "has no setting 'depth=2'"),
    ],
)
def test_what_does_not_work_is_said(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prompt = Prompt.of("q", reference="1")
    data = write(tmp_path / "p.jsonl", prompt)
    pool = write(
        tmp_path / "pool.jsonl",
        Ranking(prompt=prompt, responses=(Response.of(" ans=1"),) * 20, grades=(1.0,) * 20),
    )
    how, *rest = arguments
    with pytest.raises(SystemExit) as stop:
        search(how, data, "--out", tmp_path / "out", *(["--replay", pool] if rest else []), *rest)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_a_reference_is_needed_to_compare(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        search("compare", write(tmp_path / "p.jsonl", Prompt.of("q")), "--out", tmp_path / "out")
    assert "no reference answer" in capsys.readouterr().err


def test_stops_may_be_written_with_escapes() -> None:
    from assay.cli.search import Searching

    command = Searching(
        prompts="p", policy=Policy(policy="x"), out=Path("o"), step_stop=(r"\n\n", r"é\t")
    )
    arguments = command.arguments()
    whole, step = arguments["sampling"], arguments["step"]
    assert (whole.stop, step.stop) == ((), ("\n\n", "é\t"))
    assert step.max_tokens == 256


REFUSED = Reply(status=400, body={"error": {"message": "too long for me"}})
SERVED = ["--api", "chat", "--model", "m", "--verifier", "numeric"]


def asked_of(tmp_path: Path, how: str, refuses: str, *arguments: str) -> Path:
    """A search of three prompts on a server that refuses those that hold a text, and answers the
    others "it is 4"."""
    data = write(
        tmp_path / "p.jsonl", *(Prompt.of(f"{k} and {4 - k}?", reference="4") for k in range(3))
    )

    def script(asked: Asked) -> Reply:
        return REFUSED if refuses in asked.text else Reply(choice={"text": "it is 4"})

    with FakeServer(script) as server:
        main(
            [
                "search",
                how,
                data,
                "--out",
                str(tmp_path / "o"),
                "--policy",
                f"{server.url}/v1",
                *SERVED,
                *arguments,
            ]
        )
    return tmp_path / "o"


def test_a_refused_prompt_is_unscored_with_the_servers_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = asked_of(tmp_path, "majority", "1 and", "--n", "1")
    said = capsys.readouterr().out
    assert "accuracy: 1.000" in said
    assert "n=2, 1 unscored" in said
    assert "too long for me): 1" in said
    assert [(row["right"], bool(row["failed"])) for row in rows(out)] == [
        (1.0, False),
        (None, True),
        (1.0, False),
    ]


def test_a_comparison_leaves_out_what_was_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = asked_of(tmp_path, "compare", "1 and", "--strategies", "majority", "--ns", "1", "2")
    found = json.loads((out / "compare.json").read_text())["points"]["majority"]
    assert [(p["accuracy"]["value"], p["accuracy"]["unscored"], p["samples"]) for p in found] == [
        (1, 1, 1),
        (1, 1, 2),
    ]
    assert "too long for me" in capsys.readouterr().out


@pytest.mark.parametrize(
    "how", [["majority", "--n", "2"], ["compare", "--strategies", "majority", "--ns", "1"]]
)
def test_where_everything_is_refused_the_reason_is_the_error(
    how: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        asked_of(tmp_path, how[0], "and", *how[1:])
    assert stopped.value.code == 2
    assert "3 requests: refused: 400 Bad Request: too long for me" in capsys.readouterr().err
    assert not (tmp_path / "o" / "results.jsonl").exists()
