"""What copies of the project's metadata say: the conda recipe, the citation, the container."""

import re
import tomllib
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def _recipe() -> Any:
    """The recipe as conda-build reads it: a template first, then YAML."""

    def load_file_data(name: str, *, from_recipe_dir: bool) -> Any:
        assert from_recipe_dir
        return tomllib.loads((ROOT / "recipe" / name).read_text())

    source = (ROOT / "recipe" / "meta.yaml").read_text()
    template = jinja2.Environment(undefined=jinja2.StrictUndefined).from_string(source)
    return yaml.safe_load(template.render(load_file_data=load_file_data, PYTHON="python"))


def test_the_recipe_has_the_projects_version_and_dependencies() -> None:
    recipe = _recipe()
    assert recipe["package"] == {"name": PROJECT["name"], "version": PROJECT["version"]}
    python = f"python {PROJECT['requires-python']}"
    assert recipe["requirements"]["run"] == [python, *PROJECT["dependencies"]]
    assert python in recipe["requirements"]["host"]
    assert recipe["about"]["license"] == PROJECT["license"]
    [entry] = recipe["build"]["entry_points"]
    assert entry == f"assay = {PROJECT['scripts']['assay']}"
    # A marker or an extra of pip's means nothing to conda.
    assert not [need for need in PROJECT["dependencies"] if re.search(r"[;\[]", need)]


def test_the_container_has_all_that_the_build_reads_and_extras_that_exist() -> None:
    text = (ROOT / "Dockerfile").read_text()
    [copied] = re.findall(r"^COPY (.+) \./$", text, re.M)
    ignored = (ROOT / ".dockerignore").read_text().split()
    for name in copied.split():
        assert (ROOT / name).is_file()
        assert f"!{name}" in ignored
    assert {PROJECT["readme"], *PROJECT["license-files"]} <= {*copied.split()}
    [extras] = re.findall(r"'\.\[(.+)\]'", text)
    assert {*extras.split(",")} <= {*PROJECT["optional-dependencies"]}


@pytest.mark.parametrize("name", ["bug", "idea"])
def test_a_template_for_issues_has_what_a_form_needs(name: str) -> None:
    form = yaml.safe_load((ROOT / ".github" / "ISSUE_TEMPLATE" / f"{name}.yml").read_text())
    assert {"name", "description", "body"} <= {*form}
    ids = [part.get("id") for part in form["body"] if part["type"] != "markdown"]
    assert None not in ids
    assert len(ids) == len({*ids})
    assert all(part["attributes"].get("label") for part in form["body"] if part.get("id"))


def test_the_citation_has_the_required_fields_and_the_license() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= {*citation}
    assert citation["license"] == PROJECT["license"]
