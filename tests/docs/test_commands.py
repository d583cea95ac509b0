"""The pages of start and the how-tos: their form here, and what follows them. That each command
works as printed is `make docs-check`, two minutes of processor."""

import os
import re
import time
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, START, Fault, follow, how_tos, missing, steps
from tests.docs.render import cells, notebook, notebook_of, page, run

RENDERED = sorted((DOCS / "examples").glob("*.md"))
PAGES = [START, *how_tos(), *RENDERED]
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_page_ends_with_a_next_step_and_links_to_what_is_there(path: Path) -> None:
    text = path.read_text()
    last = text.rstrip("\n").rpartition("\n")[2]
    assert last.startswith("Next: [")
    for link in LINK.findall(re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)):
        assert link.startswith("https://") or (path.parent / link).exists(), link
    assert text.count("\n# ") + text.startswith("# ") >= 1


def test_every_page_has_something_to_run_and_shows_what_it_prints() -> None:
    for path in [START, *how_tos()]:
        found = steps(path.read_text())
        assert sum(bool(step.printed) for step in found) >= 3, path
        assert len(found) >= 4, path


PAGE = """# Two files

```python title="one.py"
print("n is 3")
```
<!-- not run: there is no such command -->
```sh
no-such-command
```
<!-- instead of a person:
```sh
echo said > by_hand.txt
```
-->
```sh
sleep 60 &
echo $! > pid.txt
python one.py
```

```text
n is 12
```
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "page.md"
    path.write_text(text)
    return path


def test_a_page_is_followed_to_the_letter_and_leaves_nothing_running(tmp_path: Path) -> None:
    room = tmp_path / "room"
    room.mkdir()
    follow(written(tmp_path, PAGE), room)
    assert sorted(path.name for path in room.iterdir()) == ["by_hand.txt", "one.py", "pid.txt"]
    pid = int((room / "pid.txt").read_text())
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            break
        if "Z" in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]:
            break
        time.sleep(0.05)
    else:
        pytest.fail("a program of the page still runs")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("python one.py", "python two.py", "page.md:15: ended with 2"),
        ("python one.py", "python one.py\nfalse\necho never", "page.md:15: ended with 1"),
        ("n is 12", "m is 12", "page.md:15: does not print 'm is 12'"),
        ("echo said", "false", "page.md:11: ended with 1"),
    ],
)
def test_a_page_that_is_wrong_is_named_with_its_line(
    old: str, new: str, says: str, tmp_path: Path
) -> None:
    room = tmp_path / "room"
    room.mkdir()
    with pytest.raises(Fault, match=re.escape(says)):
        follow(written(tmp_path, PAGE.replace(old, new)), room)


def test_any_number_stands_for_any_other_and_words_do_not() -> None:
    output = "noise\n accuracy   0.605 [0.526, 0.680]  97\nwrote 1,200 rows in -3e-07 s\nopen\n"
    assert missing("accuracy 0.7 [-0.1, 12]  1\n...\nopen\n", output) is None
    assert missing("wrote 3 rows ...\n", output) is None
    assert missing("wrote 3 rows in .5 s", output) is None
    assert missing("open\naccuracy 0.7 [0.1, 0.9] 1\n", output) == "accuracy 0.7 [0.1, 0.9] 1"
    assert missing("accuracy none [0.1, 0.9] 1", output) == "accuracy none [0.1, 0.9] 1"
    assert missing("wrote 3 columns ...", output) == "wrote 3 columns ..."


EXAMPLE = '''"""What it is.

    python it.py
"""

# %% [markdown]
# ## Words

# %%
x = 2
print("x", x)

# %%
print(x + 1)
'''


def test_an_example_becomes_a_page_and_a_notebook_with_what_each_cell_printed(
    tmp_path: Path,
) -> None:
    found = run(tmp_path / "it.py", cells(EXAMPLE), (), tmp_path)
    assert [(cell.kind, cell.output) for cell in found] == [
        ("markdown", ""),
        ("markdown", ""),
        ("code", "x 2"),
        ("code", "3"),
    ]
    text = page("it", found)
    assert "```text\npython it.py\n```" in text
    assert '```python\nx = 2\nprint("x", x)\n```\n\n```text\nx 2\n```' in text
    made = notebook("it", found)
    assert [cell["cell_type"] for cell in made["cells"]] == ["markdown", "markdown", "code", "code"]
    assert made["cells"][3]["outputs"][0]["text"] == ["3"]
    assert notebook_of("it", EXAMPLE, text) == made
    with pytest.raises(ValueError, match="substring"):
        notebook_of("it", EXAMPLE, text.replace("x + 1", "x + 2"))


@pytest.mark.parametrize("path", RENDERED, ids=lambda path: path.stem)
def test_the_page_of_an_example_holds_the_code_of_today(path: Path) -> None:
    shown = path.read_text()
    for cell in cells((DOCS.parent / "examples" / f"{path.stem}.py").read_text()):
        if cell.kind == "code":
            assert f"```python\n{cell.text}\n```" in shown, "python -m tests.docs.render"
