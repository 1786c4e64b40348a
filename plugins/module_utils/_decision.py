# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Issue, keep or refuse: a pure function of what is wanted, what was seen, and the time.

``RULES`` are asked in order and the first that answers decides; ``GUARDS`` can still turn an "issue" into a refusal.
To add a rule, write a function from :class:`Case` to a verdict or None, and put it where it belongs in the tuple.
"""

from collections import Counter
from datetime import datetime
from typing import Callable, Dict, List, NamedTuple, Optional, Tuple

from ansible_collections.atlas.x509.plugins.module_utils._certificate import Certificate
from ansible_collections.atlas.x509.plugins.module_utils._pem import Look
from ansible_collections.atlas.x509.plugins.module_utils._time import Span, iso

ISSUE, KEEP, REFUSE = "issue", "keep", "refuse"
A_FEW = 3
"""Places that are remembered for one certificate: enough for when the first of them has gone away."""


class Wanted(NamedTuple):
    """What the user asked for. ``rotate_before`` is to the second, as certificates are dated."""

    username: str
    project_id: str
    path: str
    renew_before: Span = Span()
    rotate_before: Optional[datetime] = None
    force: bool = False
    on_orphan: str = "fail"
    on_foreign: str = "fail"
    max_unexpired: int = 10


class Elsewhere(NamedTuple):
    """What lies at a place that may hold the certificate, and that nothing is brought to: a host outside the batch, another path."""

    host: str
    location: str
    look: Look


class Host(NamedTuple):
    """What ``atlas_pem_info`` found on one host: ``look`` is None when it could not be asked, ``obstacle`` says why a PEM
    cannot be placed there, ``attributes_differ`` names what a holder's owner, group or mode should be otherwise. ``also`` is
    what it found at other paths of the host."""

    name: str
    look: Optional[Look]
    obstacle: Optional[str] = None
    attributes_differ: Tuple[str, ...] = ()
    location: str = ""
    also: Tuple[Elsewhere, ...] = ()


class Seen(NamedTuple):
    """What there is: Atlas's list, the file at ``path``, what a run that died left there, and the hosts (None: not asked).

    ``elsewhere`` is what other places hold, and ``unasked`` names hosts that may hold it and could not be asked.
    """

    listed: Tuple[Certificate, ...]
    file: Look = Look("absent")
    leftover: Look = Look("absent")
    hosts: Optional[Tuple[Host, ...]] = None
    elsewhere: Tuple[Elsewhere, ...] = ()
    unasked: Tuple[str, ...] = ()


class Verdict(NamedTuple):
    """``decision`` is issue, keep or refuse; ``why`` is a clause that reads on after "because"."""

    decision: str
    reason: str
    why: str


class Case:
    """The question as the rules see it: what was wanted and seen, and what follows from the two."""

    def __init__(self, wanted: Wanted, seen: Seen, now: datetime) -> None:
        self.wanted = wanted
        self.seen = seen
        self.now = now
        self.unexpired = tuple(sorted((one for one in seen.listed if one.not_after > now), key=lambda one: one.order))
        self._listed = {one.serial: one for one in self.unexpired}
        self.held = tuple(self.holding(look) for look in self._looks() if self.holding(look))
        self.current = max((one for one in self.held if one), key=lambda one: one.order, default=None)

    def holding(self, look: Optional[Look]) -> Optional[Certificate]:
        """The certificate that this file makes usable: a pair, of this user and project, that Atlas lists as unexpired."""
        if look is None or look.state != "pair" or look.certificate is None:
            return None
        listed = self._listed.get(look.certificate.serial)
        if listed is None or not look.belongs_to(self.wanted.username, self.wanted.project_id):
            return None
        if look.certificate.not_after <= self.now:
            return None  # it has expired, whatever the list says: no login takes it
        # The dates are Atlas's: what a host says of a file must not move them.
        return look.certificate._replace(not_before=listed.not_before, not_after=listed.not_after)

    def holds_current(self, look: Optional[Look]) -> bool:
        """Whether this file holds the current certificate."""
        holding = self.holding(look)
        return holding is not None and self.current is not None and holding.serial == self.current.serial

    def is_foreign(self, look: Optional[Look]) -> bool:
        """Whether this file is somebody else's, and may not be replaced."""
        return (
            look is not None
            and self.wanted.on_foreign != "replace"
            and look.is_foreign(self.wanted.username, self.wanted.project_id)
        )

    def takers(self) -> List[Host]:
        """The hosts on which the next PEM could be placed."""
        return [host for host in self.seen.hosts or () if host.look and not host.obstacle and not self.is_foreign(host.look)]

    def renew_at(self, certificate: Certificate) -> datetime:
        """When renewal of this certificate is due."""
        return renew_at(certificate, self.wanted.renew_before)

    def sources(self) -> List[Elsewhere]:
        """Where the current certificate can be had from."""
        return [place for place in self._places() if self.holds_current(place.look)]

    def held_at(self) -> List[Elsewhere]:
        """A few places for each certificate that is held: as much as a later decision about other hosts needs of what is known now."""
        counts = Counter()  # type: Counter[int]
        kept = []
        for place, held_there in ((place, self.holding(place.look)) for place in self._places()):
            if held_there is not None and counts[held_there.serial] < A_FEW:
                counts[held_there.serial] += 1
                kept.append(place)
        return kept

    def other_places(self) -> List[Elsewhere]:
        """The places that only tell who holds what."""
        return [place for host in self.seen.hosts or () for place in host.also] + list(self.seen.elsewhere)

    def unasked(self) -> List[str]:
        """The hosts that may hold the certificate and could not be asked."""
        return [host.name for host in self.seen.hosts or () if host.look is None] + list(self.seen.unasked)

    def _places(self) -> List[Elsewhere]:
        """Hosts that should hold it come first, because they were asked last."""
        proper = [Elsewhere(host.name, host.location, host.look) for host in self.seen.hosts or () if host.look]
        return proper + self.other_places()

    def _looks(self) -> List[Optional[Look]]:
        hosts = [host.look for host in self.seen.hosts or ()]
        return [self.seen.file, self.seen.leftover] + hosts + [place.look for place in self.other_places()]


