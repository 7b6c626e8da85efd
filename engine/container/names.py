"""Names for containers that were given none: an adjective and the surname of someone worth remembering."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

from engine.errdefs import InvalidParameter

PATTERN = "[a-zA-Z0-9][a-zA-Z0-9_.-]"
_VALID = re.compile(r"/?[a-zA-Z0-9][a-zA-Z0-9_.-]+")


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


ADJECTIVES = _words(
    """
    agile alert amber apt ardent bold brave breezy bright brisk calm candid careful cheerful civil clear
    clever cosy crisp curious daring deft diligent eager earnest easy exact fair faithful fearless
    festive fine firm fleet fond frank free fresh friendly gallant generous gentle glad golden graceful
    grand great handy happy hardy honest hopeful humble ideal jolly jovial joyful just keen kind lasting
    lively loyal lucid lucky mellow merry mild mindful modest neat nimble noble open patient playful
    polite prompt proud quick quiet ready robust serene sharp silent simple sincere smart snug sober
    solid sound spry steady stout strong subtle sunny sure swift tender tidy tranquil true trusty upbeat
    valiant vivid warm wise witty
    """
)

SURNAMES = _words(
    """
    abel agnesi al_khwarizmi ampere archimedes avogadro babbage backus bardeen bell berners_lee
    bernoulli bohr boole bose brahmagupta brattain carson cauchy cerf chandrasekhar church clarke conway
    copernicus curie darwin descartes diffie dijkstra dirac einstein elion engelbart euclid euler
    faraday feistel fermat fermi feynman floyd fourier franklin galileo galois gauss germain goedel
    goldberg goodall gosling hamilton hamming heisenberg hellman hertz hilbert hoare hodgkin hopper
    hubble huffman hypatia johnson joliot kahn kalman kapitsa kepler khorana kirchhoff knuth kolmogorov
    kovalevskaya lagrange lamarr lamport laplace leavitt leibniz liskov lovelace maxwell mcclintock
    mccarthy meitner mendel mendeleev minsky mirzakhani morse moser nash neumann newton nightingale
    nobel noether ohm pascal pasteur payne perlman planck poincare poitras postel ptolemy raman
    ramanujan rivest ritchie rosalind rubin sammet shamir shannon shockley sinoussi stallman tesla
    thompson torvalds turing villani volta wescoff wiles wirth wozniak wu yalow
    """
)


def random_name(taken: Callable[[str], bool]) -> str:
    """A free name; after ten clashes a digit is added, then more."""
    tail = ""
    for attempt in range(1000):
        name = f"{random.choice(ADJECTIVES)}_{random.choice(SURNAMES)}{tail}"
        if not taken(name):
            return name
        if attempt >= 9:
            tail = str(random.randrange(10 ** (attempt // 10)))
    raise RuntimeError("no free name among a thousand random ones")


def validate(name: str) -> str:
    """The name without its leading slash; InvalidParameter if it is malformed."""
    if not _VALID.fullmatch(name):
        raise InvalidParameter(f"Invalid container name ({name}), only {PATTERN} are allowed")
    return name.removeprefix("/")
