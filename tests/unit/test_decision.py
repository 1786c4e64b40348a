# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The decision: a table from a sentence to a case, then the plan for the hosts, then what must hold for any case at all."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.atlas.x509.plugins.module_utils._certificate import Certificate
from ansible_collections.atlas.x509.plugins.module_utils._decision import Elsewhere, Host, Seen, Wanted, decide, renew_at
from ansible_collections.atlas.x509.plugins.module_utils._pem import Look
from ansible_collections.atlas.x509.plugins.module_utils._time import Span
from effort import examples
from hypothesis import assume, given, settings
from hypothesis import strategies as st

PROJECT = "64b7f0c2a1d3e4f5a6b7c8d9"
OTHER_PROJECT = "aaaaaaaaaaaaaaaaaaaaaaaa"
PATH = "/etc/app/mongodb.pem"
SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
NOW = datetime(2026, 11, 22, 12, tzinfo=timezone.utc)
ABSENT = Look("absent")
MONTH = Span(length=30 * DAY)
bounded = settings(derandomize=True, max_examples=examples(100), database=None)


def certificate(serial=1, issued=NOW - 10 * DAY, ends=NOW + 80 * DAY, user="app", project=PROJECT):
    """As a PEM shows it. ``issued`` is the true moment: the certificate itself says an hour earlier."""
    issuer = f"CN={project},OU=Atlas,O=MongoDB Inc"
    return Certificate(serial, f"CN={user}", issued - HOUR, ends, user, issuer, project, "ab" * 32)


def as_listed(one):
    """As Atlas lists it: neither issuer nor fingerprint."""
    return one._replace(issuer=None, issuer_common_name=None, fingerprint_sha256=None)


def pair(one):
    return Look("pair", None, one)


def seen(listed=(), file=ABSENT, hosts=None, leftover=ABSENT, elsewhere=(), unasked=()):
    return Seen(tuple(map(as_listed, listed)), file, leftover, hosts, elsewhere, unasked)


def wanted(**wishes):
    return Wanted("app", PROJECT, PATH, **wishes)


def many(count):
    """Certificates that are held by nobody, older than the one of the tables."""
    return tuple(certificate(100 + number, NOW - 20 * DAY) for number in range(count))


ONE = certificate()
FOREIGN = pair(certificate(7, user="somebody"))
MARCH = certificate(3, datetime(2026, 3, 31, 9, tzinfo=timezone.utc), datetime(2026, 6, 30, 9, tzinfo=timezone.utc))
LEAP = certificate(3, datetime(2028, 1, 31, 9, tzinfo=timezone.utc), datetime(2028, 2, 29, 9, tzinfo=timezone.utc))
HUNDRED_DAYS = certificate(1, NOW, NOW + 100 * DAY)
LONG, SHORT = certificate(9, NOW - 20 * DAY, NOW + 700 * DAY), certificate(2, NOW - 10 * DAY, NOW + 20 * DAY)
NINE, TEN = certificate(9, ends=NOW + 10 * DAY), certificate(10)
FREE, HOLDER = Host("free", ABSENT), Host("holder", pair(ONE))
OUTSIDE = Elsewhere("outside", "/etc/other.pem", pair(ONE))
UNASKED, FULL, TAKEN = Host("down", None), Host("full", ABSENT, "path: no space is left in /etc/app"), Host("taken", FOREIGN)

AGING, SINCE = Host("aging", pair(SHORT)), SHORT.issued_at + DAY
NEWER_MAY_BE_DOWN = seen([SHORT, certificate(12, NOW - 5 * DAY)], hosts=(AGING, UNASKED))


def case(sentence, found, decision, reason, now=NOW, **wishes):
    return pytest.param(wanted(**wishes), found, now, (decision, reason), id=sentence)


def test_the_rules_are_asked_in_the_order_of_the_design():
    """Every pair of rules that can both answer stands in the table below; this is the list of their names, for the reader."""
    from ansible_collections.atlas.x509.plugins.module_utils._decision import GUARDS, RULES

    assert [rule.__name__ for rule in RULES] == [
        "foreign_pem", "forced", "none_unexpired", "orphaned", "rotation_asked", "renewal_due", "held",
    ]  # fmt: skip
    assert [guard.__name__ for guard in GUARDS] == ["too_many_unexpired", "holder_not_asked", "nowhere_to_place"]