class Plan(NamedTuple):
    """The answer. Certificates are in the order of issue; ``place``, ``adjust``, ``holders`` and ``unasked`` are host names, and
    ``sources`` are pairs of a host and the path where it holds the current certificate; ``held_at`` are a few places for each that is held.

    ``at_path`` is the certificate in the file at ``path``, whatever it is worth; ``is_reserved`` says that another run works there, or died.

    ``leftover`` says what to do with what an earlier run left beside ``path``: ``adopt`` it (it is the current certificate, and
    nobody else holds it), ``discard`` it (somebody holds the same), ``warn`` (it is of no use, or of none that we know), or None.
    """

    verdict: Verdict
    now: datetime
    unexpired: Tuple[Certificate, ...]
    current: Optional[Certificate]
    path_is_current: bool
    leftover: Optional[str]
    superseded: Tuple[Certificate, ...]
    orphaned: Tuple[Certificate, ...]
    at_path: Optional[Certificate] = None
    is_reserved: bool = False
    hosts_given: bool = False
    place: Tuple[str, ...] = ()
    adjust: Tuple[str, ...] = ()
    holders: Tuple[str, ...] = ()
    sources: Tuple[Tuple[str, str], ...] = ()
    held_at: Tuple[Elsewhere, ...] = ()
    unasked: Tuple[str, ...] = ()
    foreign: Dict[str, str] = {}  # noqa: RUF012 - never changed
    not_placeable: Dict[str, str] = {}  # noqa: RUF012 - never changed

    @property
    def converged(self) -> bool:
        """Whether nothing is left to do: every host that was asked holds, as it should be, what was issued last, and the controller does not."""
        if self.verdict.decision != KEEP or self.current is None or self.current.serial != self.unexpired[-1].serial:
            return False
        return not (self.place or self.adjust or self.foreign or self.not_placeable or self.path_is_current or self.leftover == "adopt")


Rule = Callable[[Case], Optional[Verdict]]


def decide(wanted: Wanted, seen: Seen, now: datetime) -> Plan:
    """The plan for this case at this moment of the service's clock."""
    case = Case(wanted, seen, now)
    verdict = next(answer for answer in (rule(case) for rule in RULES) if answer)
    if verdict.decision == ISSUE:
        verdict = next((answer for answer in (guard(case) for guard in GUARDS) if answer), verdict)
    return _plan(case, verdict)


def renew_at(certificate: Certificate, renew_before: Span) -> datetime:
    """When renewal is due: the span before the end; a percentage is of the time from the issue to the end."""
    return renew_before.before_end(certificate.issued_at, certificate.not_after)


def foreign_pem(case: Case) -> Optional[Verdict]:
    """A file that is not ours is never replaced unless that was asked for."""
    if not case.is_foreign(case.seen.file):
        return None
    return Verdict(
        REFUSE,
        "foreign_pem",
        "{0} holds {1}; choose another path, move it away, or set on_foreign: replace (which keeps a backup)".format(
            case.wanted.path, case.seen.file.describe()
        ),
    )


def forced(case: Case) -> Optional[Verdict]:
    """One line by hand may issue in any case."""
    return Verdict(ISSUE, "forced", "force is set") if case.wanted.force else None


