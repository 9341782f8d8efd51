//! Commands of HJ 212-2025 by the list of second-hand sources.

use plume_schemas::codes::{Codes, Direction};
use plume_schemas::report::Dialect;

/// Whether 3014 to 3017 are still commands of 2025 is not settled; they keep their names of 2017.
#[test]
fn every_command_of_2025_has_a_name_in_its_direction() {
    let codes = Codes::embedded().unwrap();
    let up = [
        1001, 1011, 1013, 1014, 1061, 1063, 2011, 2013, 2021, 2031, 2041, 2051, 2052, 2061, 2062, 2081, 2111, 3018,
        3019, 3020, 9011, 9012, 9015,
    ];
    let down = [
        1000, 1002, 1011, 1012, 1014, 1061, 1062, 1063, 1064, 1072, 2011, 2012, 2013, 2021, 2022, 2031, 2041, 2051,
        2052, 2061, 2062, 3011, 3012, 3013, 3018, 3019, 3020, 3021, 3022, 3024,
    ];
    let either = [9013, 9014];
    let both_ways = either
        .into_iter()
        .flat_map(|cn| [(cn, Direction::Up), (cn, Direction::Down)]);
    let up = up.into_iter().map(|cn| (cn, Direction::Up));
    let down = down.into_iter().map(|cn| (cn, Direction::Down));
    for (cn, direction) in up.chain(down).chain(both_ways) {
        let command = codes.command(cn, Dialect::Hj2025, direction).unwrap();
        assert!(command.dialects.contains(&Dialect::Hj2025), "{cn} {direction}");
        assert!(
            command.direction == direction || command.direction == Direction::Both,
            "{cn} {direction}"
        );
    }
    for cn in 3014..=3017 {
        assert!(codes.command(cn, Dialect::Hj2025, Direction::Down).is_some(), "{cn}");
    }
}
