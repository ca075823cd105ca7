//! A scene for scenarios with the answering code: a zone file, endpoints that go down and come up, clients that ask. No
//! sockets, no clock.
#![allow(dead_code, unreachable_pub, reason = "each test file uses what it needs of the scene")]

use std::collections::{HashMap, HashSet};
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query};
use hickory_proto::rr::rdata::opt::{ClientSubnet, EdnsCode, EdnsOption};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use truenorth::answer::{self, Asker, Exchange, Rotation, Transport, Worker};
use truenorth::config::{Config, Faults};
use truenorth::counters::{Tally, Traffic};
use truenorth::dnssec::key_file::NewKey;
use truenorth::dnssec::{Algorithm, Signatures};
use truenorth::geo::Locations;
use truenorth::health::Share;
use truenorth::latency::{LatencyTable, MIN_SAMPLES, Sample};
use truenorth::load::{Allowance, FULL_WEIGHT, LoadFacts};
use truenorth::overrides::{Order, OverrideStore, Selector};
use truenorth::report::{Tallies, Totals};
use truenorth::rollout::Exposure;
use truenorth::snapshot::{
    AdminState, Blueprint, Dirty, EndpointState, Members, PoolId, Remapped, Snapshot, WorldState,
};

/// Three places, regions by prefix, a pool in each place; tests append names.
pub const ZONE: &str = r#"
ttl = 30
[soa]
serial = 1
[nameservers]
ns1 = ["192.0.2.53"]
[datacenters]
fra = { latitude = 50.11, longitude = 8.68 }
iad = { latitude = 38.95, longitude = -77.45 }
sin = { latitude = 1.35, longitude = 103.99 }
[regions.europe]
clients = ["10.1.0.0/16", "2001:db8:1::/48"]
prefer = ["fra", "iad", "sin"]
[regions.americas]
clients = ["10.2.0.0/16"]
prefer = ["iad", "fra", "sin"]
[regions.asia]
clients = ["10.3.0.0/16"]
prefer = ["sin", ["fra", "iad"]]
[regions.office]
clients = ["10.9.9.0/24"]
prefer = ["fra"]
only = true
[regions.default]
prefer = ["iad", "fra", "sin"]
[monitors.web]
type = "tcp"
port = 80
[pools.web]
monitor = "web"
endpoints.fra = ["198.51.100.1", "198.51.100.2", "2001:db8:f::1"]
endpoints.iad = ["192.0.2.1", "2001:db8:a::1"]
endpoints.sin = ["203.0.113.1"]
"#;

/// When the scene begins, in Unix seconds; the time of the first cookie of RFC 9018, appendix A.
pub const START: u64 = 1_559_731_985;

/// How long connections stay open without a query.
pub const IDLE: Duration = Duration::from_secs(10);

/// The origin of the zone.
pub const ORIGIN: &str = "example.com.";

/// DNAME (RFC 6672).
pub const DNAME: u16 = 39;

/// A node without sockets.
pub struct Scene {
    snapshot: Arc<Snapshot>,
    worker: Worker,
    tallies: Arc<Tallies>,
    /// The addresses that are down, and when each fell.
    down: HashMap<IpAddr, Duration>,
    /// The time of the last fall. Each fall comes later than the outage before it.
    fell: Duration,
    restless: HashSet<IpAddr>,
    latency: LatencyTable,
    degraded: HashMap<IpAddr, Share>,
    rooms: HashMap<IpAddr, u16>,
    ramping: HashMap<IpAddr, Share>,
    held: HashSet<IpAddr>,
    overrides: OverrideStore,
    /// Unix seconds; it moves when a test moves it.
    pub now: u64,
}

/// A reply as an asker sees it.
#[derive(Debug)]
pub struct Reply {
    pub message: Message,
    pub octets: usize,
}

impl Scene {
    /// [`ZONE`] with additions, every endpoint up.
    pub fn new(more: &str) -> Self {
        Self::of_zone(&format!("{ZONE}{more}"))
    }

    /// The same, with additions to the server file.
    pub fn with_server(server: &str, more: &str) -> Self {
        Self::of_all(server, &[("example.com.toml", &format!("{ZONE}{more}"))])
    }

    /// A whole zone file of our own.
    pub fn of_zone(zone: &str) -> Self {
        Self::of_files(&[("example.com.toml", zone)])
    }

