"""Instructions → stages and steps, and which of them are needed. Pure.

    ARG before the first FROM      the global scope, for FROM lines
    FROM a AS x  ─┐
      RUN …       │ a stage: its steps run one after the other
    FROM b        │
      COPY --from=x …              makes the stage depend on x

The target is the last stage unless named; a stage that nothing on the way to it uses is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from engine.build.expand import ExpansionError, expand
from engine.build.instructions import Instruction, interpret
from engine.build.parser import Dockerfile, DockerfileError
from engine.errdefs import InvalidParameter

SCRATCH = "scratch"


@dataclass(frozen=True, slots=True)
class Stage:
    """One FROM and its steps.

    name: after AS, "" without. base: the reference after expansion. base_stage: the index of the
    earlier stage it stands on, None for an image or scratch. uses: stages it copies from.
    """

    index: int
    name: str
    base: str
    platform: str
    origin: Instruction
    steps: tuple[Instruction, ...]
    base_stage: int | None
    uses: frozenset[int]

    @property
    def depends(self) -> frozenset[int]:
        """Stages that must be built before it."""
        return self.uses if self.base_stage is None else self.uses | {self.base_stage}


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do, in order. total: the number of steps as they are counted for the user.

    global_args: the ARGs before the first FROM. scope: their values, for ARGs that inherit them.
    """

    global_args: tuple[Instruction, ...]
    scope: Mapping[str, str]
    stages: tuple[Stage, ...]
    skipped: tuple[Stage, ...]
    total: int

    def find(self, reference: str) -> Stage | None:
        """The stage that ``COPY --from=reference`` means, by name or index; None for an image."""
        return _find(self.stages, reference)


def plan(
    dockerfile: Dockerfile,
    *,
    target: str = "",
    build_args: Mapping[str, str | None] | None = None,
    predefined: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
) -> Plan:
    """Arrange the steps.

    predefined: TARGETPLATFORM and its like. labels: of --label, which become one more step.

    Raises DockerfileError, or InvalidParameter for an unknown target.
    """
    instructions = [interpret(node, dockerfile.escape) for node in dockerfile.nodes]
    global_args, rest = _split_global(instructions)
    scope = _global_scope(global_args, build_args or {}, predefined or {}, dockerfile.escape)
    stages = _stages(rest, scope, dockerfile.escape)
    wanted = _target(stages, target)
    if labels:
        stages[wanted.index] = replace(wanted, steps=(*wanted.steps, _label(labels)))
    needed = _needed(stages, wanted)
    kept = tuple(stage for stage in stages if stage.index in needed)
    skipped = tuple(stage for stage in stages if stage.index not in needed)
    total = len(global_args) + sum(1 + len(stage.steps) for stage in kept)
    return Plan(tuple(global_args), scope, kept, skipped, total)


def _split_global(instructions: Sequence[Instruction]) -> tuple[list[Instruction], list[Instruction]]:
    for position, instruction in enumerate(instructions):
        if instruction.name == "FROM":
            return list(instructions[:position]), list(instructions[position:])
        if instruction.name != "ARG":
            raise InvalidParameter("no build stage in current context")
    raise InvalidParameter("no build stage in current context")


def _global_scope(
    global_args: Sequence[Instruction],
    build_args: Mapping[str, str | None],
    predefined: Mapping[str, str],
    escape: str,
) -> dict[str, str]:
    scope = dict(predefined)
    for instruction in global_args:
        for word in instruction.args:
            name, equals, default = word.partition("=")
            given = build_args.get(name)
            if given is not None:
                scope[name] = given
            elif equals:
                scope[name] = _expand(instruction, default, scope, escape)
    return scope


def _expand(instruction: Instruction, word: str, scope: Mapping[str, str], escape: str) -> str:
    try:
        return expand(word, scope, escape)
    except ExpansionError as exc:
        raise DockerfileError(instruction.line, str(exc)) from exc


def _stages(instructions: Sequence[Instruction], scope: Mapping[str, str], escape: str) -> list[Stage]:
    groups: list[list[Instruction]] = []
    for instruction in instructions:
        if instruction.name == "FROM":
            groups.append([])
        groups[-1].append(instruction)
    stages: list[Stage] = []
    for origin, *steps in groups:
        base = _expand(origin, origin.args[0], scope, escape)
        if not base:
            raise DockerfileError(origin.line, f"base name ({origin.args[0]}) should not be blank")
        parent = next((s for s in reversed(stages) if s.name and s.name == base.lower()), None)
        stages.append(
            Stage(
                index=len(stages),
                name=origin.args[1] if len(origin.args) > 1 else "",
                base=base,
                platform=_expand(origin, origin.flags.get("platform", ""), scope, escape),
                origin=origin,
                steps=tuple(steps),
                base_stage=parent.index if parent else None,
                uses=_uses(steps, stages),
            )
        )
    return stages


def _label(labels: Mapping[str, str]) -> Instruction:
    """--label as an instruction; single quotes keep the values from being expanded."""
    pairs = tuple((_literal(name), _literal(value)) for name, value in sorted(labels.items()))
    original = "LABEL " + " ".join(f"{name}={value}" for name, value in sorted(labels.items()))
    return Instruction("LABEL", 0, original, pairs=pairs)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "'\"'\"'") + "'"


def _uses(steps: Sequence[Instruction], earlier: Sequence[Stage]) -> frozenset[int]:
    found = set()
    for step in steps:
        reference = step.flags.get("from", "")
        stage = _find(earlier, reference)
        if stage is not None:
            found.add(stage.index)
        elif reference.isdigit():
            raise DockerfileError(
                step.line,
                f"invalid from flag value {reference}: refers to current build block or a later one",
            )
    return frozenset(found)


def _find(stages: Sequence[Stage], reference: str) -> Stage | None:
    """A name wins over an index; the last stage of a name wins over earlier ones."""
    for stage in reversed(stages):
        if reference and stage.name == reference.lower():
            return stage
    for stage in stages:
        if reference.isdigit() and stage.index == int(reference):
            return stage
    return None


def _target(stages: Sequence[Stage], target: str) -> Stage:
    if not target:
        return stages[-1]
    stage = _find(stages, target)
    if stage is None:
        names = ", ".join(s.name for s in stages if s.name) or "none is named"
        raise InvalidParameter(f"failed to reach build target {target} in Dockerfile (stages: {names})")
    return stage


def _needed(stages: Sequence[Stage], wanted: Stage) -> set[int]:
    needed: set[int] = set()
    todo = [wanted.index]
    while todo:
        index = todo.pop()
        if index not in needed:
            needed.add(index)
            todo += stages[index].depends
    return needed