def none_unexpired(case: Case) -> Optional[Verdict]:
    """The main reason to issue."""
    return None if case.unexpired else Verdict(ISSUE, "none_unexpired", "Atlas lists no unexpired certificate")


def orphaned(case: Case) -> Optional[Verdict]:
    """Atlas lists certificates whose key nobody has who was asked. They cannot be revoked, so a person should know."""
    if case.current:
        return None
    count = len(case.unexpired)
    lists = "Atlas lists {0} unexpired certificate{1} ({2}), but {3} the key of {4}{5}".format(
        count, "" if count == 1 else "s", _enumerate(case.unexpired), _nobody(case), "it" if count == 1 else "any", _wrong_path(case)
    )
    if case.wanted.on_orphan == "reissue":
        return Verdict(ISSUE, "orphaned", lists + ", and on_orphan is reissue")
    ways = (
        "ask every host that may hold it (in the role: run without --limit, or set user_cert_holders), bring the PEM back to where it is "
        "looked for, or, if the key is really lost, set on_orphan: reissue (user_cert_on_orphan) to issue another certificate beside it"
    )
    return Verdict(REFUSE, "orphaned", "{0}; {1}".format(lists, ways))


def rotation_asked(case: Case) -> Optional[Verdict]:
    """The current one was issued before the moment from which on only newer ones are trusted."""
    moment, current = case.wanted.rotate_before, case.current
    if moment is None or current is None or current.issued_at >= moment:
        return None
    why = "the current certificate {0} was issued at {1}, before {2} (rotate_before)"
    return Verdict(ISSUE, "rotation_asked", why.format(current.serial, iso(current.issued_at), iso(moment)) + _newer(case))


def renewal_due(case: Case) -> Optional[Verdict]:
    """The current one ends within ``renew_before``."""
    if case.current is None or case.now < case.renew_at(case.current):
        return None
    why = "the current certificate {0} expires at {1} and was due for renewal at {2}"
    return Verdict(
        ISSUE,
        "renewal_due",
        why.format(case.current.serial, iso(case.current.not_after), iso(case.renew_at(case.current))) + _newer(case),
    )


def held(case: Case) -> Optional[Verdict]:
    """Otherwise all is well."""
    if case.current is None:
        return None  # not reached: orphaned() answers for every case without one
    return Verdict(KEEP, "held", "certificate {0} is held {1}".format(case.current.serial, _where(case)))


def too_many_unexpired(case: Case) -> Optional[Verdict]:
    """Every stray certificate is a credential that lives on: something that issues again and again is stopped."""
    count = len(case.unexpired)
    if count < case.wanted.max_unexpired:
        return None
    why = (
        "{0} unexpired already and max_unexpired is {1}: none can be revoked; find out what issued them ({2}), "
        "then wait until some expire or raise max_unexpired"
    )
    return Verdict(REFUSE, "too_many_unexpired", why.format(_count(count), case.wanted.max_unexpired, _enumerate(case.unexpired)))


def nowhere_to_place(case: Case) -> Optional[Verdict]:
    """A certificate that no host can take would be issued for nobody."""
    if case.seen.hosts is None or case.takers():
        return None
    reasons = "; ".join("{0}: {1}".format(host.name, _hindrance(host)) for host in case.seen.hosts) or "no host was asked"
    return Verdict(REFUSE, "nowhere_to_place", "none of the hosts could take the PEM ({0})".format(reasons))


def holder_not_asked(case: Case) -> Optional[Verdict]:
    """A newer certificate that would do is listed, and a host that may hold it could not be asked: it is unknown, not lost."""
    newest, unasked = case.unexpired[-1] if case.unexpired else None, case.unasked()
    if case.wanted.force or case.current is None or newest is None or not unasked or case.wanted.on_orphan == "reissue":
        return None
    if newest.serial == case.current.serial or _is_due(case, newest):
        return None
    why = (
        "certificate {0} is due to be replaced, and {1} ({2}) was issued after it; a host that may hold that one could not be asked: {3}. Run "
        "again when it can be, or, if the key is lost, set on_orphan: reissue (user_cert_on_orphan) to issue another certificate"
    )
    return Verdict(REFUSE, "holder_not_asked", why.format(case.current.serial, newest.serial, iso(newest.not_after), _few(unasked)))


RULES = (foreign_pem, forced, none_unexpired, orphaned, rotation_asked, renewal_due, held)  # type: Tuple[Rule, ...]
GUARDS = (too_many_unexpired, holder_not_asked, nowhere_to_place)  # type: Tuple[Rule, ...]


