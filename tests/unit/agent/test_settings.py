"""What an agent may be told, beyond what its example says."""

import pytest
from pydantic import ValidationError

from fustor_agent.settings import AgentSettings, FileTree, Fusion, Pipe


def settings_for(path: object) -> AgentSettings:
    return AgentSettings.model_validate({"id": "nas", "pipes": {"p": {"root": "data", "source": {"path": path}}}})


def test_a_path_is_what_it_is_on_disk() -> None:
    assert settings_for("/srv/\udcff").pipes["p"] == Pipe(root="data", source=FileTree(path=b"/srv/\xff"))


@pytest.mark.parametrize("path", ["", "/a\0b", None, 7])
def test_what_is_no_path_is_not_taken_for_the_present_directory(path: object) -> None:
    with pytest.raises(ValidationError, match="should be a path"):
        settings_for(path)


def test_a_key_is_given_once() -> None:
    with pytest.raises(ValidationError, match="give key or key_file, not both"):
        Fusion.model_validate({"key": "k", "key_file": "/f"})


def test_each_pipe_has_a_root_of_its_own() -> None:
    pipe = {"root": "data", "source": {"path": "/srv"}}
    with pytest.raises(ValidationError, match="several of them become root data"):
        AgentSettings.model_validate({"id": "nas", "pipes": {"one": pipe, "two": pipe}})
