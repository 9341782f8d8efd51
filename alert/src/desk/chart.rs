//! The chart of a case: which span, which values, which line is its limit.

use plume_schemas::ids::{FactorCode, OutletId};
use plume_schemas::judgement::FactKey;
use plume_schemas::reading::{Basis, Flag};
use plume_schemas::registry::LimitWindow;
use plume_schemas::time::{DAY_MS, HOUR_MS, MINUTE_MS, Span, Time};
use serde::Serialize;

use super::history::{HourValue, Quantity};
use super::limits::SERIES_POINTS;
use super::names::Names;
use super::plot::{Columns, Plot, Point, Projection, Tick};
use super::still::{self, Size};
use super::text::{Speaks, put};
use super::view::case::Link;
use super::view::figures::runs;
use super::view::number::when;
use crate::Desk;
use crate::case::Family;
use crate::series::Point as Minute;
use crate::store::{CaseRow, TraceRow};
use crate::words::Lang;

/// How far a chart reaches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Zoom {
    /// The window judged and a little before it.
    #[default]
    Window,
    /// Six hours.
    Hours6,
    /// A day: what the series keeps.
    Hours24,
    /// A week of hours, from the archive.
    Days7,
    /// Thirty days of hours.
    Days30,
    /// The last day until now, whatever the case: what came after.
    After,
}

impl Zoom {
    const ALL: [Self; 5] = [Self::Window, Self::Hours6, Self::Hours24, Self::Days7, Self::Days30];

    const fn code(self) -> &'static str {
        match self {
            Self::Window => "window",
            Self::Hours6 => "6h",
            Self::Hours24 => "24h",
            Self::Days7 => "7d",
            Self::Days30 => "30d",
            Self::After => "after",
        }
    }

    /// From `?span=`; anything else is the window.
    pub(crate) fn from_code(code: Option<&str>) -> Self {
        Self::ALL
            .into_iter()
            .chain([Self::After])
            .find(|zoom| Some(zoom.code()) == code)
            .unwrap_or_default()
    }

    /// Whether it shows hours in place of minutes.
    pub(crate) const fn is_long(self) -> bool {
        matches!(self, Self::Days7 | Self::Days30)
    }

    /// From when to when, for this case.
    pub(crate) fn span(self, case: &CaseRow, now: Time) -> Span {
        if self == Self::After {
            return Span {
                start: now.plus(-24 * HOUR_MS),
                end: now,
            };
        }
        let live = case.state.is_live();
        let end = match case.family {
            Family::Near | Family::Exceed => case.window.end,
            _ if live => case.resolved_at.unwrap_or(now).plus(10 * MINUTE_MS),
            _ => case.window.end.max(case.resolved_at.unwrap_or(case.window.end)),
        };
        let start = match self {
            Self::Window => case.window.start.plus(-30 * MINUTE_MS).max(end.plus(-6 * HOUR_MS)),
            Self::Hours6 => end.plus(-6 * HOUR_MS),
            Self::Hours24 | Self::After => end.plus(-24 * HOUR_MS),
            Self::Days7 => end.plus(-7 * DAY_MS),
            Self::Days30 => end.plus(-30 * DAY_MS),
        };
        Span { start, end }
    }
}

/// A chart on a page.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "one truth for each line of the legend")]
pub(crate) struct ChartView {
    /// Factor and span.
    pub(crate) title: String,
    /// Where the script finds the numbers.
    pub(crate) series: String,
    /// The picture, as SVG.
    pub(crate) still: String,
    /// What the thin line is.
    pub(crate) value_word: &'static str,
    /// Whether there is a mean.
    pub(crate) has_mean: bool,
    /// Whether there is a projection.
    pub(crate) has_projection: bool,
    /// Whether there is a limit.
    pub(crate) has_limit: bool,
    /// Whether anything does not count.
    pub(crate) has_flags: bool,
    /// The spans to choose from.
    pub(crate) zooms: Vec<Zoomed>,
}

/// A span to choose.
#[derive(Clone, Debug)]
pub(crate) struct Zoomed {
    /// The page with this span.
    pub(crate) link: Link,
    /// This one.
    pub(crate) here: bool,
}

/// What the chart's script is given.
#[derive(Debug, Serialize)]
pub(crate) struct Series {
    words: Words,
    #[serde(flatten)]
    columns: Columns,
}

#[derive(Debug, Serialize)]
struct Words {
    time: &'static str,
    value: &'static str,
    flagged: &'static str,
    mean: &'static str,
    projection: &'static str,
    limit_is: String,
}

/// Everything a chart of a case is made from.
#[derive(Debug)]
pub(crate) struct Charting<'a> {
    /// The case.
    pub(crate) case: &'a CaseRow,
    /// Its trace, for the ticks.
    pub(crate) trace: &'a [TraceRow],
    /// What things are called.
    pub(crate) names: &'a Names<'a>,
    /// The page's language.
    pub(crate) lang: Lang,
    /// The desk's clock.
    pub(crate) now: Time,
    /// The hours of a long span.
    pub(crate) hours: &'a [HourValue],
}

