//! Kinds of faults, for scripts: they stay when messages are worded anew.

use serde::Serialize;

/// Which kind of fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// A rule that has no code of its own is broken.
    Invalid,
    /// It works, but probably not as meant, in a way that has no code of its own.
    Doubtful,
    /// The file is not TOML, or not a master file.
    Syntax,
    /// A table has a key that nothing reads.
    UnknownKey,
    /// A table lacks a key.
    MissingKey,
    /// A value is of a wrong type, out of its range, or none of the words that are taken.
    BadValue,
    /// A word refers to something that is not defined.
    UnknownName,
    /// Something is written twice.
    Duplicate,
    /// Two things exclude each other.
    Conflict,
    /// A text is no domain name, or not one that can stand there.
    BadName,
    /// A text is no data of its record type.
    BadData,
    /// A domain name is probably not the one that was meant: a final dot too few, or a name that is not there.
    DoubtfulName,
    /// An address cannot be reached by clients, or is of a kind that is no endpoint.
    DoubtfulAddress,
    /// A file or folder cannot be read, or is not read.
    File,
    /// A certificate, a key or a token cannot be used, or should be kept better.
    Credentials,
    /// Nothing refers to a definition.
    Unused,
    /// What is written can never decide anything.
    NoEffect,
    /// No database says what a region asks for.
    NotLocated,
    /// The SOA and NS records of a zone's apex are not as they have to be.
    Apex,
    /// Nameservers and zone cuts do not fit each other, or what stands there.
    Delegation,
    /// A CNAME or DNAME stands where it cannot, or something beside or below it.
    Alias,
    /// A wildcard holds what nobody has specified.
    Wildcard,
    /// A name or an address belongs to another zone.
    OutOfZone,
    /// A serial that secondaries may take wrongly.
    Serial,
    /// A TTL that does not fit the others, or what the name is for.
    Ttl,
    /// A zone is signed, and its signatures are not served.
    Signed,
    /// A record's data is well-formed, and probably not what was meant.
    DoubtfulData,
    /// More of something than there can be.
    Limit,
    /// A pool's endpoints do not make a pool.
    Pool,
    /// A name's chain of steps, or what it picks, cannot be as it is written.
    Steering,
    /// A region does not say which clients are in it, or some are in none.
    Region,
    /// A prefix is finer than Client Subnet is looked at.
    ClientSubnet,
    /// A monitor contradicts itself, or cannot be run.
    Monitor,
    /// What a pool's probes ask for is not said.
    ProbeHost,
    /// A datacenter's round trips count for nobody.
    Measuring,
    /// A roll-out of a name cannot go on as it is written.
    Rollout,
    /// A window of an override is not one.
    Window,
    /// A webhook's URL, headers or body cannot be sent.
    Webhook,
    /// An address or port cannot be listened on.
    Listen,
    /// A reload would lose zones.
    Reload,
    /// The files do not make a configuration that can be compiled.
    Zone,
    /// More faults of one file that are not told one by one.
    More,
}
