"""Files that operators wrote: their parts are kept, or the provider refuses and says why."""

from __future__ import annotations

import pytest
import yaml
from conftest import ZONE, World, dynamic, pool
from octodns.provider import ProviderException, SupportsException

BY_HAND = """\
# The zone of the shop.
ttl = 20

[soa]
serial = 7              # raise me
rname = "dns-admin"

[nameservers]           # both are in Frankfurt
ns1 = ["192.0.2.53"]
"ns2.example.net." = []

[datacenters]
fra = { latitude = 50.11, longitude = 8.68 }   # Frankfurt

[monitors.shop]
type = "tcp"
port = 443

[pools.shop]
datacenter = "fra"
monitor = "shop"
endpoints = ["198.51.100.10"]

# The shop itself.
[names.shop]
pools = ["shop"]
steer = []

# Mail, see ticket 12.
[records."@"]
ttl = 600
MX = ["10 mail"]        # the relative name
TYPE65280 = ["\\\\# 2 abcd"]

[records.mail]
A = "192.0.2.25"
"""

MX = {"type": "MX", "ttl": 600, "values": [{"preference": 10, "exchange": "mail.gslb.example.com."}]}
MAIL = {"type": "A", "ttl": 300, "value": "192.0.2.25"}
WEB = dynamic({"web": pool("198.51.100.1")}, [{"pool": "web"}])


@pytest.fixture
def by_hand(world: World) -> World:
    world.file.write_text(BY_HAND)
    world.check()
    return world


def test_a_zone_by_hand_with_the_same_records_is_left_as_it_is(by_hand: World) -> None:
    by_hand.desire({"": [MX], "mail": MAIL})
    assert by_hand.plan() is None
    assert by_hand.sync() == 0
    assert by_hand.file.read_text() == BY_HAND


def test_octodns_adds_its_part_and_changes_nothing_else_but_the_serial(by_hand: World) -> None:
    by_hand.settle({"": [MX], "mail": MAIL, "www": WEB, "docs": {"type": "A", "ttl": 60, "value": "192.0.2.9"}})
    before, _, part = by_hand.file.read_text().partition("# >>> octoDNS")
    assert before.rstrip("\n") + "\n" == BY_HAND.replace("serial = 7 ", "serial = 8 ")
    assert "[names.www]" in part and "[records.docs]" in part
    # What stands after its part is the operator's too.
    after = '\n[records.more]\nA = "192.0.2.77"\n'
    with by_hand.file.open("a") as file:
        file.write(after)
    more = {"type": "A", "ttl": 300, "value": "192.0.2.77"}
    by_hand.settle({"": [MX], "mail": MAIL, "more": more, "www": WEB})
    text = by_hand.file.read_text()
    assert text.endswith(after) and "docs" not in text and text.startswith(before.replace("serial = 8 ", "serial = 9 "))


def test_an_owner_whose_records_change_moves_to_octodnss_part(by_hand: World) -> None:
    # The serial, the comments on lines of their own, and data that octoDNS cannot read stay.
    changed = {**MX, "values": [{"preference": 20, "exchange": "mail.gslb.example.com."}]}
    by_hand.settle({"": [changed], "mail": MAIL})
    before, _, part = by_hand.file.read_text().partition("# >>> octoDNS")
    cut = '[records."@"]\nttl = 600\nMX = ["10 mail"]        # the relative name\nTYPE65280 = ["\\\\# 2 abcd"]\n'
    assert before.rstrip("\n") + "\n" == BY_HAND.replace("serial = 7 ", "serial = 8 ").replace(cut, "")
    assert '[records."@"]\nttl = 600\nTYPE65280 = ["\\\\# 2 abcd"]\nMX = ["20 mail.gslb.example.com."]\n' in part
    # A record with another TTL finds its place beside what octoDNS cannot read.
    by_hand.settle({"": [changed | {"ttl": 60}], "mail": MAIL})
    assert 'ttl = 600\nTYPE65280 = ["\\\\# 2 abcd"]\n' in by_hand.file.read_text()
    assert "60 IN MX 20" in by_hand.master.read_text()
    # And when octoDNS has no record of the owner, it is still there.
    by_hand.settle({"mail": MAIL})
    assert 'TYPE65280 = ["\\\\# 2 abcd"]' in by_hand.file.read_text()


def test_records_by_hand_that_octodns_lacks_are_deleted_as_its_plan_says(by_hand: World) -> None:
    by_hand.desire({"": [MX]})
    assert [(type(change).__name__, change.record.name) for change in by_hand.plan().changes] == [("Delete", "mail")]
    by_hand.settle({"": [MX]})
    assert "[records.mail]" not in by_hand.file.read_text()