    /// The same, with a GeoIP database that locates clients.
    pub fn of_zone_with(locations: Locations, zone: &str) -> Self {
        Self::of_world("", &[("example.com.toml", zone)], locations)
    }

    /// Zone files and master files by their names.
    pub fn of_files(files: &[(&str, &str)]) -> Self {
        Self::of_all("", files)
    }

    /// [`ZONE`] with additions, and a GeoIP database that locates clients.
    pub fn with_locations(locations: Locations, more: &str) -> Self {
        Self::of_world("", &[("example.com.toml", &format!("{ZONE}{more}"))], locations)
    }

    /// The same with a server file.
    pub fn of_all(server: &str, files: &[(&str, &str)]) -> Self {
        Self::of_world(server, files, Locations::unknown())
    }

    /// All of it.
    pub fn of_world(server: &str, files: &[(&str, &str)], locations: Locations) -> Self {
        let config = load(server, files).unwrap_or_else(|faults| panic!("{}", faults.render(false)));
        let tallies = Arc::new(Tallies::new(Arc::new(Traffic::new(1))));
        let blueprint = Blueprint::compile(config.world, Arc::new(locations), None).counted(tallies.traffic());
        let mut latency = LatencyTable::default();
        blueprint.adopt(&mut latency);
        let snapshot = Arc::new(Snapshot::new(Arc::new(blueprint), |_, _| EndpointState::CALM, None));
        let worker =
            Worker::new(Arc::new(Rotation::with_seed(1))).recalling().counting(Tally::of_worker(tallies.traffic(), 0));
        Self {
            snapshot,
            worker,
            tallies,
            down: HashMap::new(),
            fell: Duration::ZERO,
            restless: HashSet::new(),
            degraded: HashMap::new(),
            rooms: HashMap::new(),
            ramping: HashMap::new(),
            held: HashSet::new(),
            overrides: OverrideStore::default(),
            latency,
            now: START,
        }
    }

    /// These endpoints go down, confirmed, all at once.
    pub fn down(&mut self, addresses: &[&str]) {
        self.fell += Duration::from_secs(3600);
        for text in addresses {
            self.down.entry(text.parse().unwrap()).or_insert(self.fell);
        }
        self.publish();
    }

    /// These endpoints come up, confirmed.
    pub fn up(&mut self, addresses: &[&str]) {
        for text in addresses {
            self.down.remove(&text.parse().unwrap());
        }
        self.publish();
    }

    /// An unconfirmed outcome contradicts the states of exactly these endpoints.
    pub fn restless(&mut self, addresses: &[&str]) {
        self.restless = addresses.iter().map(|text| text.parse().unwrap()).collect();
        self.publish();
    }

    /// Clients measured round trips to datacenters, often enough to count, and maps were made from them. Each entry is
    /// a network, a datacenter and milliseconds.
    pub fn measure(&mut self, round_trips: &[(&str, &str, f64)]) {
        for &(client, datacenter, ms) in round_trips {
            let sample = Sample::try_new(client.parse().unwrap(), datacenter, ms).unwrap();
            let location = self.snapshot.locations().look_up(sample.client().network());
            (0..MIN_SAMPLES).for_each(|_| self.latency.feed(&sample, &location, Duration::from_secs(self.now)));
        }
        let maps = Remapped::new(self.snapshot.blueprint(), self.latency.clone());
        self.change(|state| state.set_maps(Arc::new(maps)));
    }

    /// These endpoints ask for at most this share of their clients, in thousandths, confirmed.
    pub fn degraded(&mut self, addresses: &[&str], thousandths: u16) {
        let share = Share::from_thousandths(thousandths);
        self.degraded.extend(addresses.iter().map(|text| (text.parse::<IpAddr>().unwrap(), share)));
        self.publish();
    }

    /// These pools, such as `web/fra`, keep this share of their clients, in thousandths, and have this much room.
    pub fn loads(&mut self, loads: &[(&str, u16, u64)]) {
        let pools = self.snapshot.pools();
        let allowance = |&(name, keep, room): &(&str, u16, u64)| {
            let id = pools.iter().position(|pool| *pool.spec().name == *name).unwrap();
            let told = LoadFacts::default();
            (PoolId::from_index(id), Allowance { local_share: Share::from_thousandths(keep), headroom: room, told })
        };
        let loads: Vec<_> = loads.iter().map(allowance).collect();
        self.change(|state| loads.into_iter().for_each(|(id, allowance)| state.set_allowance(id, allowance)));
    }

