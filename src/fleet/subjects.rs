//! The subjects of a fleet.

use crate::ledger::{Book, Entry, Matter};
use crate::vantage::{Body, Letter, Message, NodeName};
use crate::versions::Digest;

/// The first part of all subjects.
const ROOT: &str = "truenorth";

/// The kinds of messages, as subjects name them.
const REPORT: &str = "obs";
const ASK: &str = "ask";
const SAMPLES: &str = "rtt";
const REPORTED: &str = "rep";
const ALL_ROWS: &str = "full";
const LASTING: &str = "order";
const PASSING: &str = "term";
const ZONES: &str = "zones";

/// The parts of versions, beside the entry that says which ones are current.
const PART: &str = "part";

/// The subjects of one fleet, for one of its nodes.
#[derive(Clone, Debug)]
pub(super) struct Subjects {
    prefix: String,
    fleet: Box<str>,
    node: NodeName,
}

impl Subjects {
    pub(super) fn new(fleet: &str, node: NodeName) -> Self {
        Self { prefix: format!("{ROOT}.{fleet}."), fleet: fleet.into(), node }
    }

    /// The subjects that the node listens to.
    pub(super) fn heard(&self) -> [String; 5] {
        let Self { prefix, fleet: _, node } = self;
        let [reports, asks, samples, reported] =
            [REPORT, ASK, SAMPLES, REPORTED].map(|kind| format!("{prefix}{kind}.*"));
        [reports, asks, samples, format!("{prefix}{ALL_ROWS}.*.{node}"), reported]
    }

    /// The subject of a message of the node.
    pub(super) fn of(&self, letter: &Letter) -> String {
        let Self { prefix, fleet: _, node } = self;
        match &letter.to {
            Some(asker) => format!("{prefix}{ALL_ROWS}.{node}.{asker}"),
            None => format!("{prefix}{}.{node}", kind(&letter.message)),
        }
    }

    /// The name of a stream.
    pub(super) fn stream(&self, book: Book) -> String {
        let what = match book {
            Book::Lasting => "orders",
            Book::Passing => "terms",
            Book::Zones => "zones",
        };
        format!("{ROOT}-{}-{what}", self.fleet)
    }

    /// The subjects of all messages of a stream.
    pub(super) fn stored(&self, book: Book) -> String {
        format!("{}{}.>", self.prefix, kind_of(book))
    }

    /// The subjects of all entries of a stream.
    pub(super) fn entries(&self, book: Book) -> String {
        match book {
            Book::Lasting | Book::Passing => self.stored(book),
            Book::Zones => format!("{}{ZONES}.{}.*", self.prefix, Matter::Zones.kind()),
        }
    }

    /// The subjects of all parts of a version.
    pub(super) fn parts(&self, id: Digest) -> String {
        format!("{}{ZONES}.{PART}.{id}.*", self.prefix)
    }

    /// The subject of a part of a version.
    pub(super) fn part(&self, id: Digest, number: usize) -> String {
        format!("{}{ZONES}.{PART}.{id}.{number}", self.prefix)
    }

    /// The number of the part with this subject.
    pub(super) fn part_number(&self, id: Digest, subject: &str) -> Option<usize> {
        subject.strip_prefix(&self.prefix)?.strip_prefix(&format!("{ZONES}.{PART}.{id}."))?.parse().ok()
    }

    /// The subject of an entry.
    pub(super) fn entry(&self, entry: &Entry) -> String {
        let (matter, key) = (entry.matter(), entry.key());
        format!("{}{}.{}.{:032x}", self.prefix, kind_of(matter.book()), matter.kind(), key.hash())
    }

    /// The sender of a message with this subject; `None` if the subject is not that of such a message.
    pub(super) fn sender(&self, subject: &str, message: &Message) -> Option<NodeName> {
        let mut tokens = subject.strip_prefix(&self.prefix)?.split('.');
        let (kind_named, sender, asker) = (tokens.next()?, tokens.next()?, tokens.next());
        let is_right = match asker {
            None => kind_named != ALL_ROWS,
            Some(asker) => kind_named == ALL_ROWS && asker == self.node.as_str(),
        };
        let is_of_kind = match &message.body {
            Body::Identity(_) | Body::Rtts(_) => matches!(kind_named, REPORT | ALL_ROWS),
            _ => kind_named == kind(message),
        };
        let is_right = is_right && is_of_kind && tokens.next().is_none();
        NodeName::try_new(sender).filter(|_| is_right)
    }
}

fn kind_of(book: Book) -> &'static str {
    match book {
        Book::Lasting => LASTING,
        Book::Passing => PASSING,
        Book::Zones => ZONES,
    }
}

fn kind(message: &Message) -> &'static str {
    match &message.body {
        Body::Ask(_) => ASK,
        Body::Samples(_) => SAMPLES,
        Body::Reported(_) => REPORTED,
        Body::Report(report) if report.part.is_some() => ALL_ROWS,
        Body::Report(_) | Body::Identity(_) | Body::Rtts(_) => REPORT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::Identity;
    use crate::latency::VantageRtts;
    use std::time::Duration;

    fn message(body: Body) -> Message {
        Message { incarnation: 1, sequence: 1, wall: Duration::ZERO, body }
    }

    #[test]
    fn the_subject_names_the_sender_and_fits_the_message() {
        let name = |text| NodeName::try_new(text).unwrap();
        let (mine, theirs) = (Subjects::new("main", name("ns1")), Subjects::new("main", name("ns2")));
        let ask = message(Body::Ask(vec![name("ns1")]));
        let subject = theirs.of(&Letter { to: None, message: ask.clone() });
        assert_eq!(subject, "truenorth.main.ask.ns2");
        assert_eq!(mine.sender(&subject, &ask), Some(name("ns2")));
        for wrong in [
            "truenorth.other.ask.ns2",
            "truenorth.main.obs.ns2",
            "truenorth.main.ask",
            "truenorth.main.ask.ns2.ns1",
            "truenorth.main.full.ns2.ns1",
            "truenorth.main.ask.n s",
            "truenorth.main.",
        ] {
            assert_eq!(mine.sender(wrong, &ask), None, "{wrong}");
        }
        assert_eq!(mine.heard()[3], "truenorth.main.full.*.ns1");
        let samples = message(Body::Samples(Vec::new()));
        let subject = theirs.of(&Letter { to: None, message: samples.clone() });
        assert_eq!((&*subject, mine.sender(&subject, &samples)), ("truenorth.main.rtt.ns2", Some(name("ns2"))));
        assert_eq!(mine.sender("truenorth.main.obs.ns2", &samples), None);
        let bodies = [Body::Identity(Identity::new("0.1.0", Vec::new())), Body::Rtts(VantageRtts::default())];
        for told in bodies.map(message) {
            for (to, subject) in [(None, "truenorth.main.obs.ns2"), (Some(name("ns1")), "truenorth.main.full.ns2.ns1")]
            {
                assert_eq!(theirs.of(&Letter { to, message: told.clone() }), subject);
                assert_eq!(mine.sender(subject, &told), Some(name("ns2")));
            }
            assert_eq!(mine.sender("truenorth.main.ask.ns2", &told), None);
            assert_eq!(mine.sender("truenorth.main.rtt.ns2", &told), None);
        }
    }
}