def test_nameservers_that_octodns_does_not_manage_are_kept_with_their_addresses(by_hand: World) -> None:
    by_hand.desire({"": [MX], "mail": MAIL, "www": WEB}, nameservers=False)
    assert by_hand.sync() == 1
    assert by_hand.plan() is None
    assert '[nameservers]           # both are in Frankfurt\nns1 = ["192.0.2.53"]\n' in by_hand.file.read_text()


def test_nameservers_that_change_move_with_their_addresses(by_hand: World) -> None:
    by_hand.file.write_text(BY_HAND + '[records.ns1]\nTXT = "one"\n')
    nameservers = {"type": "NS", "ttl": 3600, "values": ["ns1.gslb.example.com.", "ns3.example.net."]}
    here = [{"type": "A", "ttl": 300, "value": "192.0.2.53"}, {"type": "TXT", "ttl": 300, "value": "one"}]
    by_hand.desire({"": [MX, nameservers], "mail": MAIL, "ns1": here}, nameservers=False)
    assert by_hand.sync() == 1
    assert by_hand.plan() is None
    text = by_hand.file.read_text()
    assert '[nameservers]\n"ns1.gslb.example.com." = []\n"ns3.example.net." = []\n' in text and "ns2" not in text
    assert text.count("[records.ns1]") == 1 and '[records.ns1]\nttl = 300\nA = ["192.0.2.53"]\nTXT = ["one"]\n' in text
    by_hand.check()


def test_addresses_of_nameservers_in_two_sections_are_one_record(by_hand: World) -> None:
    by_hand.file.write_text(BY_HAND + '[records.ns1]\nA = "192.0.2.54"\nTXT = "one"\n')
    both = {"type": "A", "ttl": 300, "values": ["192.0.2.53", "192.0.2.54"]}
    text = {"type": "TXT", "ttl": 300, "value": "one"}
    by_hand.desire({"": [MX], "mail": MAIL, "ns1": [both, text]})
    assert by_hand.plan() is None
    # Another record of the owner takes them along.
    by_hand.settle({"": [MX], "mail": MAIL, "ns1": [both, text | {"value": "two"}]})
    assert '[records.ns1]\nttl = 300\nA = ["192.0.2.53", "192.0.2.54"]\nTXT = ["two"]\n' in by_hand.file.read_text()
    assert '\n[nameservers]\n"ns1.gslb.example.com." = []\n"ns2.example.net." = []\n' in by_hand.file.read_text()


def test_a_name_by_hand_is_never_replaced(by_hand: World) -> None:
    records = {"": [MX], "mail": MAIL}
    by_hand.desire(records | {"shop": WEB})
    with pytest.raises(SupportsException, match="shop.gslb.example.com. A: gslb.example.com.toml has a name of this owner"):
        by_hand.sync()
    assert by_hand.file.read_text() == BY_HAND
    by_hand.settle(records | {"shop": WEB, "www": WEB}, strict_supports=False)
    text = by_hand.file.read_text()
    assert '[names.shop]\npools = ["shop"]\nsteer = []\n' in text and text.count("names.shop") == 1
    # Its static records of other types are octoDNS's.
    by_hand.settle(records | {"www": WEB, "shop": {"type": "TXT", "ttl": 60, "value": "hello"}})


def test_rules_with_places_have_a_map_of_their_own_beside_regions_by_hand(by_hand: World) -> None:
    records = {"": [MX], "mail": MAIL}
    web = dynamic({"web": pool("198.51.100.1"), "eu": pool("198.51.100.2")}, [{"geos": ["EU"], "pool": "eu"}, {"pool": "web"}])
    # Without regions of the operator, and names that rank by them, the zone's regions are octoDNS's.
    by_hand.settle(records | {"www": web})
    assert '[regions."octodns.EU"]' in by_hand.file.read_text()
    own = '[regions.default]\nprefer = ["fra"]\n'
    in_map = '[maps."octodns.www"."octodns.EU"]'
    server = by_hand.folder / "truenorth.toml"
    datacenter = "[datacenters]\niad = { latitude = 1, longitude = 1 }\n"
    shared = server.read_text() + datacenter + '[regions.all]\nclients = ["continent:EU"]\nprefer = ["iad"]\n'
    cases = [(BY_HAND + own, None), (BY_HAND.replace("steer = []\n", ""), None), (BY_HAND, shared)]
    for text, server_text in cases:
        by_hand.file.write_text(text)
        if server_text is not None:
            server.write_text(server_text)
        by_hand.settle(records | {"www": web})
        written = by_hand.file.read_text()
        assert in_map in written and 'map = "octodns.www"' in written and '[regions."octodns' not in written
        assert (own in written) == (own in text)


