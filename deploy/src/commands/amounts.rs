//! `plume amounts`: what outlets emitted in a quarter, and what stands for the hours that are missing (HJ 75-2017
//! 12.2). Concentrations stay as they are; only amounts are filled.

mod read;
#[cfg(test)]
mod tests;

use std::process::ExitCode;

use plume_detect::rate::{Substitute, fill, substitute};
use plume_schemas::time::{HOUR_MS, Time};
use serde::Serialize;

use super::view::{self, Ticker};
use crate::cli::amounts::AmountsArgs;
use crate::out;

/// One hour of one pollutant.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Hour {
    /// The outlet stood still: nothing was emitted, and nothing is due.
    Stopped,
    /// Valid, with its amount in kg.
    Valid(f64),
    /// Nothing came, what came is not valid, or nobody can say how much it was.
    Missing,
}

/// Hours in a row that are missing, and what stands for each.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Gap {
    from: Time,
    hours: u32,
    /// The largest of so many last valid hours; none where no rule applies.
    largest_of_hours: Option<usize>,
    kg_an_hour: Option<f64>,
}

/// A quarter of one pollutant of one outlet.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
struct Quarter {
    /// Hours in which the outlet ran.
    due_h: u32,
    stopped_h: u32,
    valid_h: u32,
    /// valid / due, 0 to 1; none where nothing was due.
    capture: Option<f64>,
    measured_kg: f64,
    filled_h: u32,
    filled_kg: f64,
    /// Hours for which there is no rule, or nothing to fill them with.
    by_hand_h: u32,
    total_kg: f64,
    gaps: Vec<Gap>,
}

