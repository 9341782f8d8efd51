//! The still picture of a [`Plot`]: an SVG drawn on the server, complete without scripts, coloured by the stylesheet.

use std::fmt::Write as _;

use plume_schemas::time::{HOUR_MS, MINUTE_MS, Span, Time};

use super::plot::{Plot, flag_spans};

/// Drawing area, in units of the picture. A phone gets a narrower picture, so that its letters stay readable.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    /// Width.
    pub(crate) width: f64,
    /// Height.
    pub(crate) height: f64,
}

/// Beside a column of text on a desk.
pub(crate) const WIDE: Size = Size {
    width: 840.0,
    height: 280.0,
};
/// The width of a phone.
pub(crate) const NARROW: Size = Size {
    width: 360.0,
    height: 240.0,
};

const LEFT: f64 = 40.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 16.0;
const BOTTOM: f64 = 28.0;
/// Height of the ribbon of flags at the foot of the area.
const RIBBON: f64 = 6.0;

/// The words a picture needs.
#[derive(Clone, Debug)]
pub(crate) struct Words<'a> {
    /// What the picture is, for those who hear it.
    pub(crate) title: &'a str,
    /// `限值 35`.
    pub(crate) limit: &'a str,
    /// `现在`.
    pub(crate) now: &'a str,
}

struct Frame {
    size: Size,
    span: Span,
    top: f64,
}

