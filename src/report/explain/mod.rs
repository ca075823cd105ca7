//! Explains why a client gets its answer: the resolution of its question, hop by hop, and the answer that is written
//! from it.

mod answer;
mod hop;
mod signature;
mod steering;
mod text;

use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query as ProtoQuery};
use hickory_proto::rr::rdata::opt::{ClientSubnet, EdnsOption};
use hickory_proto::rr::{Name as ProtoName, RecordType};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use self::answer::AnswerShape;
use self::hop::HopShape;
use self::signature::SignatureShape;
use super::Network;
use super::what_if::snapshot_without;
use crate::answer::{Asker, Client, Exchange, Resolution, Rotation, Step, Transport, Worker};
use crate::clock::unix_time;
use crate::dnssec::{ForeignKey, Signatures};
use crate::health::Survey;
use crate::name::Name;
use crate::overrides::{Override, TargetPattern};
use crate::snapshot::Snapshot;
use crate::wire::{Query, Rtype};

/// A question and its client.
#[derive(Clone, Debug)]
pub struct Question {
    /// The owner name.
    pub name: Name,
    /// A type that hickory-proto knows.
    pub rtype: RecordType,
    /// With a prefix length, the network in a Client Subnet option. Without one, the source address of a query that has
    /// no such option.
    pub client: Network,
}

impl Question {
    /// Parses a name. It is absolute, with or without a final dot. Fails with the reason.
    pub fn parse_name(text: &str) -> Result<Name, String> {
        Name::parse(text, &Name::root()).map_err(|error| error.to_string())
    }

    /// Parses a record type, in upper or lower case. Fails if there is no such type.
    pub fn parse_type(text: &str) -> Result<RecordType, String> {
        text.to_ascii_uppercase().parse().map_err(|_| format!("`{text}` is not a record type"))
    }

    /// Returns the query that a resolver would send.
    fn to_message(&self, is_dnssec_ok: bool) -> Result<Vec<u8>, String> {
        let name = ProtoName::from_ascii(self.name.to_string()).map_err(|error| error.to_string())?;
        let mut message = Message::new(0, MessageType::Query, OpCode::Query);
        message.add_query(ProtoQuery::query(name, self.rtype));
        let mut edns = Edns::new();
        edns.set_dnssec_ok(is_dnssec_ok);
        if let Network { address, prefix: Some(length) } = self.client {
            let network = IpNet::new(address, length).map_err(|error| error.to_string())?.network();
            edns.options_mut().insert(EdnsOption::Subnet(ClientSubnet::new(network, length, 0)));
        }
        message.set_edns(edns);
        message.to_vec().map_err(|error| error.to_string())
    }
}

/// The facts that only a running node knows, in addition to its snapshot.
#[derive(Clone, Copy, Debug)]
pub struct Beside<'a> {
    /// The state of its targets; times count from the Unix epoch.
    pub survey: &'a Survey,
    /// All overrides and windows, each with true if it is in force.
    pub overrides: &'a [(Override, bool)],
    /// The signatures that it keeps.
    pub signatures: &'a Arc<Signatures>,
    /// The present time, since the Unix epoch.
    pub now: Duration,
}

/// The explanation of one answer.
#[derive(Debug, Serialize, Deserialize)]
pub struct Explanation {
    /// True if no running node was asked. Then everything counts as up, except the targets of `--down`.
    offline: bool,
    /// The name of the node that was asked.
    node: Option<String>,
    generation: Option<u64>,
    down: Vec<String>,
    name: String,
    #[serde(rename = "type")]
    rtype: String,
    client: ClientShape,
    /// The hops, in order; none if no zone here answers for the name.
    hops: Vec<HopShape>,
    answer: AnswerShape,
    /// The signatures for an asker that wants them; none if no zone of the answer is signed.
    #[serde(default)]
    signatures: Vec<SignatureShape>,
    /// The tags of keys of other providers in the answer (RFC 8901).
    #[serde(default)]
    foreign_keys: Vec<u16>,
}

