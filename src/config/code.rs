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
    /// More faults of one file that are not told one by one.
    More,
}
