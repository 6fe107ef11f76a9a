"""Settings are complete or refused in one line that says where and what to do."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field, SecretStr, ValidationError

from fustor_core.errors import ConfigurationError
from fustor_core.settings import Section, Settings, dump, load
from fustor_core.units import BytePath, Duration, Size


class Listen(Section):
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 8103


class FileTree(Section):
    type: Literal["fs"]
    path: BytePath
    quiet: Annotated[Duration, Field(gt=0)] = 10.0


class Bucket(Section):
    type: Literal["s3"]
    bucket: str


class Pipe(Section):
    source: Annotated[FileTree | Bucket, Field(discriminator="type")]
    root: str


class Key(Section):
    name: str
    scopes: tuple[str, ...] = ()
    secret: SecretStr | None = None


class Agent(Settings):
    id: str = "nas"
    listen: Listen = Listen()
    key: SecretStr | None = None
    limit: Size = 4 * 1024**2
    keys: tuple[Key, ...] = ()
    pipes: dict[str, Pipe] = Field(default_factory=dict)


class Demanding(Settings):
    id: str
    listen: Listen


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "agent.yaml"


def read(file: Path, text: str, environ: Mapping[str, str] | None = None, options: Mapping[str, object] | None = None) -> Agent:
    file.write_text(text)
    return load(Agent, prefix="FUSTOR_AGENT", environ=environ or {}, file=file, options=options)


def fault(file: Path, text: str = "", environ: Mapping[str, str] | None = None, options: Mapping[str, object] | None = None) -> str:
    with pytest.raises(ConfigurationError) as refused:
        read(file, text, environ, options)
    message = str(refused.value)
    assert "\n" not in message
    return message.replace(str(file), "FILE")


def test_options_win_over_the_environment_that_over_the_file_that_over_the_defaults(file: Path) -> None:
    text = "id: file\nlimit: 1KiB\nlisten: {port: 1, host: file}"
    environ = {"FUSTOR_AGENT__LISTEN__PORT": "2", "FUSTOR_AGENT__ID": "environ"}
    settings = read(file, text, environ, {"listen.port": 3, "id": None})
    assert (settings.listen.port, settings.listen.host, settings.id, settings.limit, settings.keys) == (3, "file", "environ", 1024, ())


def test_without_a_file_the_environment_and_the_defaults_speak() -> None:
    settings = load(Agent, prefix="FUSTOR_AGENT", environ={"FUSTOR_AGENT__LISTEN__HOST": "::1"})
    assert settings == Agent(listen=Listen(host="::1"))


def test_only_load_looks_at_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ID", "environ")
    assert Agent().id == "nas"


def test_a_scalar_of_the_environment_is_never_read_as_yaml(file: Path) -> None:
    environ = {"FUSTOR_AGENT__LISTEN__HOST": "no", "FUSTOR_AGENT__ID": "[::1]"}
    settings = read(file, "", environ)
    assert (settings.listen.host, settings.id) == ("no", "[::1]")


def test_a_list_or_a_mapping_of_the_environment_is_yaml(file: Path) -> None:
    environ = {
        "FUSTOR_AGENT__KEYS": "[{name: ops, scopes: ['read:*']}]",
        "FUSTOR_AGENT__PIPES__DATA": "{root: data, source: {type: fs, path: /srv}}",
    }
    settings = read(file, "keys: [{name: other}]", environ)
    assert settings.keys == (Key(name="ops", scopes=("read:*",)),)
    assert settings.pipes["data"].source == FileTree(type="fs", path=b"/srv")


def test_variables_of_others_are_left_alone(file: Path) -> None:
    assert read(file, "", {"FUSTOR_URL": "http://h", "FUSTOR_KEY": "k", "FUSTOR_FUSION__X": "1", "FUSTOR_AGENTX": "1"}) == Agent()


def test_settings_are_frozen(file: Path) -> None:
    with pytest.raises(ValidationError):
        read(file, "").listen.port = 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("listen: {prot: 3}", 'FILE: unknown key "listen.prot"; did you mean "port"?'),
        ("zzz: 1", 'FILE: unknown key "zzz"; known here: id, key, keys, limit, listen, pipes'),
        ("listen: {port: 99999}", 'FILE: "listen.port" should be less than or equal to 65535, not 99999'),
        ("listen: {port: x}", 'FILE: "listen.port" should be a valid integer, not "x"'),
        ("listen: {port: }", 'FILE: "listen.port" should be a valid integer; nothing stands there'),
        ("listen: [1]", 'FILE: "listen" should be a mapping'),
        ("pipes: {a: 3}", 'FILE: "pipes.a" should be a mapping, not 3'),
        ("keys: x", 'FILE: "keys" should be a list, not "x"'),
        ("keys: [{}]", 'FILE: "keys[0].name" is missing; add it'),
        ("keys: [{name: a}, {name: b, scops: []}]", 'FILE: unknown key "keys[1].scops"; did you mean "scopes"?'),
        ("pipes: {a: {root: a, source: {}}}", 'FILE: "pipes.a.source.type" is missing; add it'),
        ("pipes: {a: {root: a, source: {type: ftp}}}", 'FILE: "pipes.a.source.type" should be one of "fs", "s3", not "ftp"'),
        (
            "pipes: {a: {root: a, source: {type: fs, paht: /}}}",
            'FILE: unknown key "pipes.a.source.paht"; did you mean "path"? (1 more fault)',
        ),
        ("limit: 4M", 'FILE: "limit" should be a size such as 512KiB, 4MiB, 2GiB, 10MB, or a whole number of bytes, not "4M"'),
        ("- a", "FILE: holds a list where a mapping belongs; write it as `key: value` lines"),
        ("id: a\nid: b", 'FILE: line 2, column 1: the key "id" stands twice; correct the YAML there'),
        ("pipes: {1: {}}", "FILE: line 1, column 9: the key '1' is no text; quote it; correct the YAML there"),
        ("id: a\nkeys: [", "FILE: line 2, column 8: expected the node content, but found '<stream end>'; correct the YAML there"),
        ("id: !!python/name:os.system x", "FILE: line 1, column 5: could not determine a constructor for the tag "),
    ],
)
def test_a_fault_in_the_file_is_one_line_that_says_what_to_do(file: Path, text: str, message: str) -> None:
    assert fault(file, text).startswith(message)


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"LISTEN__PROT": "1"}, 'FUSTOR_AGENT__LISTEN__PROT: unknown key "listen.prot"; did you mean FUSTOR_AGENT__LISTEN__PORT?'),
        ({"LISTEN__PORT": "x"}, 'FUSTOR_AGENT__LISTEN__PORT: "listen.port" should be a valid integer, not "x"'),
        ({"ID__X": "2"}, 'FUSTOR_AGENT__ID__X: "id" should be a valid string'),
        ({"ID": "1", "ID__X": "2"}, "FUSTOR_AGENT__ID__X: says the same as FUSTOR_AGENT__ID, which is given too; drop one of them"),
        ({"KEYS": "[}"}, "FUSTOR_AGENT__KEYS: line 1, column 2: expected the node content, but found '}'; correct the YAML there"),
        ({"KEYS": "[{}]"}, 'FUSTOR_AGENT__KEYS: "keys[0].name" is missing; add it'),
    ],
)
def test_a_fault_in_the_environment_names_the_variable(file: Path, environ: Mapping[str, str], message: str) -> None:
    assert fault(file, "", {f"FUSTOR_AGENT__{name}": text for name, text in environ.items()}) == message


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("FUSTOR_AGENT_LISTEN_PORT", "did you mean FUSTOR_AGENT__LISTEN__PORT?"),
        ("FUSTOR_AGENT_LIMITS", "did you mean FUSTOR_AGENT__LIMIT?"),
        ("FUSTOR_AGENT_COLOUR", "its variables are FUSTOR_AGENT__SECTION__KEY; unset it"),
    ],
)
def test_a_variable_with_one_underscore_is_not_ignored_in_silence(file: Path, name: str, advice: str) -> None:
    assert fault(file, "", {name: "1"}) == f"{name}: unknown variable; {advice}"


def test_a_fault_of_an_option_names_the_option(file: Path) -> None:
    message = fault(file, "listen: {port: 2}", {"FUSTOR_AGENT__LISTEN__PORT": "1"}, {"listen.port": 0})
    assert message == 'option listen.port: "listen.port" should be greater than or equal to 1, not 0'


def test_what_is_missing_may_be_added_in_either_place(file: Path) -> None:
    with pytest.raises(ConfigurationError, match=r'^settings: "id" is missing; add it, or set FUSTOR_AGENT__ID \(1 more fault\)$'):
        load(Demanding, prefix="FUSTOR_AGENT", environ={})


def test_a_file_that_is_missing_or_unreadable_is_named(file: Path, tmp_path: Path) -> None:
    def load_file(path: Path) -> Agent:
        return load(Agent, prefix="FUSTOR_AGENT", environ={}, file=path)

    with pytest.raises(ConfigurationError, match=f"^{file}: no such file; create it or name another$"):
        load_file(file)
    with pytest.raises(ConfigurationError, match=f"^{tmp_path}: cannot be read: Is a directory; "):
        load_file(tmp_path)
    file.write_bytes(b"id: \xff")
    with pytest.raises(ConfigurationError, match=f"^{file}: byte 4 is not UTF-8; save the file as UTF-8 text$"):
        load_file(file)


def test_no_secret_is_ever_shown(file: Path) -> None:
    assert "hunter2" not in fault(file, "key: [hunter2]")
    assert "hunter2" not in fault(file, "kye: hunter2")
    assert "4711" not in fault(file, "key: 4711")
    assert "hunter2" not in fault(file, "keys: [{name: a, secret: {x: hunter2}}]")
    settings = read(file, "key: hunter2\nkeys: [{name: a, secret: hunter2}]")
    assert "hunter2" not in dump(settings) + repr(settings)
    assert "key: '**********'" in dump(settings)


def test_the_effective_configuration_can_be_read_back(file: Path) -> None:
    tree = '{type: fs, path: "/srv/\\uDCFF", quiet: 90s}'
    text = f"limit: 3MiB\npipes: {{a: {{root: a, source: {tree}}}, b: {{root: b, source: {{type: s3, bucket: x}}}}}}"
    settings = read(file, text)
    source = settings.pipes["a"].source
    assert isinstance(source, FileTree)
    assert source.path == b"/srv/\xff"
    assert "limit: 3MiB" in dump(settings)
    assert "quiet: 90s" in dump(settings)
    assert read(file, dump(settings)) == settings
