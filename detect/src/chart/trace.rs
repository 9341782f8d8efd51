//! What the charts of one level said hour by hour: the watch of [`super::level`] run again over hour means, with its
//! statistics kept, for those who want to see why it signalled.

use plume_schemas::time::{HOUR_MS, Span, Time};

use super::draw::{Limit, Line, Mark, MarkKind, Panel, Picture, Style};
use super::ewma::Ewma;
use super::level::{Found, Level, Watching, Which};
use crate::explain::Lang;

/// One hour and what the charts made of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Traced {
    /// The hour since 1970.
    pub hour: i64,
    /// Its mean, units of the value; `None` where it does not count.
    pub mean: Option<f64>,
    /// What was usual for it, once anything was known.
    pub usual: Option<f64>,
    /// EWMA and both sums of the CUSUM after it, standard deviations.
    pub ewma: f64,
    /// See `ewma`.
    pub high: f64,
    /// See `ewma`.
    pub low: f64,
    /// Limits of the EWMA (on either side) and of the CUSUM, standard deviations; `None` while it learns.
    pub limits: Option<(f64, f64)>,
    /// A chart signals.
    pub found: Option<Found>,
}

impl Traced {
    /// When its hour begins.
    pub fn start(&self) -> Time {
        Time(self.hour * HOUR_MS)
    }

    /// When its hour ends.
    pub fn end(&self) -> Time {
        self.start().plus(HOUR_MS)
    }
}

/// Signals of one stretch: a chart went beyond its limit and stayed there for some hours.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Episode {
    /// The end of the first hour beyond the limit.
    pub signalled: Time,
    /// When the level began to move, by the estimate of that hour.
    pub changed: Time,
    /// The end of the last hour beyond the limit.
    pub until: Time,
    /// What the first hour found.
    pub first: Found,
    /// What the last hour found: its move is estimated from the most hours.
    pub last: Found,
}

/// Runs the watch over hours in order (the hour since 1970, and its mean where it counts). An hour that is left out
/// counts as little as one without a mean.
pub fn trace(by: &Watching, hours: &[(i64, Option<f64>)], seed: u64) -> Vec<Traced> {
    let mut level = Box::<Level>::default();
    let mut before: Option<i64> = None;
    let mut traced = Vec::with_capacity(hours.len());
    for &(hour, mean) in hours {
        if before.is_some_and(|before| hour > before + 1) {
            level.skip();
        }
        before = Some(hour);
        let looked = mean.map(|mean| level.take(by, hour, mean, seed));
        if looked.is_none() {
            level.skip();
        }
        let (ewma, cusum) = level.statistics();
        let settled = |limit_sd| {
            Ewma {
                lambda: by.lambda,
                limit_sd,
            }
            .limit()
        };
        traced.push(Traced {
            hour,
            mean,
            usual: looked.and_then(|looked| looked.usual),
            ewma: ewma.mean,
            high: cusum.high,
            low: cusum.low,
            limits: level.limits().map(|(ewma, cusum)| (settled(ewma), cusum)),
            found: looked.and_then(|looked| looked.found),
        });
    }
    traced
}

/// The stretches of hours in which a chart signalled.
pub fn episodes(traced: &[Traced]) -> Vec<Episode> {
    let mut episodes: Vec<Episode> = Vec::new();
    let mut going = false;
    for hour in traced {
        let Some(found) = hour.found else {
            going = false;
            continue;
        };
        match episodes.last_mut().filter(|_| going && found.lasted_h > 1) {
            Some(episode) => (episode.until, episode.last) = (hour.end(), found),
            None => episodes.push(Episode {
                signalled: hour.end(),
                changed: hour.end().plus(-i64::from(found.since_h) * HOUR_MS),
                until: hour.end(),
                first: found,
                last: found,
            }),
        }
        going = true;
    }
    episodes
}

/// What a picture is of.
#[derive(Clone, Copy, Debug)]
pub struct Of<'a> {
    /// Outlet and factor, as people call them.
    pub title: &'a str,
    /// The unit of the values.
    pub unit: &'a str,
    /// The limit of the hour.
    pub limit: f64,
    /// The language of the words.
    pub lang: Lang,
}