@pytest.mark.parametrize(
    ("wish", "found", "now", "expected"),
    [
        # What each rule is for
        case("nothing is listed and nothing is there", seen(), "issue", "none_unexpired"),
        case("what is listed is held at the path", seen([ONE], pair(ONE)), "keep", "held"),
        case("what is listed is held by one host of several", seen([ONE], hosts=(FREE, HOLDER, UNASKED)), "keep", "held"),
        case("what is listed is held by what a dead run left", seen([ONE], leftover=pair(ONE)), "keep", "held"),
        case("what is listed is held by nobody", seen([ONE]), "refuse", "orphaned"),
        case("held by nobody and no host was asked", seen([ONE], hosts=(UNASKED,)), "refuse", "orphaned"),
        case("held by nobody, reissue was asked for", seen([ONE]), "issue", "orphaned", on_orphan="reissue"),
        case("held, and reissue was asked for all the same", seen([ONE], pair(ONE)), "keep", "held", on_orphan="reissue"),
        case("force issues although one is held", seen([ONE], pair(ONE)), "issue", "forced", force=True),
        case("somebody else's PEM is at the path", seen([ONE], FOREIGN), "refuse", "foreign_pem"),
        case("somebody else's PEM, to be replaced, nothing listed", seen([], FOREIGN), "issue", "none_unexpired", on_foreign="replace"),
        case("somebody else's PEM, to be replaced, ours on a host", seen([ONE], FOREIGN, (HOLDER,)), "keep", "held", on_foreign="replace"),
        case("somebody else's PEM, to be replaced, ours held by nobody", seen([ONE], FOREIGN), "refuse", "orphaned", on_foreign="replace"),
        # What is foreign, and what is not
        case("an empty file is nobody's", seen([], Look("empty")), "issue", "none_unexpired"),
        case("our certificate without its key is ours", seen([ONE], Look("certificate_only", None, ONE)), "refuse", "orphaned"),
        case("our certificate with a cut key is ours", seen([ONE], Look("broken", "cut", ONE)), "refuse", "orphaned"),
        case("our expired pair is ours", seen([], pair(certificate(1, ends=NOW - DAY))), "issue", "none_unexpired"),
        case("the pair of another project is foreign", seen([], pair(certificate(project=OTHER_PROJECT))), "refuse", "foreign_pem"),
        case("a key alone is foreign", seen([], Look("key_only")), "refuse", "foreign_pem"),
        case("a key that is another certificate's is foreign", seen([ONE], Look("mismatched", None, ONE)), "refuse", "foreign_pem"),
        case("an encrypted key is foreign", seen([ONE], Look("encrypted", None, ONE)), "refuse", "foreign_pem"),
        case("what cannot be read is foreign", seen([], Look("unreadable", "a symbolic link")), "refuse", "foreign_pem"),
        # Held means listed and a pair, ours
        case("held but not listed does not count", seen([ONE], pair(certificate(2))), "refuse", "orphaned"),
        case("held but not listed and nothing else: the first one", seen([], pair(ONE)), "issue", "none_unexpired"),
        case(
            "a listed number in another user's pair does not count",
            seen([ONE], hosts=(TAKEN, Host("x", pair(certificate(1, user="b"))))), "refuse", "orphaned",
        ),
        case(
            "a listed number in another project's pair does not count",
            seen([ONE], hosts=(Host("x", pair(certificate(1, project=OTHER_PROJECT))),)), "refuse", "orphaned",
        ),
        case("a listed number without its key does not count", seen([ONE], hosts=(Host("x", Look("certificate_only", None, ONE)),)), "refuse", "orphaned"),
        # The second of expiry
        case("expires this second: it has expired", seen([ONE], pair(ONE)), "issue", "none_unexpired", now=ONE.not_after),
        case("expires in a second: it has not", seen([ONE], pair(ONE)), "keep", "held", now=ONE.not_after - SECOND),
        case("expires in a second, held by nobody", seen([ONE]), "refuse", "orphaned", now=ONE.not_after - SECOND),
        # The second of renewal
        case("renewal is due this second", seen([ONE], pair(ONE)), "issue", "renewal_due", now=ONE.not_after - 30 * DAY, renew_before=MONTH),
        case("renewal is due in a second", seen([ONE], pair(ONE)), "keep", "held", now=ONE.not_after - 30 * DAY - SECOND, renew_before=MONTH),
        case("renewal is long overdue", seen([ONE], pair(ONE)), "issue", "renewal_due", now=ONE.not_after - SECOND, renew_before=MONTH),
        case(
            "33% of 100 days from the issue to the end",
            seen([HUNDRED_DAYS], pair(HUNDRED_DAYS)), "issue", "renewal_due", now=NOW + 67 * DAY, renew_before=Span(percent=33),
        ),
        case(
            "33% of 100 days, a second before",
            seen([HUNDRED_DAYS], pair(HUNDRED_DAYS)), "keep", "held", now=NOW + 67 * DAY - SECOND, renew_before=Span(percent=33),
        ),
        case(
            "June of March plus three months, 30 days before",
            seen([MARCH], pair(MARCH)), "issue", "renewal_due", now=MARCH.not_after.replace(month=5, day=31), renew_before=MONTH,
        ),
        case(
            "June of March plus three months, a second before",
            seen([MARCH], pair(MARCH)), "keep", "held", now=MARCH.not_after.replace(month=5, day=31) - SECOND, renew_before=MONTH,
        ),
        case(
            "the end of a leap February, two weeks before",
            seen([LEAP], pair(LEAP)), "issue", "renewal_due", now=LEAP.not_after.replace(day=15), renew_before=Span(14 * DAY),
        ),
        case(
            "the end of a leap February, a second before",
            seen([LEAP], pair(LEAP)), "keep", "held", now=LEAP.not_after.replace(day=15) - SECOND, renew_before=Span(14 * DAY),
        ),
        case("the end of a leap February is unexpired in its last second", seen([LEAP], pair(LEAP)), "keep", "held", now=LEAP.not_after - SECOND),
        # The second of rotation, and the hour of backdating
        case("issued in the second of rotate_before", seen([ONE], pair(ONE)), "keep", "held", rotate_before=ONE.issued_at),
        case("issued a second before rotate_before", seen([ONE], pair(ONE)), "issue", "rotation_asked", rotate_before=ONE.issued_at + SECOND),
        case("dated before rotate_before, issued after", seen([ONE], pair(ONE)), "keep", "held", rotate_before=ONE.not_before + 30 * SECOND),
        case("the newest was issued after rotate_before, an older one not", seen([LONG, SHORT], pair(SHORT)), "keep", "held", rotate_before=SHORT.issued_at),
        # Which one is current
        case(
            "issued last, not living longest: the short one is due",
            seen([LONG, SHORT], pair(LONG), (Host("a", pair(SHORT)),)), "issue", "renewal_due", renew_before=MONTH,
        ),
        case("the older one is held alone: the newer is nobody's", seen([LONG, SHORT], pair(LONG)), "keep", "held", renew_before=MONTH),
        case("two of one second: the larger number counts", seen([NINE, TEN], pair(TEN), (Host("a", pair(NINE)),)), "keep", "held", renew_before=MONTH),
        case(
            "when the newest has expired, the older one that is held counts again",
            seen([LONG, SHORT], pair(LONG), (Host("a", pair(SHORT)),)), "keep", "held", now=SHORT.not_after, renew_before=MONTH,
        ),
        # The cap
        case("the cap is reached exactly", seen(many(10)), "refuse", "too_many_unexpired", force=True),
        case("one below the cap", seen(many(9)), "issue", "forced", force=True),
        case("above the cap", seen(many(11)), "refuse", "too_many_unexpired", on_orphan="reissue"),
        case("a cap of one lets the first one be issued", seen(), "issue", "none_unexpired", max_unexpired=1),
        case("a cap of one stops a renewal", seen([ONE], pair(ONE)), "refuse", "too_many_unexpired", renew_before=Span(85 * DAY), max_unexpired=1),
        case("a cap of one stops a rotation", seen([ONE], pair(ONE)), "refuse", "too_many_unexpired", rotate_before=NOW, max_unexpired=1),
        case("what has expired does not count for the cap", seen([ONE, certificate(2, ends=NOW)], pair(ONE)), "issue", "forced", force=True, max_unexpired=2),
        case("the cap is no reason not to keep", seen([*many(30), ONE], pair(ONE)), "keep", "held"),
        case("the cap does not hide an orphan", seen(many(30)), "refuse", "orphaned"),
        case("the cap does not hide a foreign file", seen(many(30), FOREIGN), "refuse", "foreign_pem", force=True),
        # Nowhere to place
        case("hosts, and none could be asked", seen(hosts=(UNASKED,)), "refuse", "nowhere_to_place"),
        case("hosts, and none has space", seen(hosts=(FULL,)), "refuse", "nowhere_to_place"),
        case("hosts, and all are somebody else's", seen(hosts=(TAKEN,)), "refuse", "nowhere_to_place"),
        case("hosts, and there are none", seen(hosts=()), "refuse", "nowhere_to_place"),
        case("one of the hosts can take it", seen(hosts=(UNASKED, FULL, TAKEN, FREE)), "issue", "none_unexpired"),
        case("somebody else's host can take it when it may be replaced", seen(hosts=(TAKEN,)), "issue", "none_unexpired", on_foreign="replace"),
        case("no hosts were given: the path is the place", seen(), "issue", "none_unexpired"),
        case("nowhere to place is no reason not to keep", seen([ONE], pair(ONE), (UNASKED, FULL)), "keep", "held"),
        case(
            "a holder on a full disk keeps, and takes no renewal",
            seen([ONE], hosts=(HOLDER._replace(obstacle="path: full"),)), "refuse", "nowhere_to_place", force=True,
        ),
        # Elsewhere: a host outside the batch, another path
        case("held by a host outside the batch alone", seen([ONE], hosts=(FREE,), elsewhere=(OUTSIDE,)), "keep", "held"),
        case("held at another path of a host alone", seen([ONE], hosts=(FREE._replace(also=(OUTSIDE,)),)), "keep", "held"),
        case("elsewhere is something else", seen([ONE], hosts=(FREE,), elsewhere=(OUTSIDE._replace(look=FOREIGN),)), "refuse", "orphaned"),
        case("elsewhere is no place to put it", seen(hosts=(FULL,), elsewhere=(OUTSIDE,)), "refuse", "nowhere_to_place"),
        # A newer one whose holder may be a host that could not be asked
        case("due, and the newer one may be on a host that is down", NEWER_MAY_BE_DOWN, "refuse", "holder_not_asked", renew_before=MONTH),
        case("to be rotated, and the newer one may be on a host that is down", NEWER_MAY_BE_DOWN, "refuse", "holder_not_asked", rotate_before=SINCE),
        case("the same, outside the batch", NEWER_MAY_BE_DOWN._replace(hosts=(AGING,), unasked=("x",)), "refuse", "holder_not_asked", renew_before=MONTH),
        case("the same, and everybody was asked", NEWER_MAY_BE_DOWN._replace(hosts=(AGING,)), "issue", "renewal_due", renew_before=MONTH),
        case("the same, and reissue was asked for", NEWER_MAY_BE_DOWN, "issue", "renewal_due", renew_before=MONTH, on_orphan="reissue"),
        case("the same, by force", NEWER_MAY_BE_DOWN, "issue", "forced", force=True),
        case("the newer one would not do either", NEWER_MAY_BE_DOWN, "issue", "rotation_asked", rotate_before=NOW),
        case("the newer one is due this second", NEWER_MAY_BE_DOWN, "issue", "renewal_due", renew_before=Span(80 * DAY)),
        case("the newer one was issued in the second of rotate_before", NEWER_MAY_BE_DOWN, "refuse", "holder_not_asked", rotate_before=NOW - 5 * DAY),
        case("not due, and a newer one may be on a host that is down", NEWER_MAY_BE_DOWN, "keep", "held"),
        case("the current one is the newest, and a host is down", seen([SHORT], hosts=(AGING, UNASKED)), "issue", "renewal_due", renew_before=MONTH),
        case("the cap before a holder that was not asked", NEWER_MAY_BE_DOWN, "refuse", "too_many_unexpired", renew_before=MONTH, max_unexpired=2),
        case(
            "a holder that was not asked before nowhere to place",
            NEWER_MAY_BE_DOWN._replace(hosts=(AGING._replace(obstacle="path: full"), UNASKED)), "refuse", "holder_not_asked", renew_before=MONTH,
        ),
        # The order, wherever two rules would both answer
        case("foreign before force", seen([ONE], FOREIGN), "refuse", "foreign_pem", force=True),
        case("foreign before none unexpired", seen([], FOREIGN), "refuse", "foreign_pem"),
        case("foreign before orphaned", seen([ONE], FOREIGN), "refuse", "foreign_pem", on_orphan="reissue"),
        case("foreign before rotation", seen([ONE], FOREIGN, (HOLDER,)), "refuse", "foreign_pem", rotate_before=NOW),
        case("foreign before renewal", seen([ONE], FOREIGN, (HOLDER,)), "refuse", "foreign_pem", renew_before=Span(85 * DAY)),
        case("foreign before held", seen([ONE], FOREIGN, (HOLDER,)), "refuse", "foreign_pem"),
        case("force before none unexpired", seen(), "issue", "forced", force=True),
        case("force before orphaned", seen([ONE]), "issue", "forced", force=True),
        case("force before rotation", seen([ONE], pair(ONE)), "issue", "forced", force=True, rotate_before=NOW),
        case("force before renewal", seen([ONE], pair(ONE)), "issue", "forced", force=True, renew_before=Span(85 * DAY)),
        case("none unexpired before rotation", seen([], pair(ONE)), "issue", "none_unexpired", rotate_before=NOW),
        case("none unexpired before renewal", seen([], pair(ONE)), "issue", "none_unexpired", renew_before=Span(85 * DAY)),
        case("orphaned before rotation", seen([ONE], pair(certificate(2))), "refuse", "orphaned", rotate_before=NOW),
        case("orphaned before renewal", seen([ONE], pair(certificate(2))), "refuse", "orphaned", renew_before=Span(85 * DAY)),
        case("rotation before renewal", seen([ONE], pair(ONE)), "issue", "rotation_asked", rotate_before=NOW, renew_before=Span(85 * DAY)),
        case("the cap before nowhere to place", seen(many(10), hosts=(UNASKED,)), "refuse", "too_many_unexpired", force=True),
    ],
)  # fmt: skip
def test_the_decision(wish, found, now, expected):
    plan = decide(wish, found, now)
    assert (plan.verdict.decision, plan.verdict.reason) == expected
    assert plan.now == now


