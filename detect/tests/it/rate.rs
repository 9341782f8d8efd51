//! The effective transmission rate and the substitution of amounts, by cases that can be counted by hand.

use plume_detect::rate::{
    Came, Counts, InTime, Over, Policy, Rates, Step, Substitute, count, fill, forecast, substitute,
};
use plume_schemas::time::{DAY_MS, HOUR_MS, MINUTE_MS, Span};
use proptest::prelude::*;

use crate::script::time;

const IN_TIME: InTime = InTime {
    hour_ms: HOUR_MS,
    day_ms: 12 * HOUR_MS,
};

/// An hour value of 21 November, received two minutes after its end.
fn hour(number: i64) -> Came {
    let start = time("00:00").plus(number * HOUR_MS);
    Came {
        start,
        received_at: start.plus(HOUR_MS + 2 * MINUTE_MS),
        backfill: false,
        valid: true,
        stopped: false,
    }
}

fn day_of_hours(stops: &[Span], came: &[Came]) -> Rates {
    let span = Span {
        start: time("00:00"),
        end: time("00:00").plus(DAY_MS),
    };
    let over = Over {
        span,
        now: span.end.plus(DAY_MS),
        stops,
        in_time: IN_TIME,
    };
    count(Step::Hour, &over, came)
}

fn percent(counts: Counts) -> String {
    format!("{:.2}", counts.effective(Policy::Received).unwrap() * 100.0)
}

#[test]
fn one_hour_lost_of_a_day_is_95_83_percent() {
    let came: Vec<Came> = (0..24).filter(|&number| number != 7).map(hour).collect();
    let rates = day_of_hours(&[], &came);
    assert_eq!(
        (rates.completed.due, rates.completed.received, rates.completed.valid),
        (24, 23, 23)
    );
    assert_eq!(percent(rates.completed), "95.83");
    assert_eq!(percent(rates.immediate), "95.83");
    // The policy that counts a loss twice: 23/24 × 23/24.
    let twice = rates.completed.effective(Policy::Due).unwrap();
    assert!((twice - 0.918_402_8).abs() < 1e-6, "{twice}");
}

#[test]
fn what_is_invalid_was_received_all_the_same() {
    let mut came: Vec<Came> = (0..24).map(hour).collect();
    came[3].valid = false;
    let counts = day_of_hours(&[], &came).completed;
    assert_eq!(
        (counts.transmission(), counts.validity(Policy::Received)),
        (Some(1.0), Some(23.0 / 24.0))
    );
    assert_eq!(percent(counts), "95.83");
}

#[test]
fn a_stopped_outlet_leaves_both_denominators() {
    let stop = Span {
        start: time("10:00"),
        end: time("14:00"),
    };
    let mut came: Vec<Came> = (0..24).filter(|number| !(10..14).contains(number)).map(hour).collect();
    let filed = day_of_hours(&[stop], &came);
    assert_eq!(
        (filed.stopped, filed.completed.due, percent(filed.completed).as_str()),
        (4, 20, "100.00")
    );
    // Flagged F instead of filed: the same.
    came.extend((10..14).map(|number| Came {
        valid: false,
        stopped: true,
        ..hour(number)
    }));
    assert_eq!(day_of_hours(&[], &came), filed);
    // A stop of half an hour takes no hour out.
    let short = Span {
        start: time("10:00"),
        end: time("10:30"),
    };
    assert_eq!(day_of_hours(&[short], &came[..20]).completed.due, 24);
    assert_eq!(
        day_of_hours(
            &[Span {
                start: time("00:00"),
                end: time("00:00").plus(DAY_MS)
            }],
            &[]
        )
        .completed
        .effective(Policy::Received),
        None,
        "nothing was due"
    );
}

#[test]
fn backfill_moves_completed_only() {
    let mut came: Vec<Came> = (0..24).filter(|&number| number != 7).map(hour).collect();
    let late = Came {
        received_at: time("20:00"),
        ..hour(7)
    };
    came.push(late);
    let rates = day_of_hours(&[], &came);
    assert_eq!(
        (percent(rates.immediate).as_str(), percent(rates.completed).as_str()),
        ("95.83", "100.00")
    );
    // What says of itself that it is sent again is no immediate value, however soon it comes.
    *came.last_mut().unwrap() = Came {
        backfill: true,
        ..hour(7)
    };
    let rates = day_of_hours(&[], &came);
    assert_eq!(
        (percent(rates.immediate).as_str(), percent(rates.completed).as_str()),
        ("95.83", "100.00")
    );
    // A correction makes the completed value valid, not the immediate one.
    came[0].valid = false;
    came.push(Came {
        received_at: time("21:00"),
        ..hour(0)
    });
    let rates = day_of_hours(&[], &came);
    assert_eq!((rates.immediate.valid, rates.completed.valid), (22, 24));
}

