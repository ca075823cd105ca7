//! Kinds of faults, for scripts. The codes stay the same when messages change.

use serde::Serialize;

/// The kind of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// A rule without a code of its own is violated.
    Invalid,
    /// The configuration works, but probably not as meant, and this case has no code of its own.
    Doubtful,
    /// The file is not TOML, or not a master file.
    Syntax,
    /// A table has an unknown key.
    UnknownKey,
    /// A key is missing in a table.
    MissingKey,
    /// A value has a wrong type, is out of range, or is none of the allowed words.
    BadValue,
    /// A word refers to something that is not defined.
    UnknownName,
    /// Something is given twice.
    Duplicate,
    /// Two settings exclude each other.
    Conflict,
    /// A text is not a domain name, or not one that is allowed there.
    BadName,
    /// A text is not valid data of its record type.
    BadData,
    /// A domain name is probably wrong: its final dot is missing, or the name does not exist.
    DoubtfulName,
    /// Clients cannot reach an address, or it is of a kind that cannot be an endpoint.
    DoubtfulAddress,
    /// A file or folder cannot be read, or is ignored.
    File,
    /// A certificate, a key or a token cannot be used, or is not protected well enough.
    Credentials,
    /// Nothing refers to a definition.
    Unused,
    /// A part of the configuration has no effect.
    NoEffect,
    /// No database knows what a region asks for.
    NotLocated,
    /// The SOA and NS records of a zone's apex break the rules.
    Apex,
    /// Nameservers and zone cuts contradict each other, or a cut holds records that it cannot hold.
    Delegation,
    /// A CNAME or DNAME is not allowed at its name, or other records at or below its name are not.
    Alias,
    /// A wildcard owns a record type for which no RFC specifies that.
    Wildcard,
    /// A name or an address is outside of the zone.
    OutOfZone,
    /// Secondaries may misinterpret a serial.
    Serial,
    /// A TTL differs from the others of its RRset, or does not suit the name.
    Ttl,
    /// A zone is signed in a way that resolvers reject, or soon will.
    Signed,
    /// A record's data is well-formed, but probably not what was meant.
    DoubtfulData,
    /// A limit is exceeded.
    Limit,
    /// The endpoints of a pool cannot form a pool.
    Pool,
    /// A name's chain of steps, or its way to pick endpoints, is not possible.
    Steering,
    /// A region does not say which clients it contains, or some clients are in no region.
    Region,
    /// A prefix is longer than the prefix of Client Subnet that is looked at.
    ClientSubnet,
    /// A monitor contradicts itself, or cannot be run.
    Monitor,
    /// The configuration does not say which host a pool's probes ask for.
    ProbeHost,
    /// Nothing uses the round trips that a datacenter measures.
    Measuring,
    /// A roll-out of a name cannot continue as it is configured.
    Rollout,
    /// A maintenance window of an override is invalid.
    Window,
    /// The URL, the headers or the body of a webhook cannot be sent.
    Webhook,
    /// The node cannot listen on an address or port.
    Listen,
    /// A reload would drop all zones.
    Reload,
    /// The files do not form a configuration that can be compiled.
    Zone,
    /// More faults of one file that are not shown one by one.
    More,
}