@pytest.mark.parametrize(
    ("found", "serial"),
    [
        pytest.param(seen([LONG, SHORT], pair(LONG), (Host("a", pair(SHORT)),)), 2, id="the one issued last, though it ends first"),
        pytest.param(seen([SHORT, LONG], pair(SHORT), (Host("a", pair(LONG)),)), 2, id="in whatever order Atlas lists them"),
        pytest.param(seen([NINE, TEN], pair(NINE), (Host("a", pair(TEN)),)), 10, id="of one second the larger number, as numbers"),
        pytest.param(seen([LONG, SHORT], pair(LONG)), 9, id="the newer one that nobody holds does not count"),
        pytest.param(seen([LONG], pair(LONG), (Host("a", pair(SHORT)),)), 9, id="the newer one that is not listed does not count"),
        pytest.param(seen([LONG, SHORT], pair(LONG), leftover=pair(SHORT)), 2, id="what a dead run left counts"),
        pytest.param(seen([LONG, SHORT]), None, id="none where none is held"),
    ],
)
def test_the_current_one_is(found, serial):
    current = decide(wanted(on_orphan="reissue"), found, NOW).current
    assert (current.serial if current else None) == serial


def test_a_renewal_counts_the_lifetime_from_the_issue_and_not_from_the_hour_before():
    assert renew_at(HUNDRED_DAYS, Span(percent=50)) == NOW + 50 * DAY


