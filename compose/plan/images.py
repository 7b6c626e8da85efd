"""Which images must be pulled or built before containers can be made."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from compose.errors import ComposeError
from compose.loader.units import parse_duration
from compose.model import Project
from compose.plan.operations import Kind, Plan
from compose.plan.state import Observed, familiar

POLICIES = ("always", "missing", "if_not_present", "never", "build", "daily", "weekly")


@dataclass(frozen=True, slots=True)
class ImageOptions:
    """build: None builds what is missing, True everything that can be built, False nothing.
    pull: overrides the services' `pull_policy`."""

    build: bool | None = None
    pull: str = ""


def ensure_images(
    project: Project, observed: Observed, services: Iterable[str], options: ImageOptions
) -> Plan:
    """Operations that make the images of `services` available. One per image.

    Raises ComposeError if one can be neither found, pulled nor built.
    """
    plan = Plan()
    chosen = list(services)
    built = {project.image_of(name) for name in chosen if project.services[name].get("build")}
    for service in chosen:
        body = project.services[service]
        if body.get("provider"):
            continue
        image = project.image_of(service)
        present = familiar(image) in observed.images
        policy = options.pull or _policy(body, service)
        builds = bool(body.get("build"))
        if not builds and image in built and options.build is not False:
            continue  # another service of the project makes it
        if builds and options.build is not False:
            reason = _build_reason(options, policy, present)
            if reason:
                plan.add(Kind.BUILD_IMAGE, image, service=service, reason=reason)
                continue
            if present or "image" not in body:
                continue
        reason = _pull_reason(policy, present)
        if reason and not (builds and "image" not in body):
            plan.add(Kind.PULL_IMAGE, image, service=service, reason=reason)
        elif not present and builds:
            raise ComposeError(f"image {image} of service {service} is missing, and --no-build was given")
        elif not present:
            raise ComposeError(f"image {image} of service {service} is missing, and its pull policy is never")
    return plan


def _policy(body: dict[str, Any], service: str) -> str:
    policy = str(body.get("pull_policy") or "missing")
    if policy in POLICIES:
        return policy
    if policy.startswith("every_"):
        try:
            parse_duration(policy.removeprefix("every_"))
            return policy
        except ValueError:
            pass
    raise ComposeError(
        f'services.{service}.pull_policy: invalid value "{policy}" (one of {", ".join(POLICIES)})'
    )


def _build_reason(options: ImageOptions, policy: str, present: bool) -> str:
    if options.build:
        return "asked for"
    if policy == "build":
        return "its pull policy is build"
    return "" if present else "missing"


def _pull_reason(policy: str, present: bool) -> str:
    if policy in ("never", "build"):
        return ""
    if policy not in ("missing", "if_not_present"):
        # an engine doesn't say when it pulled: asking the registry each time is what daily, weekly
        # and every_… can rely on
        return f"its pull policy is {policy}"
    return "" if present else "missing"
