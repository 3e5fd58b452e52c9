"""`--follow`: both commands that walk over a log wait for what comes, as long as their configuration says."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
import rank_logs

from sharewise.cli.main import main

CONFIG = """
[log]
source = "log"

[follow]
poll = 0.05
idle = {idle}
"""
OF = {
    "train": "\n[train]\ndevice = 'cpu'\n[model]\nhidden = [8]\n",
    "candidates": "\n[two_tower]\nsize = 4\n",
}


@pytest.mark.parametrize("name", list(OF))
def test_the_command_waits_for_partitions(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rank_logs.write(tmp_path / "log", 2)
    later = tmp_path / "log" / "hour-0001.parquet"
    content = later.read_bytes()
    later.unlink()
    (tmp_path / "own.toml").write_text(CONFIG.format(idle=2.0) + OF[name])

    def come() -> None:
        for _ in range(2000):
            if (tmp_path / "out" / "manifest.json").is_file():  # the first is learnt, and left to be loaded
                break
            time.sleep(0.01)
        later.write_bytes(content)

    coming = threading.Thread(target=come)
    coming.start()
    with pytest.raises(SystemExit) as left:
        main(["rank", name, str(tmp_path / "own.toml"), "--out", str(tmp_path / "out"), "--follow"])
    coming.join()
    assert not left.value.code, capsys.readouterr().err
    records = (tmp_path / "out" / "log.jsonl").read_text().splitlines()
    assert ["hour-0000" in records[0], "hour-0001" in records[1]] == [True, True]
