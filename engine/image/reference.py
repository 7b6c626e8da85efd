"""Image references: the grammar, and docker's short forms.

    reference   := name [":" tag] ["@" digest]
    name        := [domain "/"] path-component *("/" path-component)
    domain      := host-component *("." host-component) [":" port] | "[" IPv6 "]" [":" port]
    path-component := lower-alnum *(("." | "_" | "__" | "-"*) lower-alnum)
    tag         := word-char *127(word-char | "." | "-")
    digest      := algorithm ":" 32*hex

Source: the reference grammar of the distribution project (OCI distribution spec, "Pulling manifests").
What has no domain lies on docker.io, and what has no further path there lies below library/.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from engine.errdefs import InvalidParameter

DEFAULT_DOMAIN = "docker.io"
DEFAULT_TAG = "latest"
_OFFICIAL = "library/"
_LEGACY_DOMAIN = "index.docker.io"
MAX_NAME = 255

_HOST = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_DOMAIN = rf"(?:{_HOST}(?:\.{_HOST})*|\[(?:[a-fA-F0-9:]+)\])(?::[0-9]+)?"
_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|[-]+)[a-z0-9]+)*"
_TAG = r"[A-Za-z0-9_][\w.-]{0,127}"
_DIGEST = r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}"
_REFERENCE = re.compile(
    rf"(?P<name>(?:(?:{_DOMAIN})/)?{_COMPONENT}(?:/{_COMPONENT})*)(?::(?P<tag>{_TAG}))?(?:@(?P<digest>{_DIGEST}))?",
    re.ASCII,
)
_IDENTIFIER = re.compile(r"[a-f0-9]{64}")
_TAG_ONLY = re.compile(_TAG, re.ASCII)
_SHA256 = re.compile(r"sha256:[a-f0-9]{64}")


@dataclass(frozen=True, slots=True)
class Reference:
    """A parsed reference; `path` is the repository on `domain`. tag and digest are "" where not given."""

    domain: str
    path: str
    tag: str = ""
    digest: str = ""

    @property
    def name(self) -> str:
        """The repository in full: docker.io/library/busybox."""
        return f"{self.domain}/{self.path}"

    @property
    def familiar_name(self) -> str:
        """The repository as people write it: busybox."""
        if self.domain != DEFAULT_DOMAIN:
            return self.name
        rest = self.path.removeprefix(_OFFICIAL)
        return rest if "/" not in rest else self.path

    def _suffix(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"{tag}@{self.digest}" if self.digest else tag

    def __str__(self) -> str:
        return self.name + self._suffix()

    @property
    def familiar(self) -> str:
        """The whole reference as people write it: busybox:latest."""
        return self.familiar_name + self._suffix()

    @property
    def name_only(self) -> bool:
        """Neither tag nor digest was given."""
        return not self.tag and not self.digest

    def with_default_tag(self) -> Reference:
        """`:latest` added if nothing says which image of the repository is meant."""
        return replace(self, tag=DEFAULT_TAG) if self.name_only else self

    def canonical(self) -> Reference:
        """The form under which it is kept: the digest alone if there is one, else with a tag."""
        return replace(self, tag="") if self.digest else self.with_default_tag()

    def with_tag(self, tag: str) -> Reference:
        """The same repository with `tag`; InvalidParameter if that is none."""
        if not _TAG_ONLY.fullmatch(tag):
            raise InvalidParameter("invalid tag format")
        return Reference(self.domain, self.path, tag=tag)

    def with_digest(self, digest: str) -> Reference:
        """The same repository with `digest`."""
        if not _SHA256.fullmatch(digest):
            raise InvalidParameter("invalid digest format")
        return Reference(self.domain, self.path, digest=digest)


def parse(text: str) -> Reference:
    """A reference in any of docker's forms. InvalidParameter "invalid reference format" and variants."""
    if _IDENTIFIER.fullmatch(text):
        raise InvalidParameter(
            f"invalid repository name ({text}), cannot specify 64-byte hexadecimal strings"
        )
    domain, rest = _split_domain(text)
    name_part = rest.partition("@")[0].partition(":")[0]
    if name_part != name_part.lower():
        raise InvalidParameter(f"invalid reference format: repository name ({name_part}) must be lowercase")
    match = _REFERENCE.fullmatch(f"{domain}/{rest}")
    if match is None:
        raise InvalidParameter("invalid reference format")
    name, digest = match["name"], match["digest"] or ""
    if len(name) > MAX_NAME:
        raise InvalidParameter(f"repository name must not be more than {MAX_NAME} characters")
    if digest and not _SHA256.fullmatch(digest):
        raise InvalidParameter(
            "invalid reference format: unsupported digest algorithm or length (use sha256)"
        )
    return Reference(domain, name[len(domain) + 1 :], match["tag"] or "", digest)


def _split_domain(text: str) -> tuple[str, str]:
    first, slash, rest = text.partition("/")
    is_domain = bool(slash) and (
        "." in first or ":" in first or first == "localhost" or first != first.lower()
    )
    if not is_domain:
        domain, rest = DEFAULT_DOMAIN, text
    else:
        domain = first
    if domain == _LEGACY_DOMAIN:
        domain = DEFAULT_DOMAIN
    if domain == DEFAULT_DOMAIN and "/" not in rest:
        rest = _OFFICIAL + rest
    return domain, rest


def is_image_id(text: str) -> bool:
    """Whether `text` is a whole image id, with or without `sha256:`."""
    return bool(_IDENTIFIER.fullmatch(text) or _SHA256.fullmatch(text))


def is_digest(text: str) -> bool:
    """Whether `text` is "sha256:<64 hex>"."""
    return bool(_SHA256.fullmatch(text))