    /// `least-load` draws these endpoints with these weights.
    pub fn rooms(&mut self, rooms: &[(&str, u16)]) {
        self.rooms.extend(rooms.iter().map(|(text, room)| (text.parse::<IpAddr>().unwrap(), *room)));
        self.publish();
    }

    /// These endpoints have this ramp, in thousandths.
    pub fn ramp(&mut self, addresses: &[&str], thousandths: u16) {
        let share = Share::from_thousandths(thousandths);
        self.ramping.extend(addresses.iter().map(|text| (text.parse::<IpAddr>().unwrap(), share)));
        self.publish();
    }

    /// `failback` holds back the pools of exactly these endpoints.
    pub fn hold(&mut self, addresses: &[&str]) {
        self.held = addresses.iter().map(|text| text.parse().unwrap()).collect();
        self.publish();
    }

    /// The operator's command: `drain dc:fra`.
    pub fn order(&mut self, command: &str) {
        let (mode, target) = command.split_once(' ').unwrap();
        let (mode, target) = (mode.parse().unwrap(), target.parse().unwrap());
        self.snapshot.world().find(&target).unwrap();
        let order =
            Order { mode, target, from: None, until: None, over: None, reason: "a test".into(), who: "tests".into() };
        self.overrides.place(order, Duration::from_secs(self.now), |_| true).unwrap();
        self.publish();
    }

    /// Lifts an override, by its target.
    pub fn lift(&mut self, target: &str) {
        let which = Selector::Target(target.parse().unwrap());
        self.overrides.lift(&which, "tests", Duration::from_secs(self.now)).unwrap();
        self.publish();
    }

    /// The roll-out of a name has reached this state.
    pub fn roll_out(&mut self, owner: &str, exposure: &Exposure, is_ramping: bool) {
        let world = self.snapshot.world();
        let meant = world.rollouts().find(|it| *it.draft.id.owner == *owner).expect("the name has a roll-out");
        let split = world.split(meant.steering, exposure, is_ramping).expect("it is of that kind");
        let name = meant.name;
        self.change(|state| state.set_splits([(name, split)]));
    }

    /// Returns the sums of what was counted so far.
    pub fn totals(&self) -> Totals {
        self.tallies.totals(&self.snapshot)
    }

    /// Uses these signatures, which others fill, from now on.
    pub fn share(&mut self, signatures: &Arc<Signatures>) {
        self.worker = self.worker.clone().sharing(signatures.clone());
    }

    /// Returns a worker that counts as the scene's own one does.
    pub fn worker(&self) -> Worker {
        self.worker.clone()
    }

    /// Another configuration is served from now on.
    pub fn reload(&mut self, files: &[(&str, &str)]) {
        let config = load("", files).unwrap_or_else(|faults| panic!("{}", faults.render(false)));
        let locations = self.snapshot.locations().clone();
        let blueprint =
            Blueprint::compile(config.world, locations, Some(&self.snapshot)).counted(self.tallies.traffic());
        let snapshot = Snapshot::new(Arc::new(blueprint), |_, _| EndpointState::CALM, Some(&self.snapshot));
        let before = std::mem::replace(&mut self.snapshot, Arc::new(snapshot));
        self.tallies.replace(before.blueprint());
    }

