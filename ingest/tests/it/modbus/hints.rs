//! What the probe finds odd.

use std::fmt::Write as _;

use plume_ingest::modbus::hints::{Found, Hint, look};
use plume_ingest::modbus::map::{Model, load_model};
use plume_ingest::modbus::read::Miss;
use plume_ingest::modbus::words::Order;

use crate::bench::catalogue;

/// Four floats in a row.
fn model() -> Model {
    let mut text = "model = \"four\"\n".to_owned();
    for (i, (factor, unit, state)) in [
        ("a21026", "mg/m3", "state = \"dry_standard\""),
        ("a19001", "%", "state = \"dry_standard\""),
        ("a01012", "degC", ""),
        ("a01014", "%", ""),
    ]
    .into_iter()
    .enumerate()
    {
        let address = 10 + 2 * i;
        writeln!(
            text,
            "[[register]]\nname = \"r{i}\"\ntable = \"input\"\naddress = {address}\ntype = \"float32\""
        )
        .unwrap();
        writeln!(text, "factor = \"{factor}\"\nunit = \"{unit}\"\n{state}").unwrap();
    }
    load_model("four", &text, &catalogue()).unwrap()
}

/// The device's words from address 8 on, seen through a map that is `shift` addresses away.
fn found(order: Order, shift: i32) -> Vec<Found> {
    let values = [21.5_f32, 6.25, 136.5, 11.3];
    let mut words = vec![0_u16, 0];
    for value in values {
        let bytes = value.to_be_bytes();
        let pair = [
            u16::from_be_bytes([bytes[0], bytes[1]]),
            u16::from_be_bytes([bytes[2], bytes[3]]),
        ];
        let laid = order.bytes(&pair);
        words.extend(laid.chunks(2).map(|two| u16::from_be_bytes([two[0], two[1]])));
    }
    words.extend([0, 0]);
    let at = |address: i32| {
        usize::try_from(address - 8 + shift)
            .ok()
            .and_then(|place| words.get(place).copied())
    };
    (0..4)
        .map(|i| {
            let first = 10 + 2 * i;
            let both = at(first).zip(at(first + 1));
            Found {
                words: both.map(|(a, b)| vec![a, b]).ok_or(Miss::Exception(2)),
                before: at(first - 1),
                after: at(first + 2),
            }
        })
        .collect()
}

#[test]
fn a_right_map_raises_nothing() {
    assert_eq!(look(&model(), &found(Order::Abcd, 0)), []);
}

#[test]
fn swapped_words_are_named_with_the_order_that_fits() {
    for order in [Order::Cdab, Order::Badc, Order::Dcba] {
        let hints = look(&model(), &found(order, 0));
        let Some(Hint::Order {
            order: named,
            registers,
        }) = hints.first()
        else {
            panic!("{order:?}: {hints:?}");
        };
        assert_eq!((*named, registers.len()), (order, 4), "{hints:?}");
    }
}

#[test]
fn addresses_that_are_one_off_are_named_with_their_direction() {
    for (shift, named) in [(1, -1), (-1, 1)] {
        let hints = look(&model(), &found(Order::Abcd, shift));
        let off = hints
            .iter()
            .find(|hint| matches!(hint, Hint::OffByOne { shift, .. } if *shift == named));
        let text = off.unwrap_or_else(|| panic!("{shift}: {hints:?}")).to_string();
        assert!(text.contains("address_base"), "{text}");
    }
}

#[test]
fn refusals_and_blanks_are_explained() {
    let all = |words: Result<Vec<u16>, Miss>| {
        vec![
            Found {
                words,
                before: None,
                after: None
            };
            4
        ]
    };
    let model = model();
    assert!(matches!(look(&model, &all(Err(Miss::Exception(1)))).as_slice(), [Hint::Table(names)] if names.len() == 4));
    assert!(matches!(
        look(&model, &all(Err(Miss::Exception(2)))).as_slice(),
        [Hint::Address(_)]
    ));
    assert_eq!(look(&model, &all(Ok(vec![0, 0]))), [Hint::Blank]);
}
