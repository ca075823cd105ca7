//! Files that no database writer produces.

use truenorth::geoip::GeoipFault;

use super::{expect, file, load};

const EMPTY_MAP: &[u8] = &[0xe0];
const POINTER_TO_ITSELF: &[u8] = &[0x20, 0x00];

/// Octets of a database whose search tree has these nodes, and one record. The tree refers to the record by the
/// number of nodes plus 16.
fn database(nodes: &[[u32; 2]], record: &[u8]) -> Vec<u8> {
    let mut octets: Vec<u8> = nodes.iter().flatten().flat_map(|child| child.to_be_bytes()).collect();
    octets.extend([0; 16]);
    octets.extend(record);
    octets.extend(b"\xab\xcd\xefMaxMind.com\xe9");
    let text = |text: &str| [&[0x40 | text.len() as u8], text.as_bytes()].concat();
    for (name, value) in [
        ("binary_format_major_version", vec![0xa1, 2]),
        ("binary_format_minor_version", vec![0xa0]),
        ("build_epoch", vec![0x00, 0x02]),
        ("database_type", text("Test")),
        ("description", vec![0xe0]),
        ("ip_version", vec![0xa1, 6]),
        ("languages", vec![0x00, 0x04]),
        ("node_count", [&[0xc4], &(nodes.len() as u32).to_be_bytes()[..]].concat()),
        ("record_size", vec![0xa1, 32]),
    ] {
        octets.extend(text(name));
        octets.extend(value);
    }
    octets
}

/// 128 nodes in a row, the last one's children being `leaf`. A node whose two children are the same doubles the
/// networks below it, so these make 2^128 of them.
fn ladder(leaf: u32) -> Vec<[u32; 2]> {
    (1..128).map(|next| [next, next]).chain([[leaf; 2]]).collect()
}

fn assert_corrupt(nodes: &[[u32; 2]]) {
    let faults = load(&[file(&database(nodes, EMPTY_MAP)).path()]).unwrap_err();
    assert!(matches!(faults[..], [GeoipFault::Corrupt { .. }]), "{faults:?}");
    assert!(faults[0].to_string().contains("more networks than its nodes allow"), "{faults:?}");
}

#[test]
fn tangled_nodes_are_corrupt_whatever_their_leaves_are() {
    assert_corrupt(&ladder(128)); // nothing
    assert_corrupt(&ladder(128 + 16)); // the record
}

#[test]
fn tangled_nodes_are_corrupt_even_if_all_ways_lead_to_ipv4() {
    let mut nodes = ladder(0);
    nodes.truncate(96);
    nodes.push([97, 97]); // node 96, where IPv4 begins; the tree ends here
    assert_corrupt(&nodes);
}

#[test]
fn a_straight_tree_of_this_making_is_sound() {
    let empty = 128;
    let nodes: Vec<_> = (1..=128).map(|next| [next, empty]).collect();
    expect(&load(&[file(&database(&nodes, EMPTY_MAP)).path()]).unwrap(), &[("10.0.0.1", "unknown")]);
}

#[test]
fn a_record_that_points_to_itself_is_corrupt() {
    let octets = database(&[[17, 17]], POINTER_TO_ITSELF);
    let faults = load(&[file(&octets).path()]).unwrap_err();
    assert!(matches!(faults[..], [GeoipFault::Corrupt { .. }]), "{faults:?}");
}