def test_pools_can_be_in_the_operators_datacenters(by_hand: World) -> None:
    web = dynamic({"web": pool("198.51.100.1"), "eu": pool("198.51.100.2")}, [{"geos": ["EU"], "pool": "eu"}, {"pool": "web"}])
    by_hand.settle({"": [MX], "mail": MAIL, "www": web}, datacenters={"eu": "fra"})
    text = by_hand.file.read_text()
    assert '[pools."octodns.www.eu"]\ndatacenter = "fra"\n' in text and '[datacenters."octodns.eu"]' not in text


def test_a_record_can_be_probed_by_a_monitor_of_the_operator(by_hand: World) -> None:
    web = WEB | {"octodns": {"healthcheck": {"protocol": "UDP"}, "truenorth": {"monitor": "shop"}}}
    by_hand.settle({"": [MX], "mail": MAIL, "www": web})
    text = by_hand.file.read_text()
    assert '[pools."octodns.www.web"]\nmonitor = "shop"\n' in text and "octodns.www._check" not in text


NAMES = """\
ttl = 20
[nameservers]
"ns.example.net." = []
[monitors.shop]
type = "https"
path = "/up"
host = "shop.example.com"
fall = 2
[pools.main]
monitor = "shop"
endpoints = [{ address = "198.51.100.1", weight = 3 }, "198.51.100.2", "2001:db8::1"]
[pools.spare]
monitor = "shop"
endpoints = ["198.51.100.3", "2001:db8::3"]
[pools.last]
endpoints = ["192.0.2.1"]
[names.shop]
pools = ["main", "spare"]
steer = ["failover"]
fallback = "last"
[names.simple]
pools = ["last"]
steer = []
ttl = 60
"""


def test_names_by_hand_that_octodns_can_say_are_dumped(world: World, caplog: pytest.LogCaptureFixture) -> None:
    others = '[names.whoami]\nreflect = true\n[names.spread]\npools = ["main", "spare"]\nsteer = ["weight"]\n'
    world.file.write_text(NAMES + others)
    world.check()
    manager = world.manager()
    manager.dump(ZONE, str(world.folder / "config"), ["truenorth"])
    assert "the name spread stays out of octoDNS: its pools are not tried one after the other" in caplog.text
    assert "the name whoami stays out of octoDNS: the name has reflect" in caplog.text
    dumped = yaml.safe_load((world.folder / "config/gslb.example.com.yaml").read_text())
    a, aaaa = dumped["shop"]
    assert a["value"] == "192.0.2.1" and a["ttl"] == 20
    # Without a fallback of its family, everything.
    assert aaaa["values"] == ["2001:db8::1", "2001:db8::3"]
    assert a["dynamic"]["rules"] == [{"pool": "main"}] and a["dynamic"]["pools"]["main"]["fallback"] == "spare"
    check = {"protocol": "HTTPS", "port": 443, "path": "/up", "host": "shop.example.com"}
    assert a["octodns"] == aaaa["octodns"] == {"healthcheck": check, "truenorth": {"answers": 1, "monitor": "shop"}}
    assert dumped["simple"]["octodns"] == {"truenorth": {"answers": 8}} and dumped["simple"]["ttl"] == 60
    # octoDNS takes the names over when the operator takes them out.
    with pytest.raises(SupportsException, match="has a name of this owner that octoDNS did not write"):
        world.sync()
    world.file.write_text(NAMES[: NAMES.index("[names.shop]")] + others)
    world.sync()
    assert world.plan() is None
    world.check()
    assert (
        '[pools."octodns.shop.main"]\nmonitor = "shop"\nendpoints = [{ address = "198.51.100.1", weight = 3 }, ' in world.file.read_text()
    )


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('"main", "spare"', '"main", ["spare"]', "its pools are not tried one after the other"),
        ('["failover"]\nfallback', '["failover"]\ntake = 2\nfallback', "the name has take"),
        ('["198.51.100.3", "2001:db8::3"]', '["198.51.100.3"]', "not all of its pools have AAAA records"),
        ("weight = 3", "weight = 300", "its pool main has the weight 300"),
        ("weight = 3", "check_port = 3", "an endpoint of its pool main has check_port"),
        ("[pools.spare]\n", "[pools.spare]\nmin_healthy = 0.5\n", "its pool spare has min_healthy"),
        ("[pools.last]\n", '[pools.last]\nmonitor = "shop"\n', "its fallback is probed"),
        (
            'type = "https"\npath = "/up"\nhost = "shop.example.com"',
            'type = "push"',
            "octoDNS has no health check that is the monitor shop",
        ),
        ('fallback = "last"', 'pick = "sticky"', "it picks sticky"),
        ('fallback = "last"', 'pick = "rotate"', "it picks rotate"),
        ("[pools.spare]", "[pools.other]", "its pool spare is not one list of this file"),
    ],
)
def test_names_by_hand_that_octodns_cannot_say_stay_out(
    world: World, caplog: pytest.LogCaptureFixture, old: str, new: str, told: str
) -> None:
    assert old in NAMES
    world.file.write_text(NAMES.replace(old, new))
    manager = world.manager()
    zone = manager.get_zone(ZONE)
    manager.providers["truenorth"].populate(zone)
    assert f"the name shop stays out of octoDNS: {told}" in caplog.text
    assert zone.get("shop") == set()


