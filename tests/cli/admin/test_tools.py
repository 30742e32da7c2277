"""Shell completion, the reference of commands, scripts in documents."""

from pathlib import Path

from click.testing import CliRunner

from catenula.cli.main import main


def test_the_reference_of_commands_names_every_command() -> None:
    result = CliRunner().invoke(main, ["help-markdown"])
    assert result.exit_code == 0
    for name in ("transfer", "validator compare", "storage list-blob-ids", "wallet show"):
        assert f"catenula {name}`" in result.stdout or f" {name}`" in result.stdout
    assert "extract-script" not in result.stdout


_DOCUMENT = """\
# How to

```bash
one
two service --port 1 &
```

```bash,ignore
not this
```

```text
nor this
```

```gql,uri=http://localhost:8080/chains/$CHAIN
mutation { increment(value: 3) }
```

```gql,uri=http://localhost:8080/chains/$CHAIN
query { value }
```
"""


def test_scripts_are_taken_out_of_a_document(tmp_path: Path) -> None:
    document = tmp_path / "README.md"
    document.write_text(_DOCUMENT)
    result = CliRunner().invoke(main, ["extract-script-from-markdown", str(document)])
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[:3] == ["one", "two service --port 1 &", "sleep 3"]
    assert "not this" not in result.stdout
    assert "query { value }" not in result.stdout
    requests = [line for line in lines if line.startswith("curl")]
    assert len(requests) == 1
    assert requests[0].endswith('"http://localhost:8080/chains/$CHAIN"')
    assert "increment(value: 3)" in requests[0]
