from engine.build.cache import Candidate, Hit, Miss, continued, look_up

COPY = "/bin/sh -c #(nop) COPY file:{} in /app "


def candidates(*lines: str) -> list[Candidate]:
    return [Candidate(f"sha256:{n}", line, f"2026-01-0{n + 1}T00:00:00Z") for n, line in enumerate(lines)]


def test_the_same_line_on_the_same_parent_is_a_hit() -> None:
    assert look_up("RUN x", candidates("RUN y", "RUN x")) == Hit("sha256:1")


def test_the_newest_of_several_wins() -> None:
    assert look_up("RUN x", candidates("RUN x", "RUN x")) == Hit("sha256:1")


def test_nothing_to_compare_with_gives_no_reason() -> None:
    assert look_up("RUN x", []) == Miss("")


def test_reasons_of_a_miss() -> None:
    changed = look_up(COPY.format("aa"), candidates(COPY.format("bb")))
    assert changed == Miss("the copied files have changed")
    argument = look_up("|1 A=2 /bin/sh -c make", candidates("|1 A=1 /bin/sh -c make"))
    assert argument == Miss("a build argument has another value")
    other = look_up("/bin/sh -c make all", candidates("/bin/sh -c make"))
    assert other == Miss("")


def image_config(*steps: str) -> dict[str, object]:
    history = [{"created_by": step, "empty_layer": step.startswith("#")} for step in steps]
    layers = [f"sha256:{step}" for step in steps if not step.startswith("#")]
    return {"history": history, "rootfs": {"diff_ids": layers}}


def test_an_image_of_the_same_steps_is_continued() -> None:
    source = image_config("base", "RUN 1", "#ENV", "RUN 2")
    found = continued(source, image_config("base"), "RUN 1")
    assert found is not None
    history, layers = found
    assert [entry["created_by"] for entry in history] == ["base", "RUN 1"]
    assert layers == ["sha256:base", "sha256:RUN 1"]
    found = continued(source, image_config("base", "RUN 1"), "#ENV")
    assert found is not None and found[1] == ["sha256:base", "sha256:RUN 1"]


def test_an_image_of_other_steps_is_not() -> None:
    source = image_config("base", "RUN 1")
    assert continued(source, image_config("base"), "RUN other") is None
    assert continued(source, image_config("other"), "RUN 1") is None
    assert continued(source, image_config("base", "RUN 1"), "RUN 2") is None
    rebased = {**image_config("base"), "rootfs": {"diff_ids": ["sha256:new"]}}
    assert continued(source, rebased, "RUN 1") is None
