//! Questions to recursive servers, and what is read from their answers.

use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use domain::base::iana::{Class, Rcode, Rtype};
use domain::base::name::ToName;
use domain::base::{Message, MessageBuilder, Name, Question};
use domain::rdata::AllRecordData;

use super::ResolveError;

/// The payload size that the question announces: what fits a datagram on every usual path (DNS flag day 2020).
const UDP_PAYLOAD: u16 = 1232;

/// Maximum number of aliases that are followed.
const MAX_ALIASES: usize = 16;

/// Maximum number of records that are taken from an answer.
const MAX_RECORDS: usize = 4096;

type WireName = Name<Vec<u8>>;

/// An answer: what the records hold, and the least TTL of those that led there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer<T> {
    /// The data of the records, in the order of the answer.
    pub values: Vec<T>,
    /// How long it may be used.
    pub ttl: Duration,
}

/// An SRV record (RFC 2782).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Priority; lower ones come first.
    pub priority: u16,
    /// Weight among records of the same priority.
    pub weight: u16,
    /// Port of the service.
    pub port: u16,
    /// The host that offers it, without a final dot; `None` if it is `.`, which means that nobody does.
    pub target: Option<Box<str>>,
}

/// The records that were found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    values: Vec<Value>,
    pub(super) ttl: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    Address(IpAddr),
    Service(Service),
}

impl Found {
    pub(super) fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.values.iter().filter_map(|value| match value {
            Value::Address(address) => Some(*address),
            Value::Service(_) => None,
        })
    }

    pub(super) fn services(&self) -> impl Iterator<Item = Service> {
        self.values.iter().filter_map(|value| match value {
            Value::Address(_) => None,
            Value::Service(service) => Some(service.clone()),
        })
    }
}

/// A question with its own ID.
pub(super) struct Query {
    question: Question<WireName>,
    pub(super) message: Vec<u8>,
}

impl Query {
    /// Makes the question. Fails if the text is no domain name.
    pub(super) fn new(name: &str, rtype: Rtype, id: u16) -> Result<Self, ResolveError> {
        let name = WireName::from_str(name).map_err(|error| ResolveError::BadName(error.to_string()))?;
        let question = Question::new(name, rtype, Class::IN);
        let unsendable = |_| ResolveError::Malformed;
        let mut builder = MessageBuilder::new_vec();
        builder.header_mut().set_id(id);
        builder.header_mut().set_rd(true);
        let mut builder = builder.question();
        builder.push(&question).map_err(unsendable)?;
        let mut builder = builder.additional();
        builder
            .opt(|opt| {
                opt.set_udp_payload_size(UDP_PAYLOAD);
                Ok(())
            })
            .map_err(unsendable)?;
        Ok(Self { question, message: builder.finish() })
    }

    /// True if the octets are a response to this question. Others are ignored, because anybody may send them.
    pub(super) fn is_answered_by(&self, octets: &[u8]) -> bool {
        let Ok(message) = Message::from_slice(octets) else { return false };
        message.header().qr()
            && octets.starts_with(&self.message[..2])
            && message.sole_question().is_ok_and(|question| question == self.question)
    }

    /// Reads the response. `None` if it is truncated, so that TCP is due (RFC 2181, section 9).
    pub(super) fn read(&self, octets: &[u8]) -> Result<Option<Found>, ResolveError> {
        let message = Message::from_slice(octets).map_err(|_| ResolveError::Malformed)?;
        if message.header().tc() {
            return Ok(None);
        }
        match message.header().rcode() {
            Rcode::NOERROR => self.find(message).map(Some),
            rcode => Err(ResolveError::Rcode(rcode.to_string())),
        }
    }