def test_a_master_file_by_hand_is_never_touched(world: World) -> None:
    master = "$TTL 300\n@ NS ns.example.net.\ndocs A 192.0.2.5 ; the docs\n@ TXT hello\n"
    world.master.write_text(master)
    world.file.write_text("[soa]\nserial = 1\n")
    docs = {"type": "A", "ttl": 300, "value": "192.0.2.6"}
    www = {"type": "A", "ttl": 60, "value": "192.0.2.7"}
    world.desire({"docs": docs}, nameservers=False)
    with pytest.raises(SupportsException, match="docs.gslb.example.com. A: it is in gslb.example.com.zone"):
        world.sync()
    text = {"type": "TXT", "ttl": 60, "value": "hi"}
    world.desire({"www": [www, text | {"ttl": 90}]}, nameservers=False)
    with pytest.raises(SupportsException, match="its TTL 90 is not the 60 of its owner"):
        world.sync()
    world.sync(strict_supports=False)
    assert world.plan(strict_supports=False) is None
    assert "ttl = 60\nA = " in world.file.read_text()
    world.check()
    assert world.master.read_text() == master
    # As a source, the provider reads it.
    manager = world.manager()
    zone = manager.get_zone(ZONE)
    manager.providers["truenorth"].populate(zone)
    assert zone.get_type("docs", "A").values == ["192.0.2.5"]


def test_a_zone_of_a_master_file_alone_gets_a_zone_file_beside_it(world: World) -> None:
    master = "$TTL 300\n@ SOA ns.example.net. hostmaster 5 3600 600 604800 60\n@ NS ns.example.net.\ndocs A 192.0.2.5\n"
    world.master.write_text(master)
    world.desire({"www": WEB}, nameservers=False)
    assert world.sync() == 1
    assert world.plan() is None
    assert "[soa]" not in world.file.read_text() and world.master.read_text() == master
    world.check()


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ('records.mail.A = "192.0.2.25"\n', "records.mail cannot be taken over as it is written: give it a table"),
        ('[records]\nmail = { A = "192.0.2.25" }\n', "records.mail cannot be taken over as it is written"),
    ],
)
def test_a_table_that_cannot_be_cut_out_is_refused(world: World, written: str, told: str) -> None:
    text = written + '[nameservers]\n"ns.example.net." = []\n'
    world.file.write_text(text)
    world.desire({}, nameservers=False)
    with pytest.raises(ProviderException, match=told):
        world.sync()
    assert world.file.read_text() == text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[nameservers\n", "cannot be read: Expected"),
        ("# >>> octoDNS\n", "it needs one line `# >>> octoDNS` and one line `# <<< octoDNS` after it"),
        ("# >>> octoDNS\n[soa]\n# <<< octoDNS\nserial = 1\n", "a line after octoDNS's part belongs to a table within it"),
        ("# >>> octoDNS\n# octoDNS: {\n# <<< octoDNS\n", "cannot be read"),
        ("records = 5\n", "cannot be read"),
        ('[records."a.example.org."]\nA = "192.0.2.1"\n', "is not in gslb.example.com."),
    ],
)
def test_a_file_that_cannot_be_understood_is_refused(world: World, text: str, told: str) -> None:
    world.file.write_text(text)
    with pytest.raises(ProviderException, match=told):
        world.sync()
    assert world.file.read_text() == text
