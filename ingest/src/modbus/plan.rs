//! From registers to the fewest requests.

use super::read::{Read, Table};

/// What a device takes in one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Words of one request, 1 to 125.
    pub max_registers: u16,
    /// Bits of one request, 1 to 2000.
    pub max_bits: u16,
    /// Addresses between two registers that are read along rather than asked for apart. 0: none, since a device may
    /// refuse a request that touches an address it does not have.
    pub max_gap: u16,
}

impl Limits {
    /// What the protocol allows, and no gaps.
    pub const PROTOCOL: Self = Self {
        max_registers: super::read::MAX_WORDS,
        max_bits: super::read::MAX_BITS,
        max_gap: 0,
    };

    fn most(self, table: Table) -> u32 {
        let own = if table.is_bits() {
            self.max_bits
        } else {
            self.max_registers
        };
        own.min(table.most()).max(1).into()
    }
}

/// Requests that together hold every register whole, in the order of tables and addresses.
///
/// Taking registers by address and each as long as it fits is the least number of requests: the first register must be
/// in some request, and none that holds it reaches further than this one. A register longer than a request (which a map
/// cannot have) gets a request of its own length.
pub fn plan(registers: &[Read], limits: Limits) -> Vec<Read> {
    let mut sorted: Vec<Read> = registers.to_vec();
    sorted.sort_unstable();
    let mut reads: Vec<Read> = Vec::new();
    for register in sorted {
        match reads.last_mut().filter(|last| joins(**last, register, limits)) {
            Some(last) => {
                let end = last.end().max(register.end());
                last.count = u16::try_from(end - u32::from(last.address)).unwrap_or(u16::MAX);
            }
            None => reads.push(register),
        }
    }
    reads
}

fn joins(last: Read, register: Read, limits: Limits) -> bool {
    let end = last.end().max(register.end());
    last.table == register.table
        && u32::from(register.address) <= last.end() + u32::from(limits.max_gap)
        && end - u32::from(last.address) <= limits.most(last.table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn holding(address: u16, count: u16) -> Read {
        Read {
            table: Table::Holding,
            address,
            count,
        }
    }

    #[test]
    fn neighbours_share_a_request_up_to_the_limit() {
        let pairs: Vec<Read> = (0..100).map(|i| holding(i * 2, 2)).collect();
        let reads = plan(&pairs, Limits::PROTOCOL);
        assert_eq!(reads, [holding(0, 124), holding(124, 76)]);
        let few = Limits {
            max_registers: 10,
            ..Limits::PROTOCOL
        };
        assert_eq!(plan(&pairs, few).len(), 20);
    }

    #[test]
    fn gaps_are_read_along_only_where_allowed() {
        let registers = [holding(0, 2), holding(6, 1)];
        assert_eq!(plan(&registers, Limits::PROTOCOL).len(), 2);
        let gaps = Limits {
            max_gap: 4,
            ..Limits::PROTOCOL
        };
        assert_eq!(plan(&registers, gaps), [holding(0, 7)]);
    }

    #[test]
    fn the_last_address_is_reached() {
        assert_eq!(plan(&[holding(65_535, 1)], Limits::PROTOCOL), [holding(65_535, 1)]);
    }

    /// The least number of requests, by trying every way to cut the sorted registers into runs.
    fn least(sorted: &[Read], limits: Limits) -> usize {
        let mut best = vec![usize::MAX; sorted.len() + 1];
        best[0] = 0;
        for end in 1..=sorted.len() {
            for start in 0..end {
                let run = &sorted[start..end];
                let mut whole = run[0];
                let fits = run[1..].iter().all(|&next| {
                    let joins = joins(whole, next, limits);
                    whole.count = u16::try_from(whole.end().max(next.end()) - u32::from(whole.address)).unwrap();
                    joins
                });
                if fits && best[start] != usize::MAX {
                    best[end] = best[end].min(best[start] + 1);
                }
            }
        }
        best[sorted.len()]
    }

    proptest! {
        #[test]
        fn every_register_once_within_limits_and_no_request_too_many(
            picks in prop::collection::vec((0_usize..4, 0_u16..400, 1_u16..5), 1..40),
            max_registers in 4_u16..125, max_bits in 4_u16..200, max_gap in 0_u16..20,
        ) {
            let limits = Limits { max_registers, max_bits, max_gap };
            let registers: Vec<Read> = picks.iter()
                .map(|&(table, address, count)| Read { table: Table::ALL[table], address, count })
                .collect();
            let reads = plan(&registers, limits);
            for &read in &reads {
                prop_assert!(u32::from(read.count) <= limits.most(read.table));
                prop_assert!(registers.iter().any(|register| read.covers(*register)), "{read} asks for nothing");
            }
            for &register in &registers {
                prop_assert!(reads.iter().any(|read| read.covers(register)), "{register} is not read");
            }
            let mut sorted = registers.clone();
            sorted.sort_unstable();
            prop_assert_eq!(reads.len(), least(&sorted, limits));
        }
    }
}