@pytest.mark.parametrize("name", ["Müller", "a,b", "+x", "CN=app", " app", "svc@example.org", "app/eu", "#app", 'say "so"', "a;b<c>d\\"])
def test_a_user_with_special_characters_holds_what_is_theirs(name):
    escaped = {"a,b": "CN=a\\,b", "+x": "CN=\\+x", "CN=app": "CN=CN\\=app", " app": "CN=\\ app", "#app": "CN=\\#app",
               'say "so"': 'CN=say \\"so\\"', "a;b<c>d\\": "CN=a\\;b\\<c\\>d\\\\"}.get(name, f"CN={name}")  # fmt: skip
    theirs = certificate(user=name)._replace(subject=escaped)
    plan = decide(Wanted(name, PROJECT, PATH), Seen((as_listed(theirs),), pair(theirs)), NOW)
    assert plan.verdict.reason == "held"


@pytest.mark.parametrize("subject", ["CN=app,O=Acme", "CN=app2", "O=app", "CN=APP", "CN=app\\,O=Acme"])
def test_the_subject_is_the_user_alone(subject):
    other = ONE._replace(subject=subject)
    assert decide(wanted(), seen([ONE], hosts=(FREE, Host("x", pair(other)))), NOW).verdict.reason == "orphaned"


def test_what_is_superseded_is_everything_but_the_current_one():
    plan = decide(wanted(), seen([LONG, SHORT, *many(2)], pair(SHORT)), NOW)
    assert [one.serial for one in plan.superseded] == [9, 100, 101]


def test_everything_is_superseded_once_another_is_issued():
    plan = decide(wanted(force=True), seen([LONG, SHORT], pair(SHORT)), NOW)
    assert [one.serial for one in plan.superseded] == [9, 2]


def test_what_is_orphaned_is_what_nobody_holds():
    plan = decide(wanted(), seen([LONG, SHORT, ONE], pair(ONE), (Host("a", pair(LONG)),)), NOW)
    assert [one.serial for one in plan.orphaned] == [2]


def test_a_path_that_cannot_be_used_is_named_beside_what_looks_like_a_lost_key():
    hindered = [Host(name, ABSENT, f"path: the directory /etc/{name} does not exist") for name in "abcd"]
    said = decide(wanted(), seen([ONE], hosts=(Host("fine", ABSENT), *hindered)), NOW).verdict.why
    first = ", ".join(f"{host.name}: {host.obstacle}" for host in hindered[:3])
    assert f"holds the key of it (is the path right? {first} and 1 more); ask every host" in said
    reissued = decide(wanted(on_orphan="reissue"), seen([ONE], hosts=(hindered[0], Host("fine", ABSENT))), NOW).verdict.why
    assert reissued.endswith(f"(is the path right? a: {hindered[0].obstacle}), and on_orphan is reissue")
    assert "is the path right" not in decide(wanted(), seen([ONE], hosts=(Host("fine", ABSENT),)), NOW).verdict.why


def test_the_unexpired_ones_are_in_the_order_of_issue_and_without_the_expired():
    gone = certificate(5, ends=NOW)
    plan = decide(wanted(), seen([TEN, SHORT, gone, NINE, LONG._replace(serial=99)], pair(TEN)), NOW)
    assert [one.serial for one in plan.unexpired] == [99, 2, 9, 10]


# The plan for the hosts

OLD = certificate(4, NOW - 30 * DAY, NOW + 60 * DAY)
FLEET = (
    Host("holder", pair(ONE)),
    Host("loose", pair(ONE), None, ("mode", "group")),
    Host("new", ABSENT),
    Host("late", pair(OLD)),
    Host("stale", pair(certificate(77))),
    Host("full", ABSENT, "path: no space is left in /etc/app"),
    Host("stuck", pair(ONE), "path: no space is left in /etc/app"),
    Host("taken", FOREIGN),
    Host("taken-and-full", FOREIGN, "path: no space is left in /etc/app"),
    Host("down", None),
)


