"""A lock held against a policy: every violation, each with its rule and its package.  Pure."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator
from datetime import timedelta

from hermetic_rpm import licences
from hermetic_rpm.licences import Compound, Expression
from hermetic_rpm.lock.model import Lock, LockedRpm, RpmSource
from hermetic_rpm.policy import places
from hermetic_rpm.policy.model import (
    MODIFIED,
    Certificate,
    Circumstances,
    Denied,
    Images,
    Licences,
    Policy,
    Violation,
)

CLOCK_SKEW = timedelta(hours=1)


def violations(policy: Policy, lock: Lock, given: Circumstances) -> tuple[Violation, ...]:
    """Everything in which a lock breaks a policy, in the order of rules and packages."""
    return (
        *_sidecar(policy, lock), *_age(policy, given), *_origins(policy, lock, given), *_images(policy, lock, given),
        *_keys(policy, lock, given), *_licences(policy, lock), *_denied(policy, lock),
    )  # fmt: skip


def _sidecar(policy: Policy, lock: Lock) -> Iterator[Violation]:
    if policy.sidecar_required and lock.sidecar is None:
        yield Violation(rule="sidecar", subject="the lock", text="it has no sidecar")


def _age(policy: Policy, given: Circumstances) -> Iterator[Violation]:
    if policy.age is None:
        return
    date = given.dated or (given.modified if policy.age.date == MODIFIED else None)
    if date is None:
        yield Violation(
            rule="age", subject="the lock", text="nobody says how old it is (a lockfile holds no date: --lock-date)"
        )
        return
    age = given.now - date
    if age > timedelta(days=policy.age.maximum_days):
        text = f"it is of {date:%Y-%m-%d}, {age.days} days old; {policy.age.maximum_days} are allowed"
        yield Violation(rule="age", subject="the lock", text=text)
    elif age < -CLOCK_SKEW:
        yield Violation(rule="age", subject="the lock", text=f"it is of {date:%Y-%m-%d}, which is in the future")


def _origins(policy: Policy, lock: Lock, given: Circumstances) -> Iterator[Violation]:
    if policy.origins is None:
        return
    for url in given.origins:
        if not places.is_below(url, policy.origins):
            yield Violation(rule="origins", subject="--allow-origin", text=f"{url} is not allowed")
    for repository in () if lock.sidecar is None else lock.sidecar.repositories:
        for url in repository.base_urls:
            if not places.is_below(url, policy.origins):
                yield Violation(
                    rule="origins", subject=f"repository {repository.id}", text=f"{url} is not allowed"
                )  # fmt: skip
    for package in lock.every_package:
        url = package.rpm.url
        if not places.is_below(url, policy.origins):
            directory = url.rpartition("/")[0]
            yield Violation(rule="origins", subject=package.rpm.nevra, text=f"{directory}/ is not allowed")


def _images(policy: Policy, lock: Lock, given: Circumstances) -> Iterator[Violation]:
    if policy.images is None:
        return
    reference = lock.lockfile.config.bootstrap_image
    digest = lock.lockfile.bootstrap.pull_digest
    if policy.images.digests is not None and digest not in policy.images.digests:
        yield Violation(rule="images", subject=reference, text=f"{digest} is not among the allowed digests")
    yield from _registries(policy.images, reference, lock, given)


def _registries(images: Images, reference: str, lock: Lock, given: Circumstances) -> Iterator[Violation]:
    if images.registries is None:
        return
    sources = () if lock.sidecar is None else (lock.sidecar.image.reference, *lock.sidecar.image.locations)
    for location in dict.fromkeys((reference, *sources, *given.images)):
        if not places.image_is_below(location, images.registries, images.directories):
            yield Violation(rule="images", subject=reference, text=f"{location} is in no allowed registry or directory")


def _keys(policy: Policy, lock: Lock, given: Circumstances) -> Iterator[Violation]:
    """Signed by an allowed key, in a repository whose signatures the fetcher verifies, against allowed keys only."""
    if policy.signing_keys is None:
        return
    if lock.sidecar is None:
        text = "without a sidecar nobody knows the signing keys"
        yield Violation(rule="signing_keys", subject="the lock", text=text)
        return
    for certificate in given.certificates:
        for text in _certificate_problems(policy.signing_keys, certificate):
            yield Violation(rule="signing_keys", subject=certificate.path, text=text)
    unchecked = frozenset(repository.id for repository in lock.sidecar.repositories if not repository.gpgcheck)
    for package in lock.every_package:
        if (problem := _signature_problem(policy.signing_keys, package.source, unchecked)) is not None:
            yield Violation(rule="signing_keys", subject=package.rpm.nevra, text=problem)


def _certificate_problems(allowed: tuple[str, ...], certificate: Certificate) -> tuple[str, ...]:
    if certificate.problem is not None:
        return (certificate.problem,)
    strange = [fingerprint for fingerprint in certificate.fingerprints if fingerprint not in allowed]
    return tuple(f"it holds the key {fingerprint}, which is not allowed" for fingerprint in strange)


def _signature_problem(allowed: tuple[str, ...], source: RpmSource | None, unchecked: frozenset[str]) -> str | None:
    if source is None or source.key is None:
        return "unsigned"
    if not any(_is_key(source.key, fingerprint) for fingerprint in allowed):
        return f"signed by {source.key}, which is not allowed"
    if source.repository in unchecked:
        return f"repository {source.repository} has gpgcheck off, so that no signature is verified"
    return None


def _is_key(issuer: str, fingerprint: str) -> bool:
    """Whether a fingerprint, or a key id of 16 digits (the end of one of 40, the start of one of 64), is a key's."""
    if len(issuer) == 16:
        return fingerprint[-16:] == issuer if len(fingerprint) == 40 else fingerprint[:16] == issuer
    return issuer == fingerprint