#[derive(Debug, Serialize, Deserialize)]
struct ClientShape {
    network: String,
    looked_up_as: String,
    location: String,
}

impl Explanation {
    /// Answers the question from a snapshot that was made without a running node, with these targets down.
    pub fn offline(snapshot: &Snapshot, question: &Question, down: &[TargetPattern]) -> Result<Self, String> {
        Self::new(snapshot, question, down, None)
    }

    /// Answers the question from the snapshot of this node, with these targets down in addition.
    pub fn live(
        snapshot: &Snapshot,
        question: &Question,
        down: &[TargetPattern],
        beside: Beside<'_>,
    ) -> Result<Self, String> {
        match down {
            [] => Self::new(snapshot, question, down, Some(beside)),
            _ => Self::new(&snapshot_without(down, snapshot)?, question, down, Some(beside)),
        }
    }

    /// Answers the question from a snapshot in which these targets are down. `beside` is `None` without a running node.
    fn new(
        snapshot: &Snapshot,
        question: &Question,
        down: &[TargetPattern],
        beside: Option<Beside<'_>>,
    ) -> Result<Self, String> {
        let offline = beside.is_none();
        let address = question.client.address;
        let message = question.to_message(false)?;
        let query = Query::parse(&message).ok_or("the question gets no answer")?;
        let asker = Asker { address, transport: Transport::Tcp, idle: None };
        // The query contains no cookie, so the time does not matter.
        let exchange = Exchange::new(snapshot, &query, asker, 0);
        let Some(asked) = exchange.question() else {
            return Err(format!("zones have no records of type {}", question.rtype));
        };
        let client = exchange.client();
        let mut worker = Worker::new(Arc::new(Rotation::default()));
        if let Some(beside) = beside {
            worker = worker.looking(beside.signatures.clone());
        }
        let mut resolution = Resolution::new((asked.name, asked.rtype), client, address);
        resolution.resolve(snapshot, &mut worker);
        let signatures = if resolution.is_signed() {
            let message = question.to_message(true)?;
            let query = Query::parse(&message).ok_or("the question gets no answer")?;
            let exchange = Exchange::new(snapshot, &query, asker, unix_time());
            SignatureShape::of(&exchange, &resolution, &mut worker)?
        } else {
            Vec::new()
        };
        Ok(Self {
            offline,
            node: (!offline).then(|| snapshot.world().node.to_string()),
            generation: (!offline).then(|| snapshot.generation()),
            down: down.iter().map(TargetPattern::to_string).collect(),
            name: question.name.to_string(),
            rtype: question.rtype.to_string(),
            client: ClientShape::new(snapshot, question.client, &client),
            hops: resolution.hops().iter().map(|hop| HopShape::new(snapshot, &resolution, hop, beside)).collect(),
            answer: AnswerShape::new(&exchange, &resolution, &mut worker)?,
            signatures,
            foreign_keys: foreign_keys(&resolution, asked.rtype),
        })
    }
}

/// Returns the tags of keys of other providers in an answer that lists keys.
fn foreign_keys(resolution: &Resolution<'_>, rtype: Rtype) -> Vec<u16> {
    let lists_keys = matches!(rtype, Rtype::DNSKEY | Rtype::CDS | Rtype::CDNSKEY);
    let last = resolution.hops().last().filter(|hop| lists_keys && matches!(hop.step, Step::Static(_)));
    let keys = last.and_then(|hop| hop.zone.keys.as_ref()).into_iter().flat_map(|keys| keys.foreign());
    keys.filter(|key| rtype == Rtype::DNSKEY || key.is_entry()).map(ForeignKey::tag).collect()
}

impl ClientShape {
    fn new(snapshot: &Snapshot, network: Network, client: &Client) -> Self {
        let looked_up_as = match client.subnet {
            Some(subnet) => format!("{}/{}", client.address, subnet.length),
            None => client.address.to_string(),
        };
        let location = snapshot.locations().look_up(client.address).to_string();
        Self { network: network.to_string(), looked_up_as, location }
    }
}