def test_a_kept_certificate_goes_where_it_is_missing():
    plan = decide(wanted(), seen([OLD, ONE], hosts=FLEET), NOW)
    assert plan.verdict.reason == "held"
    assert plan.place == ("new", "late", "stale")
    assert plan.holders == ("holder", "loose", "stuck")
    assert plan.adjust == ("loose",)
    assert plan.unasked == ("down",)
    assert plan.not_placeable == dict.fromkeys(("full", "taken-and-full"), "path: no space is left in /etc/app")
    assert list(plan.foreign) == ["taken"]
    assert "CN=somebody" in plan.foreign["taken"]


def test_a_new_certificate_goes_wherever_it_can():
    plan = decide(wanted(force=True), seen([OLD, ONE], hosts=FLEET), NOW)
    assert plan.verdict.reason == "forced"
    assert plan.place == ("holder", "loose", "new", "late", "stale")
    assert plan.adjust == ()
    assert sorted(plan.not_placeable) == ["full", "stuck", "taken-and-full"]
    assert list(plan.foreign) == ["taken"]


def test_the_sources_are_the_hosts_that_should_hold_it_then_other_places():
    hosts = (FREE._replace(also=(OUTSIDE._replace(host="free"),)), HOLDER._replace(location=PATH))
    plan = decide(wanted(), seen([ONE], hosts=hosts, elsewhere=(OUTSIDE,)), NOW)
    assert plan.sources == (("holder", PATH), ("free", "/etc/other.pem"), ("outside", "/etc/other.pem"))
    assert (plan.place, plan.holders) == (("free",), ("holder",))
    assert plan.orphaned == ()


@pytest.mark.parametrize(
    ("left", "situation"),
    [
        ("nothing", {}),
        ("nothing: a host that is down is not waited for", {"hosts": (HOLDER, Host("down", None))}),
        ("a host that needs it", {"hosts": (HOLDER, FREE)}),
        ("a host with the old one", {"listed": [OLD, ONE], "hosts": (HOLDER, FLEET[3])}),
        ("a mode", {"hosts": (HOLDER, FLEET[1])}),
        ("a host that cannot take it", {"hosts": (HOLDER, FLEET[5])}),
        ("a foreign file", {"hosts": (HOLDER, FLEET[7])}),
        ("to find who holds the newest", {"listed": [ONE, certificate(9, NOW - DAY)]}),
        ("what waits at path", {"file": pair(ONE)}),
        ("what an earlier run left", {"leftover": pair(ONE), "hosts": ()}),
    ],
)
def test_a_fleet_has_converged_when_nothing_is_left_to_do(left, situation):
    plan = decide(wanted(), seen(**{"listed": [ONE], "hosts": (HOLDER,), **situation}), NOW)
    assert plan.verdict.decision == "keep"
    assert plan.converged is left.startswith("nothing")


def test_a_fleet_that_needs_a_certificate_or_a_person_has_not_converged():
    assert not decide(wanted(renew_before=Span(length=85 * DAY)), seen([ONE], hosts=(HOLDER,)), NOW).converged
    assert not decide(wanted(), seen([ONE], hosts=(FREE,)), NOW).converged


def test_three_places_are_named_for_each_certificate_that_is_held_and_they_tell_the_next_batch_as_much_as_all_of_them():
    newer = certificate(5, NOW - 5 * DAY)
    holders = tuple(Host(f"web{number}", pair(OLD if number < 5 else ONE), location=PATH) for number in range(9))
    strangers = (Host("taken", FOREIGN), Host("stale", pair(certificate(77))), FREE._replace(also=(OUTSIDE._replace(host="free", look=pair(newer)),)))
    first = decide(wanted(), seen([OLD, ONE, newer], hosts=holders + strangers, elsewhere=(OUTSIDE,)), NOW)

    assert [(place.host, place.location, place.look.certificate.serial) for place in first.held_at] == [
        ("web0", PATH, 4), ("web1", PATH, 4), ("web2", PATH, 4),
        ("web5", PATH, 1), ("web6", PATH, 1), ("web7", PATH, 1),
        ("free", "/etc/other.pem", 5),
    ]  # fmt: skip

    next_batch = seen([OLD, ONE, newer], hosts=(FREE,), elsewhere=first.held_at)
    second = decide(wanted(), next_batch, NOW)
    assert (second.verdict.decision, second.current, second.orphaned) == (first.verdict.decision, first.current, first.orphaned) == ("keep", newer, ())
    assert second.held_at[:3] == first.held_at[:3]


def test_a_foreign_host_is_placed_on_when_it_may_be_replaced():
    plan = decide(wanted(on_foreign="replace"), seen([OLD, ONE], hosts=FLEET), NOW)
    assert plan.place == ("new", "late", "stale", "taken")
    assert plan.foreign == {}
    assert sorted(plan.not_placeable) == ["full", "taken-and-full"]


def test_hosts_that_were_not_given_are_not_hosts_that_are_none():
    assert not decide(wanted(), seen([ONE], pair(ONE)), NOW).hosts_given
    assert decide(wanted(), seen([ONE], pair(ONE), ()), NOW).hosts_given


def test_the_path_is_current_only_where_it_holds_the_current_one():
    assert decide(wanted(), seen([OLD, ONE], pair(ONE)), NOW).path_is_current
    assert not decide(wanted(), seen([OLD, ONE], pair(OLD), (HOLDER,)), NOW).path_is_current
    assert not decide(wanted(), seen([OLD, ONE], ABSENT, (HOLDER,)), NOW).path_is_current


def test_a_pair_that_says_itself_that_it_has_expired_is_not_held_whatever_the_list_says():
    for ends, reason in ((NOW, "orphaned"), (NOW + SECOND, "held")):
        assert decide(wanted(), seen([ONE], hosts=(Host("a", pair(ONE._replace(not_after=ends))),)), NOW).verdict.reason == reason


def test_the_dates_of_the_current_one_are_those_of_the_list():
    told = ONE._replace(not_before=ONE.not_before + DAY, not_after=ONE.not_after + DAY)
    current = decide(wanted(), seen([ONE], pair(told)), NOW).current
    assert (current.not_before, current.not_after) == (ONE.not_before, ONE.not_after)


def test_the_plan_knows_what_is_at_the_path_whatever_it_is_worth():
    assert decide(wanted(), seen([ONE], pair(OLD), (HOLDER,)), NOW).at_path == OLD
    assert decide(wanted(), seen([ONE], ABSENT, (HOLDER,)), NOW).at_path is None


