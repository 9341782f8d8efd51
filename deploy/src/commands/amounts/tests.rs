use plume_schemas::time::{HOUR_MS, Time};

use super::{Gap, Hour, settle};

const BEGIN: Time = Time(1_772_380_800_000);

fn hours(parts: &[(Hour, usize)]) -> Vec<Hour> {
    parts
        .iter()
        .flat_map(|&(hour, count)| std::iter::repeat_n(hour, count))
        .collect()
}

#[test]
fn a_short_gap_takes_the_largest_of_the_last_180_valid_hours() {
    let parts = [
        (Hour::Valid(9.0), 1),
        (Hour::Valid(2.0), 179),
        (Hour::Valid(3.0), 1),
        (Hour::Missing, 4),
        (Hour::Valid(1.0), 100),
    ];
    let quarter = settle(BEGIN, &hours(&parts), BEGIN);
    // The hour of 9 kg is the 181st before the gap.
    let gap = Gap {
        from: BEGIN.plus(181 * HOUR_MS),
        hours: 4,
        largest_of_hours: Some(180),
        kg_an_hour: Some(3.0),
    };
    assert_eq!(quarter.gaps, [gap]);
    assert_eq!((quarter.due_h, quarter.valid_h, quarter.filled_h), (285, 281, 4));
    assert!(
        (quarter.total_kg - (9.0 + 358.0 + 3.0 + 100.0 + 12.0)).abs() < 1e-9,
        "{quarter:?}"
    );
}

#[test]
fn hours_before_the_quarter_are_looked_back_at_and_not_counted() {
    let parts = [(Hour::Valid(7.0), 10), (Hour::Missing, 2), (Hour::Valid(1.0), 90)];
    let begin = BEGIN.plus(11 * HOUR_MS);
    let quarter = settle(BEGIN, &hours(&parts), begin);
    assert_eq!((quarter.due_h, quarter.valid_h, quarter.filled_h), (91, 90, 1));
    assert!((quarter.total_kg - 97.0).abs() < 1e-9, "{quarter:?}");
    assert_eq!(quarter.gaps[0].from, begin);
}

#[test]
fn stopped_hours_are_in_neither_count_and_have_no_amount() {
    let parts = [
        (Hour::Valid(2.0), 30),
        (Hour::Stopped, 50),
        (Hour::Missing, 1),
        (Hour::Valid(2.0), 9),
    ];
    let quarter = settle(BEGIN, &hours(&parts), BEGIN);
    assert_eq!((quarter.due_h, quarter.stopped_h, quarter.filled_h), (40, 50, 1));
    assert_eq!(quarter.capture, Some(39.0 / 40.0));
    assert!((quarter.total_kg - 80.0).abs() < 1e-9);
}

#[test]
fn below_three_quarters_a_person_decides_and_before_any_valid_hour_too() {
    let quarter = settle(BEGIN, &hours(&[(Hour::Valid(2.0), 70), (Hour::Missing, 30)]), BEGIN);
    assert_eq!((quarter.filled_h, quarter.by_hand_h), (0, 30));
    assert_eq!(quarter.gaps[0].largest_of_hours, None);
    let quarter = settle(BEGIN, &hours(&[(Hour::Missing, 2), (Hour::Valid(2.0), 98)]), BEGIN);
    assert_eq!((quarter.filled_h, quarter.by_hand_h), (0, 2));
    assert_eq!(quarter.gaps[0].kg_an_hour, None);
    // A day and an hour missing in a row look further back; from 75 % on, furthest.
    let long = settle(BEGIN, &hours(&[(Hour::Valid(2.0), 400), (Hour::Missing, 25)]), BEGIN);
    assert_eq!(long.gaps[0].largest_of_hours, Some(720));
    let worse = settle(BEGIN, &hours(&[(Hour::Valid(2.0), 80), (Hour::Missing, 20)]), BEGIN);
    assert_eq!(worse.gaps[0].largest_of_hours, Some(2_160));
}