impl Charting<'_> {
    /// The plot of this span; `None` for a case of no single factor.
    pub(crate) fn plot(&self, desk: &Desk, zoom: Zoom) -> Option<Plot> {
        let case = self.case;
        let factor = case.factor?;
        let span = zoom.span(case, self.now);
        let windowed = matches!(case.family, Family::Near | Family::Exceed) && zoom != Zoom::After && !zoom.is_long();
        let window = windowed.then_some(case.window);
        Some(Plot {
            span,
            window,
            now: self.now,
            unit: self.names.unit(case.outlet, factor),
            points: if zoom.is_long() {
                self.hours(factor)
            } else {
                self.points(&desk.series(case.outlet, factor, span), factor)
            },
            limit: self.limit(case.outlet, factor),
            projection: if zoom.is_long() { None } else { self.projection() },
            ticks: self
                .trace
                .iter()
                .map(|row| Tick {
                    at: row.at,
                    word: self.lang.pick(row.kind.zh(), row.kind.en()).to_owned(),
                })
                .collect(),
        })
    }

    /// The values on the basis that is judged; where none came on it, as reported.
    fn points(&self, minutes: &[Minute], factor: FactorCode) -> Vec<Point> {
        let corrected = self.names.basis(self.case.outlet, factor) == Basis::Corrected
            && minutes.iter().any(|minute| minute.corrected.is_some());
        let points = minutes.iter().map(|minute| Point {
            at: minute.at,
            lasts_ms: i64::from(minute.minutes.max(1)) * MINUTE_MS,
            value: if corrected { minute.corrected } else { minute.standard }.map(f64::from),
            flag: (minute.flag != Flag::Normal).then(|| {
                format!(
                    "{} {}",
                    minute.flag.code(),
                    self.lang.pick(minute.flag.zh(), minute.flag.en())
                )
            }),
        });
        super::plot::thin(points.collect(), SERIES_POINTS)
    }

    /// The hours of a long span, on the basis that is judged; where none came on it, as reported.
    fn hours(&self, factor: FactorCode) -> Vec<Point> {
        let on = |basis| {
            let own = self
                .hours
                .iter()
                .filter(move |hour| hour.quantity == Quantity::Mean(basis));
            own.filter(move |hour| hour.factor == factor)
        };
        let judged = self.names.basis(self.case.outlet, factor);
        let basis = if on(judged).next().is_some() {
            judged
        } else {
            Basis::Standard
        };
        let mut points: Vec<Point> = on(basis)
            .map(|hour| Point {
                at: hour.at,
                lasts_ms: HOUR_MS,
                value: Some(hour.value),
                flag: (!hour.counts).then(|| self.lang.texts().flags.to_owned()),
            })
            .collect();
        points.sort_by_key(|point| point.at);
        points
    }

    fn limit(&self, outlet: OutletId, factor: FactorCode) -> Option<f64> {
        let said = self.case.judgement.number(FactKey::Limit);
        said.or_else(|| {
            self.names
                .limit(outlet, factor, LimitWindow::Hour, self.case.window.start)
        })
    }

    fn projection(&self) -> Option<Projection> {
        if !runs(self.case, self.now) {
            return None;
        }
        let judgement = &self.case.judgement;
        Some(Projection {
            from: judgement.judged_at.min(self.case.window.end),
            mean_so_far: judgement.number(FactKey::MeanSoFar)?,
            until: self.case.window.end,
            mean: judgement.number(FactKey::Projected)?,
            half_band: judgement.number(FactKey::ProjectedBand).unwrap_or(0.0),
        })
    }

    /// The chart for a page whose other spans are at `page`.
    pub(crate) fn view(&self, desk: &Desk, zoom: Zoom, size: Size, page: &str) -> Option<ChartView> {
        let plot = self.plot(desk, zoom)?;
        let t = self.lang.texts();
        let factor = self
            .case
            .factor
            .map_or_else(String::new, |factor| self.names.factor_judged(self.case.outlet, factor));
        let shown = |at| when(at, self.now);
        let title = put(
            t.chart_title,
            &[&factor, &shown(plot.span.start), &shown(plot.span.end)],
        );
        let limit = self.limit_word(&plot);
        let words = still::Words {
            title: &title,
            limit: &limit,
            now: t.now,
        };
        let zooms = Zoom::ALL
            .into_iter()
            .zip([t.span_window, t.span_6h, t.span_24h, t.span_7d, t.span_30d]);
        Some(ChartView {
            series: format!("/api/series/{}?span={}", self.case.id, zoom.code()),
            still: still::draw(&plot, size, &words),
            value_word: self.value_word(zoom),
            has_mean: !plot.running_mean().is_empty(),
            has_projection: plot.projection.is_some(),
            has_limit: plot.limit.is_some(),
            has_flags: plot.points.iter().any(|point| point.flag.is_some()),
            zooms: zooms
                .map(|(each, word)| Zoomed {
                    link: Link {
                        href: format!("{page}?span={}", each.code()),
                        word: word.to_owned(),
                    },
                    here: each == zoom,
                })
                .collect(),
            title,
        })
    }

    fn limit_word(&self, plot: &Plot) -> String {
        plot.limit
            .map_or_else(String::new, |limit| put(self.lang.texts().limit_is, &[&limit]))
    }

    fn value_word(&self, zoom: Zoom) -> &'static str {
        let t = self.lang.texts();
        if zoom.is_long() {
            return t.hour_value;
        }
        let basis = self
            .case
            .factor
            .map(|factor| self.names.basis(self.case.outlet, factor));
        if basis == Some(Basis::Corrected) {
            t.minute_corrected
        } else {
            t.minute_value
        }
    }

    /// The numbers for the script.
    pub(crate) fn series(&self, desk: &Desk, zoom: Zoom) -> Option<Series> {
        let plot = self.plot(desk, zoom)?;
        let t = self.lang.texts();
        Some(Series {
            words: Words {
                time: t.time,
                value: self.value_word(zoom),
                flagged: t.flags,
                mean: t.mean_so_far,
                projection: t.projection,
                limit_is: self.limit_word(&plot),
            },
            columns: Columns::new(&plot),
        })
    }
}
