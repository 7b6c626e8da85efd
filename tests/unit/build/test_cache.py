from engine.build.cache import Candidate, Hit, Miss, look_up

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


def test_switched_off() -> None:
    assert isinstance(look_up("RUN x", candidates("RUN x"), enabled=False), Miss)