impl Frame {
    fn x(&self, at: Time) -> f64 {
        let part = at.since(self.span.start) as f64 / self.span.end.since(self.span.start).max(1) as f64;
        LEFT + part.clamp(0.0, 1.0) * (self.size.width - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        let part = (value / self.top).clamp(0.0, 1.0);
        self.size.height - BOTTOM - part * (self.size.height - TOP - BOTTOM)
    }

    fn floor(&self) -> f64 {
        self.size.height - BOTTOM
    }
}

/// Draws it.
pub(crate) fn draw(plot: &Plot, size: Size, words: &Words<'_>) -> String {
    let step = nice_step(plot.top() * 1.08 / 5.0);
    let frame = Frame {
        size,
        span: plot.span,
        top: step * (plot.top() * 1.08 / step).ceil(),
    };
    let mut svg = String::with_capacity(8_192);
    let Size { width, height } = size;
    let title = escape(words.title);
    put(
        &mut svg,
        format_args!(
            "<svg class=\"still\" viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{title}\">\
             <title>{title}</title>"
        ),
    );
    axes(&mut svg, &frame, step, &plot.unit);
    projection(&mut svg, &frame, plot);
    limit(&mut svg, &frame, plot, words);
    now_line(&mut svg, &frame, plot, words);
    minutes(&mut svg, &frame, plot);
    let mean = plot.running_mean();
    put(
        &mut svg,
        format_args!("<polyline class=\"mean\" points=\"{}\"/>", path(&frame, &mean)),
    );
    flags(&mut svg, &frame, plot);
    ticks(&mut svg, &frame, plot);
    svg.push_str("</svg>");
    svg
}

/// Writing to a `String` cannot fail.
fn put(svg: &mut String, text: std::fmt::Arguments<'_>) {
    svg.write_fmt(text).ok();
}

/// 1, 2 or 5 times a power of ten, at least `raw`.
fn nice_step(raw: f64) -> f64 {
    let power = 10_f64.powf(raw.max(1e-6).log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().find(|step| step * power >= raw);
    step.unwrap_or(10.0) * power
}

fn axes(svg: &mut String, frame: &Frame, step: f64, unit: &str) {
    let (right, floor) = (frame.size.width - RIGHT, frame.floor());
    let digits = if step < 0.1 { 2 } else { usize::from(step < 1.0) };
    let mut value = 0.0;
    while value <= frame.top + step / 1_000.0 {
        let y = frame.y(value);
        put(svg, format_args!("<path class=\"axis\" d=\"M{LEFT} {y:.1}H{right}\"/>"));
        let (x, below) = (LEFT - 6.0, y + 4.0);
        put(
            svg,
            format_args!("<text x=\"{x}\" y=\"{below:.1}\" text-anchor=\"end\">{value:.digits$}</text>"),
        );
        value += step;
    }
    put(svg, format_args!("<text x=\"{LEFT}\" y=\"10\">{}</text>", escape(unit)));
    let every = time_step(frame.span, frame.size);
    let mut at = frame.span.start.floor(every);
    while at <= frame.span.end {
        if at >= frame.span.start {
            let x = frame.x(at);
            let end = floor + 4.0;
            put(svg, format_args!("<path class=\"axis\" d=\"M{x:.1} {floor}V{end}\"/>"));
            let (y, word) = (floor + 18.0, time_word(at, every));
            let anchor = if x > right - 20.0 { "end" } else { "middle" };
            put(
                svg,
                format_args!("<text x=\"{x:.1}\" y=\"{y}\" text-anchor=\"{anchor}\">{word}</text>"),
            );
        }
        at = at.plus(every);
    }
}

/// The distance of time marks that leaves about 60 units for each.
fn time_step(span: Span, size: Size) -> i64 {
    let room = ((size.width - LEFT - RIGHT) / 60.0).max(2.0);
    let least = span.end.since(span.start) as f64 / room;
    let steps = [5, 10, 15, 30, 60, 120, 180, 360, 720, 1_440, 2_880, 10_080];
    let minutes = steps.into_iter().find(|&minutes| (minutes * MINUTE_MS) as f64 >= least);
    minutes.unwrap_or(10_080) * MINUTE_MS
}

fn time_word(at: Time, every: i64) -> String {
    if every >= 24 * HOUR_MS {
        let civil = at.civil();
        return format!("{:02}-{:02}", civil.month, civil.day);
    }
    at.hour_minute()
}

fn limit(svg: &mut String, frame: &Frame, plot: &Plot, words: &Words<'_>) {
    let Some(limit) = plot.limit else { return };
    let (y, right) = (frame.y(limit), frame.size.width - RIGHT);
    put(
        svg,
        format_args!("<path class=\"limit\" d=\"M{LEFT} {y:.1}H{right}\"/>"),
    );
    let (above, word) = (y - 5.0, escape(words.limit));
    let x = LEFT + 4.0;
    put(
        svg,
        format_args!("<text class=\"limit-word\" x=\"{x}\" y=\"{above:.1}\">{word}</text>"),
    );
}

fn now_line(svg: &mut String, frame: &Frame, plot: &Plot, words: &Words<'_>) {
    if !frame.span.contains(plot.now) {
        return;
    }
    let (x, floor) = (frame.x(plot.now), frame.floor());
    put(svg, format_args!("<path class=\"now\" d=\"M{x:.1} {TOP}V{floor}\"/>"));
    let (word, y) = (escape(words.now), TOP - 4.0);
    put(
        svg,
        format_args!("<text x=\"{x:.1}\" y=\"{y}\" text-anchor=\"middle\">{word}</text>"),
    );
}

fn projection(svg: &mut String, frame: &Frame, plot: &Plot) {
    let Some(p) = plot.projection else { return };
    let (x0, y0) = (frame.x(p.from), frame.y(p.mean_so_far));
    let (x1, y1) = (frame.x(p.until), frame.y(p.mean));
    let (high, low) = (frame.y(p.mean + p.half_band), frame.y(p.mean - p.half_band));
    put(
        svg,
        format_args!("<path class=\"band\" d=\"M{x0:.1} {y0:.1}L{x1:.1} {high:.1}V{low:.1}Z\"/>"),
    );
    put(
        svg,
        format_args!("<path class=\"projection\" d=\"M{x0:.1} {y0:.1}L{x1:.1} {y1:.1}\"/>"),
    );
}

/// The values that count, broken where one is missing; a lone one is a dot.
fn minutes(svg: &mut String, frame: &Frame, plot: &Plot) {
    let mut run: Vec<(Time, f64)> = Vec::new();
    let mut close = |run: &mut Vec<(Time, f64)>| {
        if let [(at, value)] = run.as_slice() {
            let (x, y) = (frame.x(*at), frame.y(*value));
            put(
                svg,
                format_args!("<circle class=\"dot\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2\"/>"),
            );
        } else if !run.is_empty() {
            put(
                svg,
                format_args!("<polyline class=\"minutes\" points=\"{}\"/>", path(frame, run)),
            );
        }
        run.clear();
    };
    let mut expected = None;
    for point in &plot.points {
        if expected.is_some_and(|expected| expected != point.at) {
            close(&mut run);
        }
        expected = Some(point.at.plus(point.lasts_ms));
        match point.value {
            Some(value) if point.flag.is_none() => run.push((point.at.plus(point.lasts_ms / 2), value)),
            _ => close(&mut run),
        }
    }
    close(&mut run);
}

fn path(frame: &Frame, points: &[(Time, f64)]) -> String {
    points.iter().fold(String::new(), |mut path, (at, value)| {
        let space = if path.is_empty() { "" } else { " " };
        put(
            &mut path,
            format_args!("{space}{:.1},{:.1}", frame.x(*at), frame.y(*value)),
        );
        path
    })
}

fn flags(svg: &mut String, frame: &Frame, plot: &Plot) {
    for (span, why) in flag_spans(&plot.points) {
        let (x, y) = (frame.x(span.start), frame.floor() - RIBBON);
        let (width, why) = ((frame.x(span.end) - x).max(1.0), escape(&why));
        put(
            svg,
            format_args!(
                "<rect class=\"flag\" x=\"{x:.1}\" y=\"{y}\" width=\"{width:.1}\" height=\"{RIBBON}\">\
                 <title>{why}</title></rect>"
            ),
        );
    }
}

fn ticks(svg: &mut String, frame: &Frame, plot: &Plot) {
    for tick in plot.ticks.iter().filter(|tick| frame.span.contains(tick.at)) {
        let (x, floor, head) = (frame.x(tick.at), frame.floor(), frame.floor() - 12.0);
        let (time, word) = (tick.at.hour_minute(), escape(&tick.word));
        put(
            svg,
            format_args!(
                "<g><title>{time} {word}</title><path class=\"tick\" d=\"M{x:.1} {floor}V{head}\"/>\
                 <circle class=\"tick-head\" cx=\"{x:.1}\" cy=\"{head}\" r=\"3.5\"/></g>"
            ),
        );
    }
}

/// Text inside an SVG.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::super::plot::Point;
    use super::*;

    #[test]
    fn steps_are_round() {
        for (raw, step) in [(0.3, 0.5), (1.0, 1.0), (7.4, 10.0), (12.0, 20.0), (430.0, 500.0)] {
            assert!((nice_step(raw) - step).abs() < 1e-9, "{raw}");
        }
    }

    #[test]
    fn a_gap_breaks_the_line_and_words_cannot_break_the_page() {
        let point = |minute: i64, value| Point {
            at: Time(minute * MINUTE_MS),
            lasts_ms: MINUTE_MS,
            value,
            flag: None,
        };
        let plot = Plot {
            span: Span {
                start: Time(0),
                end: Time(HOUR_MS),
            },
            window: None,
            now: Time(30 * MINUTE_MS),
            unit: "<b>".into(),
            points: vec![
                point(0, Some(1.0)),
                point(1, Some(2.0)),
                point(5, Some(3.0)),
                point(6, None),
            ],
            limit: Some(35.0),
            projection: None,
            ticks: Vec::new(),
        };
        let words = Words {
            title: "a \"b\" <script>",
            limit: "35",
            now: "now",
        };
        let svg = draw(&plot, WIDE, &words);
        assert_eq!(svg.matches("<polyline class=\"minutes\"").count(), 1);
        assert_eq!(svg.matches("<circle class=\"dot\"").count(), 1);
        assert!(!svg.contains("<script>") && !svg.contains("<b>"));
    }
}