#[test]
fn what_has_not_ended_is_not_due_and_days_are_beijing_days() {
    let span = Span {
        start: time("20T00:00"),
        end: time("24T00:00"),
    };
    let over = Over {
        span,
        now: time("22T12:00"),
        stops: &[],
        in_time: IN_TIME,
    };
    let day = Came {
        start: time("20T00:00"),
        received_at: time("21T00:10"),
        ..hour(0)
    };
    let days = count(Step::Day, &over, &[day]);
    assert_eq!((days.completed.due, days.completed.received), (2, 1));
    assert_eq!(count(Step::Hour, &over, &[]).completed.due, 60);
}

#[test]
fn the_forecast_says_what_may_still_be_lost() {
    let so_far = Counts {
        due: 1_000,
        received: 950,
        valid: 940,
    };
    let (rate, spare) = forecast(so_far, 1_184, Policy::Received, 0.75).unwrap();
    assert!((rate - 0.94).abs() < 1e-9);
    // (940 + 1184 − n) / 2184 ≥ 0.75  ⇔  n ≤ 486.
    assert_eq!(spare, 486);
    assert_eq!(forecast(Counts::default(), 10, Policy::Received, 0.75), None);
}

#[test]
fn amounts_are_filled_by_the_table() {
    assert_eq!(substitute(0.90, 24), Substitute::LargestOf(180));
    assert_eq!(substitute(0.95, 25), Substitute::LargestOf(720));
    assert_eq!(substitute(0.89, 1), Substitute::LargestOf(2_160));
    assert_eq!(substitute(0.75, 500), Substitute::LargestOf(2_160));
    assert_eq!(substitute(0.749, 1), Substitute::ByHand);
    // 9 is the largest, but 181 valid hours back.
    let mut amounts = vec![Some(9.0)];
    amounts.extend((0..180).map(|n| Some(if n == 90 { 5.0 } else { 2.0 })));
    amounts.extend([None, None, Some(1.0)]);
    let filled = fill(&amounts, 0.95);
    assert_eq!(
        filled[181..],
        [(Some(5.0), true), (Some(5.0), true), (Some(1.0), false)]
    );
    assert_eq!(fill(&amounts, 0.80)[181], (Some(9.0), true));
    assert_eq!(fill(&amounts, 0.70)[181], (None, false));
    let long: Vec<Option<f64>> = amounts.iter().copied().take(181).chain(vec![None; 25]).collect();
    assert_eq!(
        fill(&long, 0.95)[205],
        (Some(9.0), true),
        "a gap of 25 hours looks back 720"
    );
    assert_eq!(fill(&[None], 1.0), [(None, false)], "nothing stands before it");
}

proptest! {
    /// Whatever comes in whatever order: shares are shares, and what came in time is part of what came.
    #[test]
    fn immediate_is_never_more_than_completed(
        came in prop::collection::vec((0_i64..24, 0_i64..40, any::<bool>(), any::<bool>()), 0..60),
        shift in 0_usize..60,
    ) {
        let mut came: Vec<Came> = came
            .into_iter()
            .map(|(number, after, backfill, valid)| Came {
                received_at: hour(number).start.plus(HOUR_MS + after * 10 * MINUTE_MS),
                backfill,
                valid,
                ..hour(number)
            })
            .collect();
        // Two of one period received at one moment have no order.
        came.sort_by_key(|one| (one.start, one.received_at));
        came.dedup_by_key(|one| (one.start, one.received_at));
        let rates = day_of_hours(&[], &came);
        prop_assert!(rates.immediate.received <= rates.completed.received);
        prop_assert!(rates.completed.valid <= rates.completed.received && rates.completed.received <= 24);
        let n = came.len().max(1);
        came.rotate_left(shift % n);
        prop_assert_eq!(day_of_hours(&[], &came), rates);
    }
}