def test_a_reservation_is_one_even_when_it_is_empty():
    assert [decide(wanted(), seen([ONE], pair(ONE), leftover=left), NOW).is_reserved for left in (ABSENT, Look("empty"), pair(ONE))] == [False, True, True]


# What a run that died left

@pytest.mark.parametrize(
    ("found", "leftover"),
    [
        pytest.param(seen([ONE], pair(ONE)), None, id="nothing"),
        pytest.param(seen([ONE], pair(ONE), leftover=Look("empty")), None, id="a reservation without an answer"),
        pytest.param(seen([ONE], leftover=pair(ONE)), "adopt", id="the only copy of the current one is adopted"),
        pytest.param(seen([OLD, ONE], pair(OLD), leftover=pair(ONE)), "adopt", id="a newer one than at the path is adopted"),
        pytest.param(seen([ONE], hosts=(FREE, UNASKED), leftover=pair(ONE)), "adopt", id="that no host holds is adopted"),
        pytest.param(seen([ONE], pair(ONE), leftover=pair(ONE)), "discard", id="a copy of what is at the path is discarded"),
        pytest.param(seen([ONE], hosts=(HOLDER,), leftover=pair(ONE)), "discard", id="a copy of what a host holds is discarded"),
        pytest.param(seen([OLD, ONE], pair(ONE), (Host("a", pair(OLD)),), pair(OLD)), "discard", id="a copy of an older one that a host holds is discarded"),
        pytest.param(seen([OLD, ONE], pair(ONE), leftover=pair(OLD)), "warn", id="the only copy of an older one is named"),
        pytest.param(seen([ONE], pair(ONE), leftover=pair(certificate(2))), "warn", id="one that Atlas does not list is named"),
        pytest.param(seen([ONE], pair(ONE), leftover=FOREIGN), "warn", id="another user's is named"),
        pytest.param(seen([ONE], pair(ONE), leftover=Look("certificate_only", None, ONE)), "warn", id="one without its key is named"),
        pytest.param(seen([ONE], pair(ONE), leftover=Look("unreadable", "no PEM")), "warn", id="what cannot be read is named"),
    ],
)  # fmt: skip
def test_what_becomes_of_a_leftover(found, leftover):
    plan = decide(wanted(), found, NOW)
    assert plan.verdict.decision == "keep"
    assert plan.leftover == leftover


def test_a_leftover_of_the_right_user_saves_from_an_orphan():
    plan = decide(wanted(), seen([ONE], leftover=pair(ONE)), NOW)
    assert (plan.verdict.reason, plan.path_is_current, plan.orphaned) == ("held", False, ())
    assert "beside " + PATH in plan.verdict.why


# The words

@pytest.mark.parametrize(
    ("wish", "found", "words"),
    [
        (wanted(), seen([ONE], FOREIGN), [PATH, "CN=somebody", "on_foreign: replace", "backup"]),
        (wanted(), seen([ONE]), ["1 unexpired certificate (1 until 2027-02-10T12:00:00Z)", PATH, "key of it", "on_orphan: reissue"]),
        (wanted(), seen([OLD, ONE], hosts=(FREE, UNASKED)),
         ["2 unexpired certificates", "nor any host that was asked", "could not be asked: down", "key of any"]),
        (wanted(on_orphan="reissue"), seen([ONE]), ["on_orphan is reissue"]),
        (wanted(rotate_before=NOW), seen([ONE], pair(ONE)), ["certificate 1 ", "2026-11-12T12:00:00Z", "2026-11-22T12:00:00Z", "rotate_before"]),
        (wanted(renew_before=Span(85 * DAY)), seen([ONE], pair(ONE)), ["certificate 1 ", "2027-02-10T12:00:00Z", "2026-11-17T12:00:00Z"]),
        (wanted(force=True), seen(many(12)), ["12 certificates", "max_unexpired is 10", "2 more, 102 until", "raise max_unexpired"]),
        (wanted(), seen(hosts=(UNASKED, FULL, TAKEN)),
         ["down: could not be asked", "full: path: no space", "taken: holds the certificate and key of CN=somebody"]),
        (wanted(), seen(hosts=()), ["no host was asked"]),
        (wanted(), seen([ONE], pair(ONE), (HOLDER, FREE)), ["certificate 1 is held at " + PATH, "on 1 of 2 hosts"]),
        (wanted(), seen([ONE], hosts=(HOLDER, FREE)), ["certificate 1 is held on 1 of 2 hosts"]),
        (wanted(), seen([ONE], hosts=(FREE,), elsewhere=(OUTSIDE,)), ["certificate 1 is held on outside (/etc/other.pem)"]),
        (wanted(), seen([ONE], hosts=(FREE,), elsewhere=(OUTSIDE._replace(look=ABSENT),), unasked=("web9",)),
         ["nor any host that was asked (free, outside; could not be asked: web9) holds"]),
        (wanted(renew_before=MONTH), NEWER_MAY_BE_DOWN,
         ["certificate 2 is due to be replaced", "12 (2027-02-10T12:00:00Z)", "could not be asked: down", "on_orphan: reissue"]),
    ],
)  # fmt: skip
def test_a_verdict_says_which_and_where_and_what_to_do(wish, found, words):
    why = decide(wish, found, NOW).verdict.why
    assert [word for word in words if word not in why] == []


UNTIL = "2027-02-10T12:00:00Z"
ORPHANED_WAYS = (
    "; ask every host that may hold it (in the role: run without --limit, or set user_cert_holders), bring the PEM back to where it is looked for, or, "
    "if the key is really lost, set on_orphan: reissue (user_cert_on_orphan) to issue another certificate beside it"
)


def down(count):
    return tuple(Host(f"h{number}", None) for number in range(1, count + 1))


def with_pair(count):
    return tuple(OUTSIDE._replace(host=f"h{number}", location="/x") for number in range(1, count + 1))


