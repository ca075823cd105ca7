use super::super::{Algorithm, Policy, Rules, key_file};
use super::*;
use crate::name::Name;
use crate::wire::Query;

/// A query for `www.example.`, whose name is at offset 12.
const QUERY: &[u8] = b"\0\x07\0\0\0\x01\0\0\0\0\0\0\x03www\x07example\0\0\x01\0\x01";

const NOW: u64 = 1_800_000_000;

fn keys(algorithm: Algorithm) -> ZoneKeys {
    let zone = Name::parse("Example.", &Name::root()).unwrap();
    let files = key_file::NewKey::first(algorithm, 3600, 0).create(&zone).unwrap();
    let key = key_file::read(&zone, &files.public, &files.private).unwrap();
    ZoneKeys::try_new(&zone, vec![key], Rules::default(), NOW).unwrap()
}

fn signer() -> Signer {
    Signer::new(Arc::default())
}

/// Writes these addresses and signs them. Returns the RDATA of the RRSIG record.
fn sign(
    signer: &mut Signer,
    keys: &ZoneKeys,
    limits: Limits,
    addresses: &[[u8; 4]],
    (origin, now): (Origin, u64),
) -> Result<Vec<u8>, Unsigned> {
    let query = Query::parse(QUERY).unwrap();
    let mut buffer = vec![0; 1232];
    let mut message = Message::begin(&mut buffer, 1232, &query, None);
    let start = message.len();
    let of = (NameOffset::QUESTION, Rtype::A, 30);
    message.push_rrset(Section::Answer, |rrset| rrset.addresses(of, addresses.iter())).unwrap();
    let end = message.len();
    let covered = Covered { section: Section::Answer, start, origin, original_ttl: None };
    signer.sign(keys, limits, &mut message, covered, now)?;
    // Owner, type, class, TTL and length come before.
    Ok(message.as_octets()[end + 12..].to_vec())
}

const ADDRESSES: [[u8; 4]; 3] = [[192, 0, 2, 3], [192, 0, 2, 1], [192, 0, 2, 2]];

#[test]
fn a_signature_covers_the_canonical_records() {
    use ring::signature::{ECDSA_P256_SHA256_FIXED, ED25519, UnparsedPublicKey};
    for algorithm in Algorithm::ALL {
        let keys = keys(algorithm);
        let rdata = sign(&mut signer(), &keys, Limits::default(), &ADDRESSES, (Origin::Known, NOW)).unwrap();
        let (fields, signature) = rdata.split_at(rdata.len() - SIGNATURE);
        let public = keys.parts().next().unwrap().0.public();
        let [high, low] = public.tag().to_be_bytes();
        assert_eq!(fields[..8], [0, 1, algorithm.number(), 2, 0, 0, 0, 30]);
        assert_eq!(fields[16..], [&[high, low][..], b"\x07example\0"].concat());
        let time = |at: usize| u64::from(u32::from_be_bytes(fields[at..at + 4].try_into().unwrap()));
        assert!(time(12) <= NOW - 3600 && time(8) >= NOW + Policy::default().refresh());
        // RFC 4034, section 3.1.8.1: signature = sign(RRSIG_RDATA | RR(1) | RR(2)... )
        let record = |last: u8| [&b"\x03www\x07example\0\0\x01\0\x01\0\0\0\x1e\0\x04\xc0\0\x02"[..], &[last]].concat();
        let signed = [fields, &record(1), &record(2), &record(3)].concat();
        let valid = match algorithm {
            Algorithm::EcdsaP256Sha256 => {
                let point = [&[4], public.octets()].concat();
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(&signed, signature)
            }
            Algorithm::Ed25519 => UnparsedPublicKey::new(&ED25519, public.octets()).verify(&signed, signature),
        };
        assert!(valid.is_ok(), "{algorithm}");
    }
}