    /// Returns the snapshot that questions are answered from now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.clone()
    }

    fn publish(&mut self) {
        let world = self.snapshot.world();
        let all: Vec<PoolId> = world.pool_ids().collect();
        let endpoint_state = |id: PoolId, endpoint: usize| {
            let pool = &world.pools[id.index()];
            let address = pool.members.address(endpoint).or_else(|| probed_address(&pool.members, endpoint));
            let is_in = |set: &HashSet<IpAddr>| address.is_some_and(|address| set.contains(&address));
            let share = address.and_then(|address| self.degraded.get(&address)).copied().unwrap_or(Share::FULL);
            let fell = address.and_then(|address| self.down.get(&address)).copied();
            let share = if fell.is_some() { Share::NONE } else { share };
            let last_up = fell.unwrap_or(Duration::MAX);
            let effective_override = world.effective_override(self.overrides.effective_overrides(), pool, endpoint);
            let room = address.and_then(|address| self.rooms.get(&address)).copied().unwrap_or(FULL_WEIGHT);
            let ramp = address.and_then(|address| self.ramping.get(&address)).copied().unwrap_or(Share::FULL);
            let admin_state = if is_in(&self.held) { AdminState::Held } else { AdminState::On };
            let probed = EndpointState { share, restless: is_in(&self.restless), last_up, admin_state, ramp, room };
            probed.under(effective_override.map(|effective_override| effective_override.order.mode))
        };
        let mut state = self.snapshot.state().clone();
        for id in all {
            state.set_endpoint_states(id, |endpoint| endpoint_state(id, endpoint));
        }
        state.set_name_orders(self.snapshot.blueprint(), self.overrides.effective_overrides());
        self.derive(state);
    }

    fn change(&mut self, change: impl FnOnce(&mut WorldState)) {
        let mut state = self.snapshot.state().clone();
        change(&mut state);
        self.derive(state);
    }

    fn derive(&mut self, state: WorldState) {
        let dirty = Dirty::everything(self.snapshot.blueprint());
        self.snapshot = Arc::new(self.snapshot.next(state, &dirty));
    }

    /// A question over UDP; `client` is a Client Subnet prefix such as `10.1.2.0/24`, or empty for none.
    pub fn ask(&mut self, name: &str, rtype: RecordType, client: &str) -> Reply {
        let query = query(name, rtype, client);
        self.send(&query.to_vec().unwrap(), Transport::Udp).expect("a query gets a reply")
    }

    /// A message as it is; `None` if it gets no reply.
    pub fn send(&mut self, message: &[u8], transport: Transport) -> Option<Reply> {
        self.send_from(Ipv4Addr::LOCALHOST.into(), message, transport)
    }

    /// The same from another source.
    pub fn send_from(&mut self, source: IpAddr, message: &[u8], transport: Transport) -> Option<Reply> {
        let (octets, _) = self.exchange(source, message, transport)?;
        Some(Reply { message: Message::from_vec(&octets).unwrap(), octets: octets.len() })
    }

    /// The reply as it is.
    pub fn octets(&mut self, source: IpAddr, message: &[u8], transport: Transport) -> Option<Vec<u8>> {
        self.exchange(source, message, transport).map(|(octets, _)| octets)
    }

    /// The same, and true if the client sent a valid cookie.
    pub fn exchange(&mut self, source: IpAddr, message: &[u8], transport: Transport) -> Option<(Vec<u8>, bool)> {
        let mut out = vec![0; truenorth::wire::MAX_MESSAGE];
        let asker = Asker { address: source, transport, idle: transport.is_stream().then_some(IDLE) };
        self.worker.at(self.now);
        if transport == Transport::Udp {
            let datagram = (message, source);
            let (reply, has_valid_cookie) =
                answer::answer_datagram(&self.snapshot, datagram, self.now, &mut self.worker, &mut out)?;
            out.truncate(reply.length);
            return Some((out, has_valid_cookie));
        }
        let query = truenorth::wire::Query::parse(message)?;
        let exchange = Exchange::new(&self.snapshot, &query, asker, self.now);
        let length = answer::answer(&exchange, &mut self.worker, &mut out).length;
        out.truncate(length);
        Some((out, exchange.has_valid_cookie()))
    }
}

/// Loads a configuration: additions to the server file, and zone files and master files by their names. If the server file
/// speaks of DNSSEC, each zone has a new key.
pub fn load(server: &str, files: &[(&str, &str)]) -> Result<Config, Faults> {
    let folder = tempfile::tempdir().unwrap();
    for (name, _) in files.iter().filter(|_| server.contains("[dnssec]")) {
        let stem = name.rsplit_once('.').map_or(*name, |(stem, _)| stem);
        let zone = truenorth::name::Name::parse(stem, &truenorth::name::Name::root()).unwrap();
        let key = NewKey::first(Algorithm::EcdsaP256Sha256, 3600, 0).create(&zone).unwrap();
        truenorth::config::write_key(&folder.path().join("keys"), &key).unwrap();
    }
    fs::create_dir(folder.path().join("zones")).unwrap();
    fs::write(folder.path().join("truenorth.toml"), format!("zones = \"zones\"\n{server}")).unwrap();
    for (name, text) in files {
        fs::write(folder.path().join("zones").join(name), text).unwrap();
    }
    truenorth::config::load(&folder.path().join("truenorth.toml"), &truenorth::disk::Disk::new(), &|_| None)
}