@pytest.mark.parametrize(
    ("wish", "found", "sentence"),
    [
        pytest.param(
            wanted(), seen([ONE]),
            f"Atlas lists 1 unexpired certificate (1 until {UNTIL}), but {PATH} does not hold the key of it" + ORPHANED_WAYS,
            id="orphaned, and no hosts",
        ),
        pytest.param(
            wanted(on_orphan="reissue"), seen([ONE], hosts=(FREE,)),
            f"Atlas lists 1 unexpired certificate (1 until {UNTIL}), but neither {PATH} nor any host that was asked (free) holds the key of it, "
            "and on_orphan is reissue",
            id="orphaned, and everybody was asked",
        ),
        pytest.param(
            wanted(), seen([ONE], hosts=(UNASKED,)),
            f"Atlas lists 1 unexpired certificate (1 until {UNTIL}), but neither {PATH} nor any host that was asked "
            "(none; could not be asked: down) holds the key of it" + ORPHANED_WAYS,
            id="orphaned, and nobody was asked",
        ),
        pytest.param(
            wanted(max_unexpired=1, force=True), seen([ONE], pair(ONE)),
            f"1 certificate is unexpired already and max_unexpired is 1: none can be revoked; find out what issued them (1 until {UNTIL}), "
            "then wait until some expire or raise max_unexpired",
            id="one too many",
        ),
        pytest.param(
            wanted(max_unexpired=2, force=True), seen([ONE, TEN], pair(ONE)),
            f"2 certificates are unexpired already and max_unexpired is 2: none can be revoked; find out what issued them (1 until {UNTIL}, "
            f"10 until {UNTIL}), then wait until some expire or raise max_unexpired",
            id="two too many",
        ),
        pytest.param(
            wanted(rotate_before=NOW), seen([ONE], pair(ONE)),
            "the current certificate 1 was issued at 2026-11-12T12:00:00Z, before 2026-11-22T12:00:00Z (rotate_before)",
            id="rotation of the newest",
        ),
        pytest.param(
            wanted(renew_before=Span(85 * DAY)), seen([ONE], pair(ONE)),
            f"the current certificate 1 expires at {UNTIL} and was due for renewal at 2026-11-17T12:00:00Z",
            id="renewal of the newest",
        ),
        pytest.param(
            wanted(renew_before=MONTH), NEWER_MAY_BE_DOWN._replace(hosts=(AGING,)),
            "the current certificate 2 expires at 2026-12-12T12:00:00Z and was due for renewal at 2026-11-12T12:00:00Z"
            "; a newer one, 12, is listed, but nobody who was asked holds its key",
            id="renewal of one before the newest",
        ),
        pytest.param(wanted(), seen([ONE], pair(ONE)), f"certificate 1 is held at {PATH}", id="held at the path"),
        pytest.param(wanted(), seen([ONE], pair(ONE), (HOLDER, FREE)), f"certificate 1 is held at {PATH} and on 1 of 2 hosts", id="held at both"),
        pytest.param(wanted(), seen([ONE], leftover=pair(ONE)), f"certificate 1 is held by what an earlier run left beside {PATH}", id="left over"),
        pytest.param(
            wanted(), seen([ONE], hosts=(FREE,), elsewhere=with_pair(3)), "certificate 1 is held on h1 (/x), h2 (/x), h3 (/x)", id="held by three"
        ),
        pytest.param(
            wanted(), seen([ONE], hosts=(FREE,), elsewhere=with_pair(5)), "certificate 1 is held on h1 (/x), h2 (/x), h3 (/x) and 2 more", id="held by five"
        ),
        pytest.param(wanted(force=True), seen(), "force is set", id="forced"),
        pytest.param(wanted(), seen(), "Atlas lists no unexpired certificate", id="none"),
        pytest.param(wanted(), seen(hosts=()), "none of the hosts could take the PEM (no host was asked)", id="no hosts"),
        pytest.param(
            wanted(), seen(hosts=(UNASKED, FULL, TAKEN)),
            "none of the hosts could take the PEM (down: could not be asked; full: path: no space is left in /etc/app; taken: holds "
            f"the certificate and key of CN=somebody from CN={PROJECT},OU=Atlas,O=MongoDB Inc, and on_foreign is fail)",
            id="no host can take it",
        ),
        pytest.param(
            wanted(), seen([ONE], FOREIGN),
            f"{PATH} holds the certificate and key of CN=somebody from CN={PROJECT},OU=Atlas,O=MongoDB Inc; choose another path, move it away, "
            "or set on_foreign: replace (which keeps a backup)",
            id="foreign",
        ),
        pytest.param(
            wanted(renew_before=MONTH), NEWER_MAY_BE_DOWN,
            f"certificate 2 is due to be replaced, and 12 ({UNTIL}) was issued after it; a host that may hold that one could not be asked: down. Run "
            "again when it can be, or, if the key is lost, set on_orphan: reissue (user_cert_on_orphan) to issue another certificate",
            id="a holder that could not be asked",
        ),
    ],
)  # fmt: skip
def test_a_verdict_is_a_whole_sentence(wish, found, sentence):
    assert decide(wish, found, NOW).verdict.why == sentence


@pytest.mark.parametrize(("count", "names"), [(10, "h9, h10)"), (11, "h9, h10 and 1 more)"), (13, "h9, h10 and 3 more)")])
def test_ten_hosts_are_named_and_the_others_counted(count, names):
    assert "could not be asked: h1, h2, " in decide(wanted(), seen([ONE], hosts=down(count)), NOW).verdict.why
    assert names + " holds" in decide(wanted(), seen([ONE], hosts=down(count)), NOW).verdict.why


@pytest.mark.parametrize(("count", "first"), [(10, "(100 until "), (11, "(1 more, 101 until "), (13, "(3 more, 103 until ")])
def test_the_ten_latest_certificates_are_named_and_the_others_counted(count, first):
    assert first in decide(wanted(), seen(many(count)), NOW).verdict.why


# What must hold for any case at all

SERIALS = st.integers(1, 6)
STATES = st.sampled_from(["pair", "pair", "pair", "certificate_only", "broken", "mismatched"])