#[test]
fn the_same_records_keep_their_signature_in_any_order() {
    let (keys, mut signer, limits) = (keys(Algorithm::EcdsaP256Sha256), signer(), Limits::default());
    let mut sign =
        |addresses: &[[u8; 4]], now| sign(&mut signer, &keys, limits, addresses, (Origin::Known, now)).unwrap();
    let first = sign(&ADDRESSES, NOW);
    let mut turned = ADDRESSES;
    turned.rotate_left(1);
    assert_eq!(sign(&turned, NOW), first);
    assert_ne!(sign(&ADDRESSES[..2], NOW), first);
    // A week later every window has ended.
    assert_ne!(sign(&ADDRESSES, NOW + 7 * 86_400), first);
    assert_eq!(signer.take_counts(), Counts { kept: 1, foreseen: 0, fresh: 3, refused: 0 });
    assert_eq!(signer.take_counts(), Counts::default());
}

#[test]
fn other_workers_use_what_one_has_signed() {
    let (keys, shared) = (keys(Algorithm::Ed25519), Arc::<Signatures>::default());
    let [mut first, mut second] = [(); 2].map(|()| Signer::new(shared.clone()));
    for signer in [&mut first, &mut second] {
        sign(signer, &keys, Limits::default(), &ADDRESSES, (Origin::Known, NOW)).unwrap();
    }
    assert_eq!([first.take_counts().fresh, second.take_counts().kept], [1, 1]);
}

#[test]
fn what_is_signed_ahead_is_there_when_it_is_asked_for() {
    let (keys, shared, limits) = (keys(Algorithm::EcdsaP256Sha256), Arc::<Signatures>::default(), Limits::default());
    let mut looking = Signer::looking(shared.clone());
    let sign = |signer: &mut Signer, now| sign(signer, &keys, limits, &ADDRESSES, (Origin::Known, now)).unwrap();
    sign(&mut looking, NOW);
    assert!(shared.tables.get().is_none(), "a look takes no memory");
    let mut ahead = Signer::ahead(shared.clone());
    let made = sign(&mut ahead, NOW);
    assert_eq!(sign(&mut ahead, NOW), made);
    assert_eq!(ahead.take_counts(), Counts { kept: 1, foreseen: 0, fresh: 1, refused: 0 });
    assert_eq!(sign(&mut looking, NOW), made);
    assert_eq!(looking.take_sources(), [false, true]);
    let mut worker = Signer::new(shared);
    let given = [(); 2].map(|()| sign(&mut worker, NOW));
    assert_eq!(given, [made.clone(), made.clone()]);
    assert_eq!(worker.take_counts(), Counts { kept: 2, foreseen: 1, fresh: 0, refused: 0 });
    // The next window is signed before it begins.
    let expiration = u32::from_be_bytes(made[8..12].try_into().unwrap());
    let end = u64::from(expiration) - Policy::default().refresh();
    sign(&mut ahead, end - LEAD);
    assert_eq!(ahead.take_counts().fresh, 1);
    sign(&mut worker, end);
    assert_eq!(worker.take_counts(), Counts { kept: 1, foreseen: 1, fresh: 0, refused: 0 });
}

#[test]
fn made_up_names_get_half_of_the_budget_and_the_next_second_a_new_one() {
    let (keys, mut signer) = (keys(Algorithm::Ed25519), signer());
    let limits = Limits { signatures_per_second: NonZeroU32::new(4).unwrap(), kept: 1024 };
    let mut number = 0;
    let mut fresh = |origin, now| {
        number += 1;
        sign(&mut signer, &keys, limits, &[[10, 0, 0, number]], (origin, now)).map(|_| ())
    };
    let over = Err(Unsigned::OverBudget);
    let made_up = [(); 3].map(|()| fresh(Origin::MadeUp, NOW));
    assert_eq!(made_up, [Ok(()), Ok(()), over]);
    let known = [(); 3].map(|()| fresh(Origin::Known, NOW));
    assert_eq!(known, [Ok(()), Ok(()), over]);
    assert_eq!(fresh(Origin::MadeUp, NOW + 1), Ok(()));
    assert_eq!(signer.take_counts(), Counts { kept: 0, foreseen: 0, fresh: 5, refused: 2 });
}