/// Counts and prints.
pub(crate) fn run(args: &AmountsArgs) -> anyhow::Result<ExitCode> {
    let reader = view::open(&args.place)?;
    let found = read::hours(&reader, args, &mut Ticker::new(args.progress))?;
    if found.is_empty() {
        out::complain("该季度没有判定过的小时 / nothing was judged in this quarter");
        return Ok(ExitCode::FAILURE);
    }
    if !args.json {
        head();
    }
    for ((outlet, factor), series) in &found {
        let quarter = settle(series.first, &series.hours, args.quarter.start);
        if args.json {
            let row = serde_json::json!({"outlet": outlet, "factor": factor, "quarter": quarter});
            out::line(row);
        } else {
            tell(outlet, factor, &quarter, args.gaps);
        }
    }
    if !args.json {
        out::line(
            "缺失小时以此前有效小时的最大排放量替代（HJ 75-2017 12.2，凭记忆，未核对原文）：捕集率 ≥90% 且缺失 ≤24 h 取 180 h，\
             >24 h 取 720 h；75–90% 取 2160 h；<75% 须人工核定\n\
             a missing hour takes the largest of the last valid hours (HJ 75-2017 12.2, from memory): 180 h where 90 % \
             and more were captured and 24 h at most are missing in a row, 720 h for more; 2160 h from 75 %; below \
             that, by hand",
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// Adds up the hours from `begin` on; those before it, from `first`, are only looked back at.
fn settle(first: Time, hours: &[Hour], begin: Time) -> Quarter {
    let moment = |place: usize| first.plus(i64::try_from(place).unwrap_or(i64::MAX / HOUR_MS) * HOUR_MS);
    let mut quarter = Quarter::default();
    let inside = hours.iter().enumerate().filter(|(place, _)| moment(*place) >= begin);
    for (_, hour) in inside {
        match hour {
            Hour::Stopped => quarter.stopped_h += 1,
            Hour::Missing => quarter.due_h += 1,
            Hour::Valid(kg) => {
                (quarter.due_h, quarter.valid_h) = (quarter.due_h + 1, quarter.valid_h + 1);
                quarter.measured_kg += kg;
            }
        }
    }
    quarter.capture = (quarter.due_h > 0).then(|| f64::from(quarter.valid_h) / f64::from(quarter.due_h));
    // A stop between two missing hours does not part them: nothing was measured meanwhile either.
    let ran: Vec<(Time, Option<f64>)> = hours
        .iter()
        .enumerate()
        .filter_map(|(place, hour)| match hour {
            Hour::Stopped => None,
            Hour::Valid(kg) => Some((moment(place), Some(*kg))),
            Hour::Missing => Some((moment(place), None)),
        })
        .collect();
    let amounts: Vec<Option<f64>> = ran.iter().map(|(_, kg)| *kg).collect();
    let capture = quarter.capture.unwrap_or(0.0);
    let filled = fill(&amounts, capture);
    let mut place = 0;
    while let Some((at, kg)) = ran.get(place) {
        if kg.is_some() {
            place += 1;
            continue;
        }
        let long = amounts.iter().skip(place).take_while(|kg| kg.is_none()).count();
        let stands = filled.get(place).and_then(|(kg, _)| *kg);
        let inside = ran.iter().skip(place).take(long).filter(|(at, _)| *at >= begin).count();
        quarter.add_gap((*at).max(begin), (inside, long), stands, capture);
        place += long;
    }
    quarter.total_kg = quarter.measured_kg + quarter.filled_kg;
    quarter
}

impl Quarter {
    /// Takes a gap of so many hours in a row, `inside` of them in the quarter.
    fn add_gap(&mut self, from: Time, (inside, long): (usize, usize), stands: Option<f64>, capture: f64) {
        let hours = u32::try_from(inside).unwrap_or(u32::MAX);
        if hours == 0 {
            return;
        }
        match stands {
            Some(kg) => {
                self.filled_h += hours;
                self.filled_kg += kg * f64::from(hours);
            }
            None => self.by_hand_h += hours,
        }
        let largest_of_hours = match substitute(capture, u32::try_from(long).unwrap_or(u32::MAX)) {
            Substitute::LargestOf(hours) => Some(hours),
            Substitute::ByHand => None,
        };
        self.gaps.push(Gap {
            from,
            hours,
            largest_of_hours,
            kg_an_hour: stands,
        });
    }
}

fn head() {
    out::line(format_args!(
        "{:<30} {:<8} {:>6} {:>6} {:>6} {:>9} {:>14} {:>8} {:>14} {:>8} {:>14}",
        "outlet",
        "factor",
        "due h",
        "still",
        "valid",
        "capture",
        "measured kg",
        "filled h",
        "filled kg",
        "by hand",
        "total kg"
    ));
}

fn tell(outlet: &str, factor: &str, quarter: &Quarter, gaps: bool) {
    let capture = quarter
        .capture
        .map_or_else(|| "-".to_owned(), |share| format!("{:.2}%", share * 100.0));
    out::line(format_args!(
        "{outlet:<30} {factor:<8} {:>6} {:>6} {:>6} {capture:>9} {:>14.3} {:>8} {:>14.3} {:>8} {:>14.3}",
        quarter.due_h,
        quarter.stopped_h,
        quarter.valid_h,
        quarter.measured_kg,
        quarter.filled_h,
        quarter.filled_kg,
        quarter.by_hand_h,
        quarter.total_kg,
    ));
    for gap in quarter.gaps.iter().filter(|_| gaps) {
        let how = match (gap.largest_of_hours, gap.kg_an_hour) {
            (Some(hours), Some(kg)) => {
                format!("前 {hours} 个有效小时最大值 {kg:.3} kg / the largest of the last {hours} valid hours")
            }
            (Some(_), None) => "此前无有效小时 / no valid hour before it".to_owned(),
            (None, _) => "捕集率低于 75%，人工核定 / below 75 % captured: by hand".to_owned(),
        };
        let from: String = gap.from.to_string().replace('T', " ").chars().take(16).collect();
        out::line(format_args!("    {from}  {} h  {how}", gap.hours));
    }
}