def _licences(policy: Policy, lock: Lock) -> Iterator[Violation]:
    if policy.licences is None:
        return
    texts = {package.rpm.license for package in lock.every_package}
    problems = {text: licence_problem(policy.licences, text) for text in texts}
    for package in lock.every_package:
        if (problem := problems[package.rpm.license]) is not None:
            yield Violation(rule="licences", subject=package.rpm.nevra, text=problem)


def licence_problem(rules: Licences, text: str) -> str | None:
    """Why a licence is refused, or None: ``AND`` needs all its parts, ``OR`` any of them."""
    expression = licences.parse(text)
    if expression is None:
        fine = rules.not_spdx or text in rules.texts
        return None if fine else f"{text!r} is no SPDX expression"
    refused = _refused(rules, expression)
    if not refused:
        return None
    reasons = ", ".join(dict.fromkeys(refused))
    return reasons if str(expression) == reasons.partition(" is ")[0] else f"{expression}: {reasons}"


def _refused(rules: Licences, expression: Expression) -> tuple[str, ...]:
    """The terms that stand in the way, each with the reason."""
    if isinstance(expression, Compound):
        parts = [_refused(rules, part) for part in expression.parts]
        if expression.operator == licences.OR and not all(parts):
            return ()
        return tuple(reason for part in parts for reason in part)
    # What is said of a licence with its exception counts before what is said of the licence.
    for name in dict.fromkeys((str(expression), expression.licence)):
        if _matches(name, rules.deny):
            return (f"{expression} is denied",)
        if rules.allow is not None and _matches(name, rules.allow):
            return ()
    return () if rules.allow is None else (f"{expression} is not allowed",)


def _matches(name: str, globs: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatchcase(name.lower(), glob.lower()) for glob in globs)


def _denied(policy: Policy, lock: Lock) -> Iterator[Violation]:
    for package in lock.every_package:
        for rule in policy.denied:
            if is_denied(rule, package.rpm):
                which = f"{rule.package} {rule.written}".strip()
                text = f"{which} is denied" + (f": {rule.reason}" if rule.reason else "")
                yield Violation(rule="denied", subject=package.rpm.nevra, text=text)


def is_denied(rule: Denied, rpm: LockedRpm) -> bool:
    """Whether a rule is about a package: its name or NEVRA matches, and its version lies in the range."""
    nevra = f"{rpm.name}-{rpm.epoch or 0}:{rpm.version}-{rpm.release}.{rpm.arch}"
    nvra = f"{rpm.name}-{rpm.version}-{rpm.release}.{rpm.arch}"
    if not any(fnmatch.fnmatchcase(name, rule.package) for name in (rpm.name, nevra, nvra)):
        return False
    return all(bound.holds(rpm) for bound in rule.versions)
