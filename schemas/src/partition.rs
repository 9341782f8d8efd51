//! Which partition a key belongs to (D7): one function for every bus, equal to Apache Kafka's default partitioner, so
//! that a log moved to Kafka keeps its keys where they are and any Kafka client finds them there.

use crate::ids::OutletId;

/// Kafka's seed for murmur2 (`org.apache.kafka.common.utils.Utils.murmur2`).
const SEED: u32 = 0x9747_b28c;
/// Mixing constant of murmur2.
const MIX: u32 = 0x5bd1_e995;

/// The partition of an outlet's records, 0 to `partitions - 1`; 0 where `partitions` is 0.
pub fn partition_of(outlet: OutletId, partitions: u32) -> u32 {
    partition_of_key(outlet.as_str().as_bytes(), partitions)
}

/// The partition of any key: `(murmur2(key) & 0x7fffffff) mod partitions`, as Kafka's default partitioner has it for
/// keyed records.
pub fn partition_of_key(key: &[u8], partitions: u32) -> u32 {
    (murmur2(key) & 0x7fff_ffff).checked_rem(partitions).unwrap_or(0)
}

/// MurmurHash2 (A. Appleby), 32 bits, little-endian words, with Kafka's seed.
pub fn murmur2(data: &[u8]) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "murmur2 takes the length modulo 2^32; keys are far shorter"
    )]
    let mut hash = SEED ^ data.len() as u32;
    let (words, rest) = data.as_chunks::<4>();
    for &word in words {
        let mut k = u32::from_le_bytes(word).wrapping_mul(MIX);
        k ^= k >> 24;
        hash = hash.wrapping_mul(MIX) ^ k.wrapping_mul(MIX);
    }
    if !rest.is_empty() {
        for (place, &byte) in rest.iter().enumerate() {
            hash ^= u32::from(byte) << (8 * place);
        }
        hash = hash.wrapping_mul(MIX);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(MIX);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors of Kafka's own `UtilsTest.testMurmur2`.
    #[test]
    fn hashes_as_kafka_does() {
        for (key, expected) in [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(key.as_bytes()).cast_signed(), expected, "{key}");
        }
    }

    #[test]
    fn partitions_as_kafka_does() {
        // The sign bit is masked off, not negated: `toPositive(-973932308) = 1173551340`.
        assert_eq!(partition_of_key(b"21", 1000), 340);
        assert_eq!(partition_of_key(b"foobar", 1000), 166);
        assert_eq!(partition_of_key(b"abc", 1000), 107);
        assert_eq!(partition_of_key(b"abc", 1), 0);
        assert_eq!(partition_of_key(b"abc", 0), 0);
    }

    #[test]
    fn outlets_spread() {
        let mut counts = [0_u32; 12];
        for n in 0..1200 {
            let outlet = OutletId::new(&format!("91330100MA27X{n:05}:DA001")).unwrap();
            counts[usize::try_from(partition_of(outlet, 12)).unwrap()] += 1;
        }
        assert!(counts.iter().all(|&count| (60..140).contains(&count)), "{counts:?}");
    }
}
