"""config/appliance.toml shows every key with its default; the defaults are those of the code."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from appliance.box.settings import Settings, check_settings

FILE = Path(__file__).parents[2] / "config" / "appliance.toml"

EXAMPLES = {"storage.clips_dir"}  # its default is computed: the file shows the result


def with_keys_uncommented() -> dict[str, Any]:
    """The file with the '#' in front of every key removed; [[channels]] is an example."""
    lines = [re.sub(r"^#(?=[a-z_]+ = )", "", line) for line in FILE.read_text().splitlines()]
    return tomllib.loads("\n".join(lines))


def flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            result.update(flat(value, f"{prefix}{key}."))
        else:
            result[prefix + key] = value
    return result


def defaults() -> dict[str, Any]:
    tree = Settings.model_construct().model_dump(mode="json")
    del tree["channels"]
    return flat(tree)


def test_the_file_as_shipped_changes_nothing() -> None:
    assert check_settings(tomllib.loads(FILE.read_text())) == check_settings({})


def test_every_key_is_shown_with_its_default() -> None:
    shown, real = flat(with_keys_uncommented()), defaults()
    assert set(shown) == set(real)
    assert {key: shown[key] for key in shown if key not in EXAMPLES} == {
        key: real[key] for key in real if key not in EXAMPLES
    }


def test_the_file_with_every_key_set_is_accepted() -> None:
    check_settings(with_keys_uncommented())


def test_the_channel_block_names_every_field_of_a_channel() -> None:
    block = FILE.read_text().split("# [[channels]]")[1].split("\n\n")[0]
    shown = set(re.findall(r"^# ([a-z_]+) = ", block, flags=re.MULTILINE))
    assert shown == set(Settings.model_fields["channels"].annotation.__args__[0].model_fields)  # type: ignore[union-attr]


def test_every_key_has_a_comment_or_speaks_for_itself() -> None:
    silent = [
        line for line in FILE.read_text().splitlines() if re.match(r"#[a-z_]+ = ", line) and " # " not in line
    ]
    assert {line.split(" = ")[0].lstrip("#") for line in silent} <= {
        "port",
        "read_user",
        "read_password",
        "min_free_gb",
        "raw_days",
        "clip_days",
    }