/// A query with EDNS.
pub fn query(name: &str, rtype: RecordType, client: &str) -> Message {
    let name =
        Name::from_ascii(if name.ends_with('.') { name.to_owned() } else { format!("{name}.{ORIGIN}") }).unwrap();
    let mut message = Message::new(7, MessageType::Query, OpCode::Query);
    message.add_query(Query::query(name, rtype));
    let mut edns = Edns::new();
    edns.set_max_payload(1232);
    if let Some((address, length)) = client.split_once('/') {
        let subnet = ClientSubnet::new(address.parse().unwrap(), length.parse().unwrap(), 0);
        edns.options_mut().insert(EdnsOption::Subnet(subnet));
    }
    message.set_edns(edns);
    message
}

/// A record in presentation format. The parser knows DNAME only by its number.
fn presentation(record: &Record) -> String {
    let target = match &record.data {
        RData::Unknown { code, rdata } if u16::from(*code) == DNAME => rdata.anything.as_slice(),
        _ => return record.to_string(),
    };
    let mut name = String::new();
    let mut rest = target;
    while let [length @ 1..=u8::MAX, behind @ ..] = rest {
        let (label, behind) = behind.split_at(usize::from(*length));
        name += &String::from_utf8_lossy(label);
        name.push('.');
        rest = behind;
    }
    let name = if name.is_empty() { "." } else { &name };
    format!("{} {} {} DNAME {name}", record.name, record.ttl, record.dns_class)
}

impl Reply {
    /// The addresses of the answer section, in order; canonical names as they are.
    pub fn data(&self) -> Vec<String> {
        self.message.answers.iter().map(|record| record.data.to_string()).collect()
    }

    /// The same without an order.
    pub fn sorted(&self) -> Vec<String> {
        let mut data = self.data();
        data.sort_unstable();
        data
    }

    /// The records of the answer section in presentation format, in order.
    pub fn answers(&self) -> Vec<String> {
        self.message.answers.iter().map(presentation).collect()
    }

    /// The same of the authority section.
    pub fn authorities(&self) -> Vec<String> {
        self.message.authorities.iter().map(presentation).collect()
    }

    /// The same of the additional section, without the OPT record.
    pub fn additionals(&self) -> Vec<String> {
        self.message.additionals.iter().map(presentation).collect()
    }

    /// True if AA is set.
    pub fn is_authoritative(&self) -> bool {
        self.message.metadata.authoritative
    }

    /// True if the reply says that the name does not exist: NXDOMAIN with the SOA in the authority section.
    pub fn is_nxdomain(&self) -> bool {
        let soa = self.message.authorities.iter().any(|record| matches!(record.data, RData::SOA(_)));
        self.rcode() == 3 && soa
    }

    /// The response code's number.
    pub fn rcode(&self) -> u16 {
        self.message.metadata.response_code.into()
    }

    /// The least TTL of the answer section, or of the authority section if that is empty.
    pub fn ttl(&self) -> u32 {
        let answers = self.message.answers.iter().chain(&self.message.authorities);
        answers.map(|record| record.ttl).min().expect("there is a record")
    }

    /// The scope prefix length of the Client Subnet option.
    pub fn scope(&self) -> Option<u8> {
        match self.message.edns.as_ref()?.option(EdnsCode::Subnet)? {
            EdnsOption::Subnet(subnet) => Some(subnet.scope_prefix()),
            _ => None,
        }
    }

    /// True if the answer is empty: NOERROR with the SOA in the authority section.
    pub fn is_nodata(&self) -> bool {
        let soa = self.message.authorities.iter().any(|record| matches!(record.data, RData::SOA(_)));
        self.rcode() == 0 && self.message.answers.is_empty() && soa
    }
}

/// Address at which an endpoint without an address of its own is probed.
fn probed_address(pool: &Members, endpoint: usize) -> Option<IpAddr> {
    let mut address = None;
    pool.condition(endpoint)?.each_target(&mut |target| address = address.or(target.address.ip()));
    address
}
