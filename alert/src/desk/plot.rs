//! What a chart shows, made once from the series and given twice: as a still picture drawn here ([`super::still`]),
//! so that a page is complete without scripts, and as columns of numbers for the zoomable chart ([`Columns`]).

use plume_schemas::time::{MINUTE_MS, Span, Time};
use serde::Serialize;

/// One minute (or hour, on long spans) of a factor.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Point {
    /// Start of it.
    pub(crate) at: Time,
    /// How long it is, milliseconds.
    pub(crate) lasts_ms: i64,
    /// The value, where one came.
    pub(crate) value: Option<f64>,
    /// Why it does not count, in words; nothing where it does.
    pub(crate) flag: Option<String>,
}

/// The judge's projection: the mean so far runs on to what the whole window will probably average.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Projection {
    /// When it was said.
    pub(crate) from: Time,
    /// The mean at that time.
    pub(crate) mean_so_far: f64,
    /// The window's end.
    pub(crate) until: Time,
    /// The mean expected then.
    pub(crate) mean: f64,
    /// Half width of its 80 % band.
    pub(crate) half_band: f64,
}

/// Something that happened to the case.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tick {
    /// When.
    pub(crate) at: Time,
    /// What.
    pub(crate) word: String,
}

/// A chart's content.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plot {
    /// From when to when.
    pub(crate) span: Span,
    /// The window judged; its mean runs from its start.
    pub(crate) window: Option<Span>,
    /// The desk's clock.
    pub(crate) now: Time,
    /// Unit of every value.
    pub(crate) unit: String,
    /// In order of time.
    pub(crate) points: Vec<Point>,
    /// The limit, where one is in force.
    pub(crate) limit: Option<f64>,
    /// Where the judge made one.
    pub(crate) projection: Option<Projection>,
    /// In order of time.
    pub(crate) ticks: Vec<Tick>,
}

impl Plot {
    /// The mean of the valid points of the window so far, after each of them: (end of the point, mean).
    pub(crate) fn running_mean(&self) -> Vec<(Time, f64)> {
        let Some(window) = self.window else {
            return Vec::new();
        };
        let (mut sum, mut weight) = (0.0, 0.0);
        self.points
            .iter()
            .filter(|point| window.contains(point.at) && point.flag.is_none())
            .filter_map(|point| {
                let minutes = point.lasts_ms as f64 / MINUTE_MS as f64;
                sum += point.value? * minutes;
                weight += minutes;
                Some((point.at.plus(point.lasts_ms), sum / weight))
            })
            .collect()
    }

    /// The largest number to be shown, or 1 where there is none above zero.
    pub(crate) fn top(&self) -> f64 {
        let projected = self.projection.map(|p| p.mean + p.half_band);
        let top = self
            .points
            .iter()
            .filter_map(|point| point.value)
            .chain(self.limit)
            .chain(projected)
            .filter(|value| value.is_finite())
            .fold(0.0, f64::max);
        if top > 0.0 { top } else { 1.0 }
    }
}

/// The columns the chart script reads: equal lengths, seconds since 1970, `null` where there is nothing.
#[derive(Debug, Serialize)]
pub(crate) struct Columns {
    /// Unit of every value.
    unit: String,
    /// First second shown.
    from: i64,
    /// Last second shown.
    to: i64,
    /// The desk's clock.
    now: i64,
    /// The limit.
    limit: Option<f64>,
    /// Seconds.
    at: Vec<i64>,
    /// Values that count.
    value: Vec<Option<f64>>,
    /// Values that came but do not count.
    flagged: Vec<Option<f64>>,
    /// Mean of the window so far.
    mean: Vec<Option<f64>>,
    /// Its projection.
    projection: Vec<Option<f64>>,
    /// Lower edge of the projection's band.
    low: Vec<Option<f64>>,
    /// Upper edge.
    high: Vec<Option<f64>>,
    /// Spans that do not count: from, to, why.
    flags: Vec<(i64, i64, String)>,
    /// What happened: second, word.
    ticks: Vec<(i64, String)>,
}

fn second(at: Time) -> i64 {
    at.0.div_euclid(1_000)
}

impl Columns {
    /// The plot as columns.
    pub(crate) fn new(plot: &Plot) -> Self {
        let mut columns = Self {
            unit: plot.unit.clone(),
            from: second(plot.span.start),
            to: second(plot.span.end),
            now: second(plot.now),
            limit: plot.limit,
            at: Vec::new(),
            value: Vec::new(),
            flagged: Vec::new(),
            mean: Vec::new(),
            projection: Vec::new(),
            low: Vec::new(),
            high: Vec::new(),
            flags: flag_spans(&plot.points)
                .into_iter()
                .map(|(span, why)| (second(span.start), second(span.end), why))
                .collect(),
            ticks: plot
                .ticks
                .iter()
                .map(|tick| (second(tick.at), tick.word.clone()))
                .collect(),
        };
        let mut expected = None;
        for point in &plot.points {
            if let Some(missing) = expected.filter(|&missing| missing < point.at) {
                columns.row(missing);
            }
            expected = Some(point.at.plus(point.lasts_ms));
            let row = columns.row(point.at);
            let to = if point.flag.is_none() {
                &mut columns.value
            } else {
                &mut columns.flagged
            };
            set(to, row, point.value);
        }
        for (at, mean) in plot.running_mean() {
            let row = columns.row(at);
            set(&mut columns.mean, row, Some(mean));
        }
        if let Some(p) = plot.projection {
            // From the minute it was said in: a row between two minutes would tear their line.
            let from = p.from.floor(MINUTE_MS);
            for (at, mean, half) in [(from, p.mean_so_far, 0.0), (p.until, p.mean, p.half_band)] {
                let row = columns.row(at);
                set(&mut columns.projection, row, Some(mean));
                set(&mut columns.low, row, Some(mean - half));
                set(&mut columns.high, row, Some(mean + half));
            }
        }
        columns
    }