/// Draws hours of a trace: means with what is usual, EWMA and CUSUM with their limits, signals and changes.
pub fn picture(of: &Of<'_>, traced: &[Traced]) -> Picture {
    let word = |zh: &'static str, en: &'static str| of.lang.pick(zh, en).to_owned();
    let line = |name: String, style, value: &dyn Fn(&Traced) -> Option<f64>| Line {
        name,
        style,
        points: broken(traced, value),
    };
    let watching = |value: f64, hour: &Traced| hour.limits.map(|_| value);
    let limits = traced.iter().rev().find_map(|hour| hour.limits);
    let limit = |value: Option<f64>, name: &str| {
        value.map(|value| Limit {
            name: format!("{name} {value:.2}"),
            value,
        })
    };
    let (ewma, cusum) = (limits.map(|(ewma, _)| ewma), limits.map(|(_, cusum)| cusum));
    let control = word("控制限", "limit");
    let panels = vec![
        Panel {
            title: format!("{} ({})", of.lang.pick("小时均值", "hour means"), of.unit),
            height: 220.0,
            lines: vec![
                line(word("常态基线", "usual"), Style::Usual, &|hour| hour.usual),
                line(word("小时均值", "hour mean"), Style::Measured, &|hour| hour.mean),
            ],
            limits: limit(Some(of.limit), of.lang.pick("限值", "limit"))
                .into_iter()
                .collect(),
        },
        Panel {
            title: word("EWMA（残差，标准差）", "EWMA (of residuals, standard deviations)"),
            height: 120.0,
            lines: vec![line("EWMA".to_owned(), Style::High, &|hour| watching(hour.ewma, hour))],
            limits: limit(ewma, &control)
                .into_iter()
                .chain(limit(ewma.map(|limit| -limit), &control))
                .collect(),
        },
        Panel {
            title: word(
                "双侧CUSUM（残差，标准差）",
                "two-sided CUSUM (of residuals, standard deviations)",
            ),
            height: 120.0,
            lines: vec![
                line(word("向上", "up"), Style::High, &|hour| watching(hour.high, hour)),
                line(word("向下", "down"), Style::Low, &|hour| watching(hour.low, hour)),
            ],
            limits: limit(cusum, &control).into_iter().collect(),
        },
    ];
    let episodes = episodes(traced);
    Picture {
        title: of.title.to_owned(),
        words: words(of, &episodes, limits.is_some()),
        span: Span {
            start: traced.first().map_or(Time(0), Traced::start),
            end: traced.last().map_or(Time(HOUR_MS), Traced::end),
        },
        panels,
        marks: episodes.iter().flat_map(|episode| marks(of, episode)).collect(),
    }
}

/// The points of a line, with a break wherever hours are left out.
fn broken(traced: &[Traced], value: &dyn Fn(&Traced) -> Option<f64>) -> Vec<(Time, Option<f64>)> {
    let mut points = Vec::with_capacity(traced.len());
    let mut before: Option<i64> = None;
    for hour in traced {
        if before.is_some_and(|before| hour.hour > before + 1) {
            points.push((hour.start(), None));
        }
        before = Some(hour.hour);
        points.push((hour.start(), value(hour)));
    }
    points
}

fn words(of: &Of<'_>, episodes: &[Episode], watching: bool) -> String {
    match episodes.last() {
        _ if !watching => of
            .lang
            .pick(
                "仍在学习常态，尚无控制限",
                "still learning what is usual: no limits yet",
            )
            .to_owned(),
        None => of.lang.pick("未发出信号", "no signal").to_owned(),
        Some(episode) => {
            let count = episodes.len();
            let last = sentence(of, episode);
            match of.lang {
                Lang::Zh => format!("信号 {count} 次；最近一次：{last}"),
                Lang::En => format!("{count} signal(s); the last: {last}"),
            }
        }
    }
}

/// An episode in words: when, which chart, since when and by how much.
pub fn sentence(of: &Of<'_>, episode: &Episode) -> String {
    let moment = |at: Time| format!("{} {}", at.date(), at.hour_minute());
    let (signalled, changed) = (moment(episode.signalled), moment(episode.changed));
    let (moved, unit) = (episode.last.moved, of.unit);
    let chart = match episode.first.which {
        Which::Ewma => "EWMA",
        Which::Cusum => "CUSUM",
    };
    match of.lang {
        Lang::Zh => format!("{signalled} {chart} 发出信号，变化估计始于 {changed}，偏移约 {moved:+.2} {unit}"),
        Lang::En => {
            format!(
                "{chart} signalled {signalled}, the change began about {changed}, moved by about {moved:+.2} {unit}"
            )
        }
    }
}

fn marks(of: &Of<'_>, episode: &Episode) -> [Mark; 2] {
    let signal = of.lang.pick("信号点：", "signal: ");
    let change = of.lang.pick("估计变化时刻：", "estimated change: ");
    let text = sentence(of, episode);
    [
        Mark {
            at: episode.changed,
            kind: MarkKind::Change,
            text: format!("{change}{text}"),
        },
        Mark {
            at: episode.signalled,
            kind: MarkKind::Signal,
            text: format!("{signal}{text}"),
        },
    ]
}