@st.composite
def cases(draw, **fixed):
    """A wish and a world: up to six certificates of which some are listed and some held, here and there."""
    known = {
        serial: certificate(
            serial,
            NOW - draw(st.integers(0, 40)) * DAY - draw(st.integers(0, 2)) * SECOND,
            NOW + draw(st.integers(-5, 60)) * DAY + draw(st.integers(-1, 1)) * SECOND,
            draw(st.sampled_from(["app", "app", "app", "other"])),
        )
        for serial in range(1, 7)
    }
    look = st.one_of(st.just(ABSENT), st.just(Look("empty")), st.builds(lambda state, serial: Look(state, None, known[serial]), STATES, SERIALS))
    host = st.builds(
        lambda found, obstacle, differ: (found, obstacle, differ if found else ()),
        st.one_of(st.none(), look),
        st.sampled_from([None, None, "path: full"]),
        st.sampled_from([(), ("mode",)]),
    )
    hosts = draw(st.none() | st.lists(host, max_size=4))
    wish = {
        "renew_before": draw(st.integers(0, 40).map(lambda days: Span(days * DAY)) | st.integers(0, 99).map(lambda share: Span(percent=share))),
        "rotate_before": draw(st.none() | st.integers(0, 50).map(lambda days: NOW - days * DAY)),
        "force": draw(st.booleans()),
        "on_orphan": draw(st.sampled_from(["fail", "reissue"])),
        "on_foreign": draw(st.sampled_from(["fail", "replace"])),
        "max_unexpired": draw(st.integers(1, 8)),
    }
    wish.update(fixed)
    listed = [known[serial] for serial in draw(st.lists(SERIALS, unique=True, max_size=6))]
    given_hosts = None if hosts is None else tuple(Host(f"h{number}", *one) for number, one in enumerate(hosts))
    return wanted(**wish), seen(listed, draw(look), given_hosts, draw(look))


def usable(found, now):
    """Naively: the certificates whose pair lies somewhere, of our user, and which Atlas lists as unexpired."""
    looks = [found.file, found.leftover, *(host.look for host in found.hosts or ())]
    listed = {one.serial for one in found.listed if one.not_after > now}
    pairs = [look.certificate for look in looks if look and look.state == "pair"]
    return [one for one in pairs if one.serial in listed and one.subject == "CN=app" and one.issuer_common_name == PROJECT]


def newest(found, now):
    return sorted(usable(found, now), key=lambda one: (one.not_before, one.serial))[-1:]


@settings(bounded, max_examples=examples(300))
@given(cases(force=False, rotate_before=None))
def test_nothing_is_issued_while_something_unexpired_is_held_and_not_due(pick):
    wish, found = pick
    for current in newest(found, NOW):
        assume(NOW < renew_at(current, wish.renew_before))
        verdict = decide(wish, found, NOW).verdict
        assert (verdict.decision, verdict.reason) in {("keep", "held"), ("refuse", "foreign_pem")}


@settings(bounded, max_examples=examples(300))
@given(cases())
def test_nothing_is_kept_that_atlas_does_not_list_or_nobody_holds(pick):
    wish, found = pick
    plan = decide(wish, found, NOW)
    if plan.verdict.decision == "keep":
        assert [plan.current] == newest(found, NOW)
        assert as_listed(plan.current) in found.listed
        assert plan.current.not_after > NOW


@settings(bounded, max_examples=examples(300))
@given(cases())
def test_something_is_issued_only_for_one_of_five_reasons(pick):
    wish, found = pick
    verdict = decide(wish, found, NOW).verdict
    held, listed = newest(found, NOW), [one for one in found.listed if one.not_after > NOW]
    if verdict.decision == "issue":
        assert verdict.reason in {"forced", "none_unexpired", "orphaned", "rotation_asked", "renewal_due"}
        assert len(listed) < wish.max_unexpired
        assert found.hosts is None or any(host.look and not host.obstacle for host in found.hosts)
        assert wish.force or not listed or (not held and wish.on_orphan == "reissue") or (
            held and (NOW >= renew_at(held[0], wish.renew_before) or held[0].issued_at < wish.rotate_before)
        )  # fmt: skip


@settings(bounded, max_examples=examples(300))
@given(cases(force=False, rotate_before=None, max_unexpired=100), st.integers(0, 40 * 86400), st.integers(0, 40 * 86400))
def test_once_renewal_is_due_it_stays_due_until_the_certificate_has_expired(pick, first, later):
    wish, found = pick
    found = found._replace(hosts=None)
    for current in newest(found, NOW):
        earlier = NOW + timedelta(seconds=first)
        now = earlier + timedelta(seconds=later)
        assume(now < current.not_after)
        if decide(wish, found, earlier).verdict.reason == "renewal_due":
            assert decide(wish, found, now).verdict.reason == "renewal_due"
        if decide(wish, found, now).verdict.decision == "keep":
            assert decide(wish, found, earlier).verdict.decision == "keep"


@settings(bounded, max_examples=examples(300))
@given(cases())
def test_every_host_has_exactly_one_place_in_the_plan(pick):
    wish, found = pick
    plan = decide(wish, found, NOW)
    if found.hosts is None:
        assert (plan.place, plan.adjust, plan.holders, plan.unasked, plan.foreign, plan.not_placeable) == ((), (), (), (), {}, {})
        return
    staying = () if plan.verdict.decision == "issue" else plan.holders
    sorted_into = [*plan.place, *staying, *plan.unasked, *plan.foreign, *plan.not_placeable]
    assert sorted(sorted_into) == [host.name for host in found.hosts]
    assert set(plan.adjust) <= set(staying)


@settings(bounded, max_examples=examples(200))
@given(cases(), st.randoms(use_true_random=False))
def test_the_order_of_the_list_does_not_matter(pick, random):
    wish, found = pick
    shuffled = list(found.listed)
    random.shuffle(shuffled)
    assert decide(wish, found._replace(listed=tuple(shuffled)), NOW) == decide(wish, found, NOW)


@settings(bounded, max_examples=examples(200))
@given(cases())
def test_what_is_adopted_is_the_current_one_and_nobody_elses(pick):
    wish, found = pick
    plan = decide(wish, found, NOW)
    if plan.leftover == "adopt":
        assert found.leftover.certificate.serial == plan.current.serial
        assert not plan.path_is_current and plan.holders == ()
    if plan.leftover == "discard":
        elsewhere = [found.file, *(host.look for host in found.hosts or ())]
        assert found.leftover.certificate in [look.certificate for look in elsewhere if look and look.state == "pair"]