    /// The row of that second, made if there is none, in order.
    fn row(&mut self, at: Time) -> usize {
        match self.at.binary_search(&second(at)) {
            Ok(row) => row,
            Err(row) => {
                self.at.insert(row, second(at));
                for column in [
                    &mut self.value,
                    &mut self.flagged,
                    &mut self.mean,
                    &mut self.projection,
                    &mut self.low,
                    &mut self.high,
                ] {
                    column.insert(row, None);
                }
                row
            }
        }
    }
}

fn set(column: &mut [Option<f64>], row: usize, value: Option<f64>) {
    if let Some(cell) = column.get_mut(row) {
        *cell = value.map(|value| (value * 1_000.0).round() / 1_000.0);
    }
}

/// At most `most` points: neighbours that count alike are averaged, so that a long span keeps its shape and its gaps.
pub(crate) fn thin(points: Vec<Point>, most: usize) -> Vec<Point> {
    let together = points.len().div_ceil(most.max(1));
    if together <= 1 {
        return points;
    }
    points
        .chunk_by(|a, b| a.flag == b.flag && a.at.plus(a.lasts_ms) == b.at)
        .flat_map(|run| run.chunks(together))
        .filter_map(|few| {
            let values: Vec<f64> = few.iter().filter_map(|point| point.value).collect();
            let first = few.first()?;
            Some(Point {
                at: first.at,
                lasts_ms: few.iter().map(|point| point.lasts_ms).sum(),
                value: (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64),
                flag: first.flag.clone(),
            })
        })
        .collect()
}

/// Neighbouring points with the same complaint as one span.
pub(crate) fn flag_spans(points: &[Point]) -> Vec<(Span, String)> {
    let mut spans: Vec<(Span, String)> = Vec::new();
    for point in points {
        let Some(why) = &point.flag else { continue };
        let end = point.at.plus(point.lasts_ms);
        match spans.last_mut() {
            Some((span, same)) if span.end == point.at && same == why => span.end = end,
            _ => spans.push((Span { start: point.at, end }, why.clone())),
        }
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;
    use plume_schemas::time::HOUR_MS;

    fn point(minute: i64, value: f64, flag: Option<&str>) -> Point {
        Point {
            at: Time(minute * MINUTE_MS),
            lasts_ms: MINUTE_MS,
            value: Some(value),
            flag: flag.map(str::to_owned),
        }
    }

    fn plot(points: Vec<Point>) -> Plot {
        let span = Span {
            start: Time(0),
            end: Time(HOUR_MS),
        };
        Plot {
            span,
            window: Some(span),
            now: Time(3 * MINUTE_MS),
            unit: "mg/m³".into(),
            points,
            limit: Some(35.0),
            projection: None,
            ticks: Vec::new(),
        }
    }

    #[test]
    fn what_is_flagged_is_shown_but_does_not_count() {
        let plot = plot(vec![
            point(0, 10.0, None),
            point(1, 90.0, Some("C")),
            point(2, 90.0, Some("C")),
            point(3, 20.0, None),
        ]);
        assert_eq!(
            plot.running_mean(),
            vec![(Time(MINUTE_MS), 10.0), (Time(4 * MINUTE_MS), 15.0)]
        );
        let columns = Columns::new(&plot);
        assert_eq!(columns.at, vec![0, 60, 120, 180, 240]);
        assert_eq!(columns.value, vec![Some(10.0), None, None, Some(20.0), None]);
        assert_eq!(columns.flagged, vec![None, Some(90.0), Some(90.0), None, None]);
        assert_eq!(columns.flags, vec![(60, 180, "C".to_owned())]);
    }

    #[test]
    fn thinning_keeps_gaps_and_flags() {
        let mut points: Vec<Point> = (0..10)
            .map(|minute| point(minute, 10.0 + minute as f64, None))
            .collect();
        points.remove(5);
        let few = thin(points.clone(), 5);
        assert!(few.len() <= 6, "{few:?}");
        assert_eq!(few.iter().map(|point| point.lasts_ms).sum::<i64>(), 9 * MINUTE_MS);
        assert!(
            few.iter().any(|point| point.at == Time(6 * MINUTE_MS)),
            "nothing is averaged across the gap"
        );
        assert_eq!(thin(points.clone(), 100), points);
    }

    #[test]
    fn columns_have_one_length_with_a_projection_between_minutes() {
        let mut plot = plot(vec![point(0, 10.0, None), point(1, 20.0, None)]);
        plot.projection = Some(Projection {
            from: Time(90_000),
            mean_so_far: 15.0,
            until: Time(HOUR_MS),
            mean: 37.25,
            half_band: 1.5,
        });
        let columns = Columns::new(&plot);
        let rows = columns.at.len();
        for column in [
            &columns.value,
            &columns.mean,
            &columns.projection,
            &columns.low,
            &columns.high,
        ] {
            assert_eq!(column.len(), rows);
        }
        assert!(columns.at.is_sorted());
        assert_eq!(columns.high.last(), Some(&Some(38.75)));
        assert!((plot.top() - 38.75).abs() < 1e-9);
    }
}
