"""What `make e2e` and `make test` say on a machine that cannot run the e2e tests."""

import pytest

from tests.e2e import __main__ as e2e

_REASON = "real nodes need root: a kubelet mounts file systems"


@pytest.fixture(autouse=True)
def unable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(e2e, "available", lambda: f"{_REASON}\nand more")


def test_asked_for_by_name_it_is_an_error() -> None:
    with pytest.raises(SystemExit, match=_REASON) as ended:
        e2e.main([])

    assert ended.value.code != 0


def test_as_a_part_of_all_tests_it_is_one_line_and_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert e2e.main(["--if-possible"]) == 0

    assert capsys.readouterr().out == f"e2e: left out, for they cannot run here: {_REASON}\n"


def test_the_programs_alone_build_no_image_and_run_no_test(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    monkeypatch.setattr(e2e, "available", lambda: None)
    for step in ("_find_programs", "_build_images", "_run"):
        monkeypatch.setattr(e2e, step, lambda _, step=step: done.append(step))

    assert e2e.main(["--programs", "--if-possible"]) == 0
    assert done == ["_find_programs"]
