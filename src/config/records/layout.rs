//! The layout of each type's data: the one table by which both texts and octets are read.

use crate::wire::Rtype;

/// One field of a type's data: its name in messages, and its kind.
#[derive(Clone, Copy)]
pub(super) struct Field(pub &'static str, pub Kind);

/// Words for the numbers of a field.
pub(super) type Words = &'static [(&'static str, u16)];

/// The kind of a field's value.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// A number of 8 bits, or a word for it.
    U8(Words),
    /// A number of 16 bits, or a word for it.
    U16(Words),
    /// A number of 32 bits.
    U32,
    /// 32 bits of seconds. May be written with units.
    Seconds,
    /// Seconds since 1970 modulo 2^32, or `YYYYMMDDHHmmSS` (RFC 4034, section 3.2).
    Time,
    /// A record type: its mnemonic, or `TYPEnnn`.
    Type,
    Ipv4,
    Ipv6,
    /// A domain name, uncompressed.
    Name,
    /// Domain names up to the end; perhaps none.
    Names,
    /// A character string: a length octet, and octets of that number.
    String,
    /// Character strings up to the end: at least one, at most this number.
    Strings(usize),
    /// A string of the digits 0-9, at least this number of them.
    Digits(usize),
    /// A property tag: a character string of letters and digits, not empty (RFC 8659, section 4.1).
    Tag,
    /// A string without a length octet, up to the end.
    Text,
    /// This number of groups of octets in hexadecimal digits, with a separator between them. With colons, leading zeros
    /// may be left out.
    Groups {
        count: usize,
        octets: usize,
        separator: char,
    },
    /// The rest in hexadecimal digits, with or without blanks; at least one octet.
    Hex,
    /// The rest in Base64, with or without blanks; at least one octet.
    Base64,
    /// As [`Base64`](Self::Base64), but perhaps empty.
    OptionalBase64,
    /// As [`OptionalBase64`](Self::OptionalBase64), with `-` for an empty value.
    DashedBase64,
    /// A length octet and octets of that number, in hexadecimal digits; `-` for none (RFC 5155, section 3.3).
    Salt,
    /// A length octet and octets of that number, at least one, in Base32 with the extended hex alphabet (RFC 5155,
    /// section 3.3).
    Hash,
    /// A type bit map. In some types it must not be empty (RFC 4034, section 4.1.2).
    Bitmap {
        may_be_empty: bool,
    },
    /// SvcParams (RFC 9460, section 2).
    SvcParams,
    /// Gateway type, algorithm, gateway and key (RFC 4025, section 3.1).
    Gateway,
    /// Discovery bit, relay type and relay (RFC 8777, section 4.3.1).
    Relay,
    /// The location of RFC 1876.
    Location,
    /// Address prefixes up to the end; perhaps none (RFC 3123).
    Prefixes,
    /// Algorithm, HIT and public key (RFC 8005, section 5).
    HostIdentity,
    /// The address of RFC 1706, at least one octet.
    Nsap,
    /// The address of the ATM Forum.
    AtmAddress,
    /// A bit map of ports (RFC 1035, section 3.4.2).
    Services,
    /// The bit map of types of RFC 2535, section 5.2.
    NxtTypes,
    /// All of an A6 record (RFC 2874).
    A6,
    /// At least this number of octets, which can be written as octets only.
    Octets(usize),
}

/// RFC 4398, section 2.1.
const CERTIFICATES: Words = &[
    ("PKIX", 1),
    ("SPKI", 2),
    ("PGP", 3),
    ("IPKIX", 4),
    ("ISPKI", 5),
    ("IPGP", 6),
    ("ACPKIX", 7),
    ("IACPKIX", 8),
    ("URI", 253),
    ("OID", 254),
];

/// IANA's DNS Security Algorithm Numbers that have a mnemonic.
const ALGORITHMS: Words = &[
    ("DELETE", 0),
    ("RSAMD5", 1),
    ("DH", 2),
    ("DSA", 3),
    ("RSASHA1", 5),
    ("DSA-NSEC3-SHA1", 6),
    ("RSASHA1-NSEC3-SHA1", 7),
    ("NSEC3RSASHA1", 7),
    ("RSASHA256", 8),
    ("RSASHA512", 10),
    ("ECC-GOST", 12),
    ("ECDSAP256SHA256", 13),
    ("ECDSAP384SHA384", 14),
    ("ED25519", 15),
    ("ED448", 16),
    ("INDIRECT", 252),
    ("PRIVATEDNS", 253),
    ("PRIVATEOID", 254),
];

/// IANA's digest algorithms of DS records.
const DIGESTS: Words = &[("SHA-1", 1), ("SHA1", 1), ("SHA-256", 2), ("SHA256", 2), ("SHA-384", 4), ("SHA384", 4)];

