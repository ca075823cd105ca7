//! The search tree of a database: one level for each bit of an address, the most significant one first.
//!
//! The format is that of [MaxMind DB 2.0](https://maxmind.github.io/MaxMind-DB/): a node is two children of 24, 28 or 32
//! bits each, for a 0 and a 1. A child below the number of nodes is a node, that number itself says that nothing is
//! known, and a higher one points to a record.
//!
//! A walk reads each node once and gives only leaves. Decoding of records is left to the reader of the file.

use crate::geo::Bits;

/// The nodes of a file.
#[derive(Clone, Copy)]
pub(super) struct Tree<'f> {
    octets: &'f [u8],
    count: u32,
    width: Width,
}

/// The size of a child.
#[derive(Clone, Copy)]
enum Width {
    /// 24 bits.
    Three,
    /// 28 bits; the high four bits of both children share an octet between them.
    ThreeAndAHalf,
    /// 32 bits.
    Four,
}

/// A place in a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Child(u32);

/// The end of a way through a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaf {
    /// Nothing is known of these addresses.
    Empty,
    /// The pointer to their record, as it is in the tree.
    Record(u32),
}

/// The walk cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tangled {
    /// The tree has more levels than addresses have bits.
    TooDeep,
    /// The tree has more leaves than allowed.
    TooManyLeaves,
}

impl<'f> Tree<'f> {
    /// The tree at the beginning of a file, with this number of nodes and of bits for a child. `None` if the file is too
    /// short for it, or the number of bits is not known.
    pub(super) fn new(file: &'f [u8], count: u32, child_bits: u16) -> Option<Self> {
        let (width, node_octets) = match child_bits {
            24 => (Width::Three, 6),
            28 => (Width::ThreeAndAHalf, 7),
            32 => (Width::Four, 8),
            _ => return None,
        };
        let octets = file.get(..(count as usize).checked_mul(node_octets)?)?;
        Some(Self { octets, count, width })
    }

    /// The node of the first bit.
    pub(super) fn root() -> Child {
        Child(0)
    }

    /// The children of a node for a 0 and a 1; the leaf if it is none.
    #[inline]
    pub(super) fn children(&self, Child(child): Child) -> Result<[Child; 2], Leaf> {
        if child >= self.count {
            return Err(if child == self.count { Leaf::Empty } else { Leaf::Record(child) });
        }
        let number = child as usize;
        Ok(match self.width {
            Width::Three => {
                let node = &self.octets[number * 6..][..6];
                [join(0, &node[..3]), join(0, &node[3..])]
            }
            Width::ThreeAndAHalf => {
                let node = &self.octets[number * 7..][..7];
                [join(node[3] >> 4, &node[..3]), join(node[3] & 0xf, &node[4..])]
            }
            Width::Four => {
                let node = &self.octets[number * 8..][..8];
                [join(node[0], &node[1..4]), join(node[4], &node[5..])]
            }
        })
    }

    /// Gives each leaf below `top` with its lowest address, in ascending order. `top` is at the prefix
    /// `first`/`length`. Takes one from `leaves_left` for each leaf.
    pub(super) fn walk<B: Bits, E: From<Tangled>>(
        &self,
        (top, first, length): (Child, B, u8),
        leaves_left: &mut usize,
        mut leaf: impl FnMut(B, Leaf) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut stack = Vec::with_capacity(usize::from(B::WIDTH));
        stack.push((top, first, length));
        while let Some((child, first, length)) = stack.pop() {
            let mut here = (child, length);
            let end = loop {
                let (child, length) = here;
                match self.children(child) {
                    Err(end) => break end,
                    Ok(_) if length == B::WIDTH => return Err(Tangled::TooDeep.into()),
                    Ok([zero, one]) => {
                        stack.push((one, first.with(B::bit(length)), length + 1));
                        here = (zero, length + 1);
                    }
                }
            };
            *leaves_left = leaves_left.checked_sub(1).ok_or(Tangled::TooManyLeaves)?;
            leaf(first, end)?;
        }
        Ok(())
    }
}

/// A child from its highest octet and the three below it.
#[inline]
fn join(high: u8, low: &[u8]) -> Child {
    let mut octets = [high, 0, 0, 0];
    octets[1..].copy_from_slice(low);
    Child(u32::from_be_bytes(octets))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nodes with these children, in each width.
    fn octets(nodes: &[[u32; 2]], bits: u16) -> Vec<u8> {
        let node = |&[zero, one]: &[u32; 2]| match bits {
            24 => [&zero.to_be_bytes()[1..], &one.to_be_bytes()[1..]].concat(),
            28 => {
                let high = (zero >> 24 << 4 | one >> 24) as u8;
                [&zero.to_be_bytes()[1..], &[high], &one.to_be_bytes()[1..]].concat()
            }
            _ => [zero.to_be_bytes(), one.to_be_bytes()].concat(),
        };
        nodes.iter().flat_map(node).collect()
    }

    /// Children with their highest bits set, as far as the width has them.
    #[test]
    fn children_of_every_width_are_read() {
        for (bits, high) in [(24, 0x00fe_dcba), (28, 0x0fed_cba9), (32, 0xfedc_ba98)] {
            let octets = octets(&[[1, high], [high - 1, 2]], bits);
            let tree = Tree::new(&octets, 2, bits).unwrap();
            let [zero, one] = tree.children(Tree::root()).unwrap();
            assert_eq!(tree.children(one), Err(Leaf::Record(high)));
            let [zero, one] = tree.children(zero).unwrap();
            assert_eq!((tree.children(zero), tree.children(one)), (Err(Leaf::Record(high - 1)), Err(Leaf::Empty)));
        }
    }

    #[test]
    fn a_file_that_is_too_short_has_no_tree() {
        assert!(Tree::new(&[0; 13], 2, 28).is_none());
        assert!(Tree::new(&[0; 14], 2, 28).is_some());
        assert!(Tree::new(&[0; 100], 2, 16).is_none());
    }

    #[test]
    fn leaves_come_in_the_order_of_their_addresses() {
        // 0/1 is empty, 10/2 and 11/2 have records.
        let octets = octets(&[[2, 1], [20, 21]], 24);
        let tree = Tree::new(&octets, 2, 24).unwrap();
        let mut found = Vec::new();
        let walked = tree.walk::<u32, Tangled>((Tree::root(), 0, 0), &mut 3, |first, leaf| {
            found.push((first, leaf));
            Ok(())
        });
        assert_eq!(walked, Ok(()));
        assert_eq!(found, [(0, Leaf::Empty), (1 << 31, Leaf::Record(20)), (3 << 30, Leaf::Record(21))]);
        let walked = tree.walk::<u32, Tangled>((Tree::root(), 0, 0), &mut 2, |_, _| Ok(()));
        assert_eq!(walked, Err(Tangled::TooManyLeaves));
    }

    #[test]
    fn a_node_below_the_last_bit_is_refused() {
        let octets = octets(&[[0, 1]], 32);
        let tree = Tree::new(&octets, 1, 32).unwrap();
        let mut leaves_left = usize::MAX;
        let walked = tree.walk::<u32, Tangled>((Tree::root(), 0, 0), &mut leaves_left, |_, _| Ok(()));
        assert_eq!(walked, Err(Tangled::TooDeep));
    }
}