    /// Finds the records of the question's name, or of the name that aliases lead to (RFC 1034, section 3.6.2).
    fn find(&self, message: &Message<[u8]>) -> Result<Found, ResolveError> {
        let mut aliases: Vec<(WireName, WireName, u32)> = Vec::new();
        let mut records: Vec<(WireName, Value, u32)> = Vec::new();
        let answer = message.answer().map_err(|_| ResolveError::Malformed)?;
        for record in answer.take(MAX_RECORDS) {
            let record = record.map_err(|_| ResolveError::Malformed)?;
            if record.class() != Class::IN || ![Rtype::CNAME, self.question.qtype()].contains(&record.rtype()) {
                continue;
            }
            let record = record.to_any_record::<AllRecordData<_, _>>().map_err(|_| ResolveError::Malformed)?;
            let (owner, ttl): (WireName, u32) = (record.owner().to_name(), record.ttl().as_secs());
            match record.data() {
                AllRecordData::Cname(alias) => aliases.push((owner, alias.cname().to_name(), ttl)),
                AllRecordData::A(a) => records.push((owner, Value::Address(a.addr().into()), ttl)),
                AllRecordData::Aaaa(aaaa) => records.push((owner, Value::Address(aaaa.addr().into()), ttl)),
                AllRecordData::Srv(srv) => {
                    let target: WireName = srv.target().to_name();
                    let target = (!target.is_root()).then(|| target.to_string().trim_end_matches('.').into());
                    let (priority, weight, port) = (srv.priority(), srv.weight(), srv.port());
                    records.push((owner, Value::Service(Service { priority, weight, port, target }), ttl));
                }
                _ => {}
            }
        }
        let (mut name, mut least) = (self.question.qname().clone(), u32::MAX);
        for _ in 0..MAX_ALIASES {
            let Some((_, to, ttl)) = aliases.iter().find(|(owner, ..)| *owner == name) else { break };
            (name, least) = (to.clone(), least.min(*ttl));
        }
        let found = records.into_iter().filter(|(owner, ..)| *owner == name);
        let mut values = Vec::new();
        for (_, value, ttl) in found {
            least = least.min(ttl);
            values.push(value);
        }
        if values.is_empty() {
            return Err(ResolveError::NoData);
        }
        Ok(Found { values, ttl: Duration::from_secs(u64::from(least)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::base::Ttl;
    use domain::rdata::{A, Cname, Srv};

    fn name(text: &str) -> WireName {
        text.parse().unwrap()
    }

    fn query(rtype: Rtype) -> Query {
        Query::new("db.example.net", rtype, 7).unwrap()
    }

    /// An answer to the query, with these records pushed by `push`.
    fn response(
        query: &Query,
        rcode: Rcode,
        push: impl Fn(&mut domain::base::message_builder::AnswerBuilder<Vec<u8>>),
    ) -> Vec<u8> {
        let question = Message::from_slice(&query.message).unwrap();
        let mut answer = MessageBuilder::new_vec().start_answer(question, rcode).unwrap();
        push(&mut answer);
        answer.finish()
    }

    #[test]
    fn addresses_are_those_that_aliases_lead_to_with_the_least_ttl() {
        let query = query(Rtype::A);
        let ttl = |seconds| Ttl::from_secs(seconds);
        let octets = response(&query, Rcode::NOERROR, |answer| {
            answer.push((name("other.example.net"), ttl(1), A::from_octets(192, 0, 2, 9))).unwrap();
            answer.push((name("real.example.org"), ttl(40), A::from_octets(192, 0, 2, 2))).unwrap();
            answer.push((name("DB.example.NET"), ttl(20), Cname::new(name("real.example.ORG")))).unwrap();
            answer.push((name("real.example.org"), ttl(40), A::from_octets(192, 0, 2, 1))).unwrap();
        });
        assert!(query.is_answered_by(&octets));
        let found = query.read(&octets).unwrap().unwrap();
        let addresses: Vec<String> = found.addresses().map(|address| address.to_string()).collect();
        assert_eq!((addresses, found.ttl), (vec!["192.0.2.2".into(), "192.0.2.1".into()], Duration::from_secs(20)));
    }

    #[test]
    fn services_have_hosts_or_none() {
        let query = query(Rtype::SRV);
        let octets = response(&query, Rcode::NOERROR, |answer| {
            for (target, port) in [("a.example.net", 8080), (".", 0)] {
                answer.push((name("db.example.net"), Ttl::from_secs(5), Srv::new(1, 2, port, name(target)))).unwrap();
            }
        });
        let found: Vec<_> = query.read(&octets).unwrap().unwrap().services().collect();
        let service =
            |port, target: Option<&str>| Service { priority: 1, weight: 2, port, target: target.map(Into::into) };
        assert_eq!(found, [service(8080, Some("a.example.net")), service(0, None)]);
    }

    #[test]
    fn what_is_no_answer_is_told_apart() {
        let query = query(Rtype::A);
        let of = |rcode| query.read(&response(&query, rcode, |_| ()));
        assert_eq!(of(Rcode::NXDOMAIN), Err(ResolveError::Rcode("NXDOMAIN".into())));
        assert_eq!(of(Rcode::NOERROR), Err(ResolveError::NoData));
        // A loop of aliases ends.
        let looped = response(&query, Rcode::NOERROR, |answer| {
            answer.push((name("db.example.net"), Ttl::from_secs(5), Cname::new(name("db.example.net")))).unwrap();
        });
        assert_eq!(query.read(&looped), Err(ResolveError::NoData));
        let mut truncated = response(&query, Rcode::NOERROR, |_| ());
        truncated[2] |= 0x02;
        assert_eq!(query.read(&truncated), Ok(None));
    }

    #[test]
    fn only_a_response_to_the_question_is_read() {
        let query = query(Rtype::A);
        let octets = response(&query, Rcode::NOERROR, |_| ());
        let mut other_id = octets.clone();
        other_id[1] ^= 1;
        let other_question = Query::new("db.example.com", Rtype::A, 7).unwrap();
        for octets in
            [&query.message[..], &other_id[..], &octets[..5], &response(&other_question, Rcode::NOERROR, |_| ())]
        {
            assert!(!query.is_answered_by(octets));
        }
        assert!(matches!(Query::new("a..b", Rtype::A, 1), Err(ResolveError::BadName(_))));
    }
}
