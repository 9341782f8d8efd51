//! What the turbine's own load and the weather say of an alert: what emissions were before, in hours of like load or
//! like weather, against what they were then. Only what lies before the change is asked; nothing is fitted.

use serde::Serialize;

use super::{Gas, Row, YEARS};

/// Hours before the change that the level is compared with: a week.
const BEFORE_H: usize = 168;
/// Hours of the past in which like hours are sought: half a year.
const PAST_H: usize = 4_320;
/// Hours next to the change that are not asked about it.
const NEXT_TO_H: usize = 24;
/// Like hours that are averaged, and hours of either side that are compared with theirs.
const LIKE: usize = 15;
const SAMPLES: usize = 48;
/// From this share of the move on, it counts as explained.
const EXPLAINED: f64 = 0.5;
/// Rows around the change in which a gap or a new year counts.
const NEAR_ROWS: usize = 48;
/// No two hours that follow each other differ by more in their weather: rows are missing in between, a stop.
const GAP_C: f64 = 5.0;
const GAP_MBAR: f64 = 3.0;

/// What explains an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Cause {
    Load,
    Weather,
    LoadAndWeather,
    YearBoundary,
    Gap,
    Unexplained,
}

impl Cause {
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Load => "负荷变化 load",
            Self::Weather => "环境条件 weather",
            Self::LoadAndWeather => "负荷与环境 load and weather",
            Self::YearBoundary => "跨年（数据分年） year boundary",
            Self::Gap => "缺行（停机） rows missing (a stop)",
            Self::Unexplained => "运行数据不能解释 not in load or weather",
        }
    }
}

/// What was found of one alert.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Causes {
    /// Mean from the change until the alert less the mean of the week before, mg/m³.
    pub(super) moved: f64,
    /// The same of load (energy yield), and of the ambient temperature, °C.
    pub(super) load: f64,
    pub(super) ambient_c: f64,
    /// Shares of the move that like hours of the past show: of like load, like weather, and both.
    pub(super) by_load: f64,
    pub(super) by_weather: f64,
    pub(super) by_both: f64,
    pub(super) cause: Cause,
}

/// Whose likeness is asked.
#[derive(Clone, Copy)]
enum Like {
    Load,
    Weather,
    Both,
}

impl Like {
    fn sides(self, row: &Row) -> Vec<f64> {
        let weather = [row.ambient_c, row.humidity_pct, row.pressure_mbar];
        match self {
            Self::Load => vec![row.load],
            Self::Weather => weather.to_vec(),
            Self::Both => [&[row.load][..], &weather[..]].concat(),
        }
    }
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    if count > 0.0 { sum / count } else { 0.0 }
}

/// The past as points of one space, each side in its standard deviations.
struct Past {
    like: Like,
    scales: Vec<f64>,
    points: Vec<(Vec<f64>, f64)>,
}

impl Past {
    fn new(rows: &[Row], gas: Gas, like: Like) -> Self {
        let mut points: Vec<(Vec<f64>, f64)> = rows.iter().map(|row| (like.sides(row), gas.of(row))).collect();
        let sides = points.first().map_or(0, |(sides, _)| sides.len());
        let scales: Vec<f64> = (0..sides)
            .map(|side| {
                let centre = mean(points.iter().map(|(sides, _)| sides[side]));
                let variance = mean(points.iter().map(|(sides, _)| (sides[side] - centre).powi(2)));
                variance.sqrt().max(1e-9)
            })
            .collect();
        for (sides, _) in &mut points {
            sides.iter_mut().zip(&scales).for_each(|(side, scale)| *side /= scale);
        }
        Self { like, scales, points }
    }

    /// Mean emission of the hours most like `row`.
    fn expected(&self, row: &Row) -> f64 {
        let mut here = self.like.sides(row);
        here.iter_mut()
            .zip(&self.scales)
            .for_each(|(side, scale)| *side /= scale);
        let far = |sides: &[f64]| {
            sides
                .iter()
                .zip(&here)
                .map(|(one, other)| (one - other).powi(2))
                .sum::<f64>()
        };
        let mut near: Vec<(f64, f64)> = self.points.iter().map(|(sides, value)| (far(sides), *value)).collect();
        if near.len() > LIKE {
            near.select_nth_unstable_by(LIKE, |one, other| one.0.total_cmp(&other.0));
        }
        mean(near.iter().take(LIKE).map(|(_, value)| *value))
    }
}

/// At most [`SAMPLES`] of the rows, evenly.
fn some(rows: &[Row]) -> impl Iterator<Item = &Row> {
    rows.iter().step_by(rows.len().div_ceil(SAMPLES).max(1))
}

/// Asks the hours before `changed` about those from there until the alert was said (`until`; rows, from 0).
pub(super) fn causes(rows: &[Row], gas: Gas, (changed, until): (usize, usize)) -> Causes {
    let slice = |from: usize, to: usize| rows.get(from..to.min(rows.len())).unwrap_or_default();
    let before = slice(changed.saturating_sub(BEFORE_H), changed);
    let after = slice(changed, until.max(changed + 1));
    let past = slice(
        changed.saturating_sub(PAST_H),
        changed.saturating_sub(BEFORE_H + NEXT_TO_H),
    );
    let difference = |of: &dyn Fn(&Row) -> f64| mean(after.iter().map(of)) - mean(before.iter().map(of));
    let moved = difference(&|row| gas.of(row));
    let share = |like: Like| {
        if past.len() <= LIKE {
            return 0.0;
        }
        let past = Past::new(past, gas, like);
        let expected = |rows: &[Row]| mean(some(rows).map(|row| past.expected(row)));
        (expected(after) - expected(before)) / moved
    };
    let (by_load, by_weather, by_both) = (share(Like::Load), share(Like::Weather), share(Like::Both));
    let near = changed.saturating_sub(NEAR_ROWS)..(changed + NEAR_ROWS).min(rows.len());
    let is_gap = |pair: &[Row]| match pair {
        [one, next] => {
            (next.ambient_c - one.ambient_c).abs() > GAP_C || (next.pressure_mbar - one.pressure_mbar).abs() > GAP_MBAR
        }
        _ => false,
    };
    let cause = if by_load >= EXPLAINED && by_load >= by_weather {
        Cause::Load
    } else if by_weather >= EXPLAINED {
        Cause::Weather
    } else if by_both >= EXPLAINED {
        Cause::LoadAndWeather
    } else if YEARS.iter().any(|year| near.contains(year)) {
        Cause::YearBoundary
    } else if slice(near.start, near.end).windows(2).any(is_gap) {
        Cause::Gap
    } else {
        Cause::Unexplained
    };
    Causes {
        moved,
        load: difference(&|row| row.load),
        ambient_c: difference(&|row| row.ambient_c),
        by_load,
        by_weather,
        by_both,
        cause,
    }
}