def _plan(case: Case, verdict: Verdict) -> Plan:
    hosts = case.seen.hosts or ()
    held_serials = {one.serial for one in case.held if one}
    issuing = verdict.decision == ISSUE
    path_is_current = case.holds_current(case.seen.file)
    holders = tuple(host.name for host in hosts if case.holds_current(host.look))
    return Plan(
        verdict=verdict,
        now=case.now,
        unexpired=case.unexpired,
        current=case.current,
        path_is_current=path_is_current,
        leftover=_leftover(case),
        superseded=tuple(one for one in case.unexpired if issuing or not case.current or one.serial != case.current.serial),
        orphaned=tuple(one for one in case.unexpired if one.serial not in held_serials),
        at_path=case.seen.file.certificate,
        is_reserved=case.seen.leftover.state != "absent",
        hosts_given=case.seen.hosts is not None,
        place=tuple(host.name for host in case.takers() if issuing or host.name not in holders),
        adjust=tuple(host.name for host in hosts if not issuing and host.name in holders and host.attributes_differ),
        holders=holders,
        sources=tuple((place.host, place.location) for place in case.sources()),
        held_at=tuple(case.held_at()),
        unasked=tuple(case.unasked()),
        # The obstacle first: what may not be read, or is a link, looks foreign, and to replace it would be the wrong advice.
        foreign={host.name: host.look.describe() for host in hosts if host.look and not host.obstacle and case.is_foreign(host.look)},
        not_placeable={host.name: host.obstacle for host in hosts if host.look and host.obstacle and (issuing or host.name not in holders)},
    )


def _leftover(case: Case) -> Optional[str]:
    if case.seen.leftover.state in ("absent", "empty"):
        return None
    found = case.holding(case.seen.leftover)
    others = [case.seen.file] + [host.look for host in case.seen.hosts or ()] + [place.look for place in case.other_places()]
    if found and any(one and one.serial == found.serial for one in map(case.holding, others)):
        return "discard"
    return "adopt" if found and case.holds_current(case.seen.leftover) else "warn"


def _is_due(case: Case, one: Certificate) -> bool:
    """Whether this certificate would have to be replaced itself."""
    moment = case.wanted.rotate_before
    return (moment is not None and one.issued_at < moment) or case.now >= case.renew_at(one)


def _count(number: int) -> str:
    return "1 certificate is" if number == 1 else "{0} certificates are".format(number)


def _enumerate(certificates: Tuple[Certificate, ...]) -> str:
    shown = ["{0} until {1}".format(one.serial, iso(one.not_after)) for one in certificates[-10:]]
    return ", ".join((["{0} more".format(len(certificates) - 10)] if len(certificates) > 10 else []) + shown)


def _nobody(case: Case) -> str:
    if case.seen.hosts is None:
        return "{0} does not hold".format(case.wanted.path)
    unasked = case.unasked()
    asked = [host.name for host in case.seen.hosts if host.look is not None]
    asked += sorted({place.host for place in case.seen.elsewhere} - set(asked))
    return "neither {0} nor any host that was asked ({1}{2}) holds".format(
        case.wanted.path, _few(asked) or "none", "; could not be asked: {0}".format(_few(unasked)) if unasked else ""
    )


def _wrong_path(case: Case) -> str:
    """A remark on hosts that could take no PEM: a path that is mistyped looks like a key that is lost."""
    hindered = ["{0}: {1}".format(host.name, host.obstacle) for host in case.seen.hosts or () if host.obstacle]
    return " (is the path right? {0})".format(_few(hindered, 3)) if hindered else ""


def _few(names: List[str], most: int = 10) -> str:
    return ", ".join(names[:most]) + (" and {0} more".format(len(names) - most) if len(names) > most else "")


def _newer(case: Case) -> str:
    """A remark on a certificate that was issued after the current one, and whose key nobody has who was asked."""
    newest = case.unexpired[-1]
    if case.current is None or newest.serial == case.current.serial:
        return ""
    return "; a newer one, {0}, is listed, but nobody who was asked holds its key".format(newest.serial)


def _where(case: Case) -> str:
    places = ["at " + case.wanted.path] if case.holds_current(case.seen.file) else []
    count = sum(1 for host in case.seen.hosts or () if case.holds_current(host.look))
    if count:
        places.append("on {0} of {1} hosts".format(count, len(case.seen.hosts or ())))
    elif case.sources():
        names = ["{0} ({1})".format(place.host, place.location) for place in case.sources()]
        places.append("on {0}".format(_few(names, 3)))
    return " and ".join(places) or "by what an earlier run left beside {0}".format(case.wanted.path)


def _hindrance(host: Host) -> str:
    if host.look is None:
        return "could not be asked"
    return host.obstacle or "holds {0}, and on_foreign is fail".format(host.look.describe())
