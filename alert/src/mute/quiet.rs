//! Quiet hours, by the Beijing day.

use plume_schemas::time::{DAY_MS, MINUTE_MS, Time};

/// When the quiet hours end that `now` lies in; `None` outside them. They may cross midnight; equal ends mean there
/// are none.
pub fn ends(now: Time, from_min: u16, to_min: u16) -> Option<Time> {
    let day = now.floor(DAY_MS);
    let minute = now.since(day) / MINUTE_MS;
    let (from, to) = (i64::from(from_min), i64::from(to_min));
    let quiet = if from <= to {
        (from..to).contains(&minute)
    } else {
        minute >= from || minute < to
    };
    quiet.then(|| {
        let end = day.plus(to * MINUTE_MS);
        if end <= now { end.plus(DAY_MS) } else { end }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_night_crosses_midnight() {
        let at = |stamp: &str| Time::parse_stamp(stamp.as_bytes()).unwrap();
        let ends = |stamp: &str| ends(at(stamp), 22 * 60, 7 * 60 + 30).map(Time::stamp14);
        assert_eq!(ends("20261121215959"), None);
        assert_eq!(ends("20261121220000").as_deref(), Some("20261122073000"));
        assert_eq!(ends("20261122072959").as_deref(), Some("20261122073000"));
        assert_eq!(ends("20261122073000"), None);
    }

    #[test]
    fn equal_ends_are_no_night() {
        for hour in 0..24 {
            assert_eq!(ends(Time(hour * 3_600_000), 480, 480), None);
        }
    }
}