/// RFC 7218, sections 2.1 to 2.3.
const USAGES: Words = &[("PKIX-TA", 0), ("PKIX-EE", 1), ("DANE-TA", 2), ("DANE-EE", 3), ("PrivCert", 255)];
const SELECTORS: Words = &[("Cert", 0), ("SPKI", 1), ("PrivSel", 255)];
const MATCHINGS: Words = &[("Full", 0), ("SHA2-256", 1), ("SHA2-512", 2), ("PrivMatch", 255)];

/// Protocols of WKS records.
const PROTOCOLS: Words = &[("ICMP", 1), ("TCP", 6), ("UDP", 17)];

/// RFC 9859, section 2.1.
const SCHEMES: Words = &[("NOTIFY", 1)];

const MNAME: Field = Field("primary", Kind::Name);
const PREFERENCE: Field = Field("preference", Kind::U16(&[]));
const TARGET: Field = Field("target", Kind::Name);
const ALGORITHM: Field = Field("algorithm", Kind::U8(ALGORITHMS));
const PUBLIC_KEY: Field = Field("public key", Kind::Base64);
const LOCATOR: Kind = Kind::Groups { count: 4, octets: 2, separator: ':' };

/// Returns the fields of a type's data; `None` for a type whose data can be written as octets only.
#[allow(clippy::too_many_lines, reason = "a table of types, one entry each")]
pub(super) fn of(rtype: Rtype) -> Option<&'static [Field]> {
    let fields: &[Field] = match rtype.0 {
        1 => &[Field("address", Kind::Ipv4)],
        28 => &[Field("address", Kind::Ipv6)],
        // NS, MD, MF, CNAME, MB, MG, MR, PTR, NSAP-PTR and DNAME.
        2..=5 | 7..=9 | 12 | 23 | 39 => &[TARGET],
        6 => &[
            MNAME,
            Field("mailbox", Kind::Name),
            Field("serial", Kind::U32),
            Field("refresh", Kind::Seconds),
            Field("retry", Kind::Seconds),
            Field("expire", Kind::Seconds),
            Field("minimum", Kind::Seconds),
        ],
        10 => &[Field("octets", Kind::Octets(0))],
        11 => {
            &[Field("address", Kind::Ipv4), Field("protocol", Kind::U8(PROTOCOLS)), Field("services", Kind::Services)]
        }
        13 => &[Field("CPU", Kind::String), Field("OS", Kind::String)],
        14 => &[Field("mailbox", Kind::Name), Field("mailbox for errors", Kind::Name)],
        // MX, AFSDB, RT, KX and LP (RFC 6742).
        15 | 18 | 21 | 36 | 107 => &[PREFERENCE, TARGET],
        // TXT, NINFO, SPF (RFC 7208), AVC, RESINFO (RFC 9606) and WALLET.
        16 | 56 | 99 | 258 | 261 | 262 => &[Field("text", Kind::Strings(usize::MAX))],
        17 => &[Field("mailbox", Kind::Name), Field("name of the text", Kind::Name)],
        // "The PSDN address begins with the 4 digit DNIC" (RFC 1183, section 3.1).
        19 => &[Field("PSDN address", Kind::Digits(4))],
        20 => &[Field("ISDN address", Kind::Strings(2))],
        22 => &[Field("address", Kind::Nsap)],
        // SIG and RRSIG.
        24 | 46 => &[
            Field("type covered", Kind::Type),
            ALGORITHM,
            Field("number of labels", Kind::U8(&[])),
            Field("original TTL", Kind::Seconds),
            Field("expiration", Kind::Time),
            Field("inception", Kind::Time),
            Field("key tag", Kind::U16(&[])),
            Field("signer", Kind::Name),
            Field("signature", Kind::Base64),
        ],
        // A KEY may have no key (RFC 2535, section 3.1.2).
        25 => &[
            Field("flags", Kind::U16(&[])),
            Field("protocol", Kind::U8(&[])),
            ALGORITHM,
            Field("public key", Kind::OptionalBase64),
        ],
        26 => &[PREFERENCE, Field("name of RFC 822", Kind::Name), Field("name of X.400", Kind::Name)],
        27 => &[Field("longitude", Kind::String), Field("latitude", Kind::String), Field("altitude", Kind::String)],
        29 => &[Field("location", Kind::Location)],
        31 | 32 => &[Field("octets", Kind::Hex)],
        33 => {
            &[Field("priority", Kind::U16(&[])), Field("weight", Kind::U16(&[])), Field("port", Kind::U16(&[])), TARGET]
        }
        30 => &[Field("next name", Kind::Name), Field("types", Kind::NxtTypes)],
        34 => &[Field("address", Kind::AtmAddress)],
        35 => &[
            Field("order", Kind::U16(&[])),
            PREFERENCE,
            Field("flags", Kind::String),
            Field("services", Kind::String),
            Field("regexp", Kind::String),
            Field("replacement", Kind::Name),
        ],
        37 => &[
            Field("certificate type", Kind::U16(CERTIFICATES)),
            Field("key tag", Kind::U16(&[])),
            ALGORITHM,
            Field("certificate", Kind::Base64),
        ],
        38 => &[Field("address", Kind::A6)],
        // SINK (draft-eastlake-kitchen-sink).
        40 => &[
            Field("meaning", Kind::U8(&[])),
            Field("coding", Kind::U8(&[])),
            Field("subcoding", Kind::U8(&[])),
            Field("data", Kind::OptionalBase64),
        ],
        42 => &[Field("prefixes", Kind::Prefixes)],
        // DS, CDS, TA and DLV (RFC 4431).
        43 | 59 | 32_768 | 32_769 => &[
            Field("key tag", Kind::U16(&[])),
            ALGORITHM,
            Field("digest type", Kind::U8(DIGESTS)),
            Field("digest", Kind::Hex),
        ],
        44 => &[
            Field("algorithm", Kind::U8(&[])),
            Field("fingerprint type", Kind::U8(&[])),
            Field("fingerprint", Kind::Hex),
        ],
        45 => &[Field("precedence", Kind::U8(&[])), Field("gateway", Kind::Gateway)],
        47 => &[Field("next name", Kind::Name), Field("types", Kind::Bitmap { may_be_empty: false })],
        // DNSKEY, RKEY and CDNSKEY.
        48 | 57 | 60 => &[Field("flags", Kind::U16(&[])), Field("protocol", Kind::U8(&[])), ALGORITHM, PUBLIC_KEY],
        // DHCID, OPENPGPKEY, HHIT and BRID.
        49 | 61 | 67 | 68 => &[Field("key", Kind::Base64)],
        50 => &[
            Field("hash algorithm", Kind::U8(&[])),
            Field("flags", Kind::U8(&[])),
            Field("iterations", Kind::U16(&[])),
            Field("salt", Kind::Salt),
            Field("next hash", Kind::Hash),
            Field("types", Kind::Bitmap { may_be_empty: true }),
        ],
        51 => &[
            Field("hash algorithm", Kind::U8(&[])),
            Field("flags", Kind::U8(&[])),
            Field("iterations", Kind::U16(&[])),
            Field("salt", Kind::Salt),
        ],
        // TLSA and SMIMEA (RFC 8162).
        52 | 53 => &[
            Field("usage", Kind::U8(USAGES)),
            Field("selector", Kind::U8(SELECTORS)),
            Field("matching type", Kind::U8(MATCHINGS)),
            Field("certificate association", Kind::Hex),
        ],
        55 => &[Field("host identity", Kind::HostIdentity), Field("rendezvous servers", Kind::Names)],
        58 => &[Field("previous name", Kind::Name), Field("next name", Kind::Name)],
        62 => &[
            Field("serial", Kind::U32),
            Field("flags", Kind::U16(&[])),
            Field("types", Kind::Bitmap { may_be_empty: true }),
        ],
        63 => &[
            Field("serial", Kind::U32),
            Field("scheme", Kind::U8(&[])),
            Field("hash algorithm", Kind::U8(&[])),
            Field("digest", Kind::Hex),
        ],
        64 | 65 => &[Field("priority", Kind::U16(&[])), TARGET, Field("parameters", Kind::SvcParams)],
        66 => &[Field("type", Kind::Type), Field("scheme", Kind::U8(SCHEMES)), Field("port", Kind::U16(&[])), TARGET],
        // NID, L32 and L64 (RFC 6742).
        104 => &[PREFERENCE, Field("node identifier", LOCATOR)],
        105 => &[PREFERENCE, Field("locator", Kind::Ipv4)],
        106 => &[PREFERENCE, Field("locator", LOCATOR)],
        // EUI48 and EUI64 (RFC 7043).
        108 => &[Field("address", Kind::Groups { count: 6, octets: 1, separator: '-' })],
        109 => &[Field("address", Kind::Groups { count: 8, octets: 1, separator: '-' })],
        256 => &[Field("priority", Kind::U16(&[])), Field("weight", Kind::U16(&[])), Field("target", Kind::Text)],
        257 => &[Field("flags", Kind::U8(&[])), Field("tag", Kind::Tag), Field("value", Kind::Text)],
        // DOA (draft-durand-doa-over-dns).
        259 => &[
            Field("enterprise", Kind::U32),
            Field("type", Kind::U32),
            Field("location", Kind::U8(&[])),
            Field("media type", Kind::String),
            Field("data", Kind::DashedBase64),
        ],
        260 => &[Field("precedence", Kind::U8(&[])), Field("relay", Kind::Relay)],
        _ => return None,
    };
    Some(fields)
}
