//! Charts as pictures: panels over one axis of time, as SVG. Series in, text out; every word that comes in is escaped.
//!
//! What a line or a mark means never rests on its colour alone: lines differ in their dashes, marks in their shape and
//! words.

use plume_schemas::time::{DAY_MS, HOUR_MS, Span, Time};

const WIDTH: f64 = 1100.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 150.0;
/// Title and description.
const HEAD: f64 = 58.0;
/// Above each panel, for its title.
const GAP: f64 = 30.0;
/// Below the last, for the axis of time.
const FOOT: f64 = 34.0;
/// Most labels of the axis of time.
const MAX_TICKS: i64 = 9;
/// Lines across a panel, about.
const GRID: f64 = 4.0;
/// Steps of the axis of time.
const STEPS_MS: [i64; 10] = [
    HOUR_MS,
    6 * HOUR_MS,
    12 * HOUR_MS,
    DAY_MS,
    2 * DAY_MS,
    7 * DAY_MS,
    14 * DAY_MS,
    30 * DAY_MS,
    91 * DAY_MS,
    365 * DAY_MS,
];

/// How a series looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// What was measured: an unbroken line.
    Measured,
    /// What is usual: a dashed line.
    Usual,
    /// A statistic upwards: an unbroken line.
    High,
    /// A statistic downwards: a dotted line.
    Low,
    /// Single observations: circles.
    Dots,
    /// Single observations of another kind: squares.
    Squares,
}

impl Style {
    /// Colour and dashes.
    fn look(self) -> (&'static str, &'static str) {
        match self {
            Self::Measured | Self::Dots => ("#1f4e79", ""),
            Self::Usual => ("#777777", "6 4"),
            Self::High | Self::Squares => ("#b35900", ""),
            Self::Low => ("#00736b", "2 3"),
        }
    }
}

/// A series of a panel.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// What it is called.
    pub name: String,
    /// How it looks.
    pub style: Style,
    /// Its observations in order of time, units of the panel; a line is broken where there is none.
    pub points: Vec<(Time, Option<f64>)>,
}

/// A limit: a level across the panel.
#[derive(Clone, Debug, PartialEq)]
pub struct Limit {
    /// What it is called.
    pub name: String,
    /// Where it is, units of the panel.
    pub value: f64,
}

/// One panel.
#[derive(Clone, Debug, PartialEq)]
pub struct Panel {
    /// What it shows, with its unit.
    pub title: String,
    /// Height of its area, pixels.
    pub height: f64,
    /// Series, drawn in this order.
    pub lines: Vec<Line>,
    /// Limits.
    pub limits: Vec<Limit>,
}

/// What is marked in every panel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkKind {
    /// A chart signalled: an unbroken upright with a triangle.
    Signal,
    /// The change began, by estimate: a dashed upright with a diamond.
    Change,
}

/// A moment that is marked.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// When.
    pub at: Time,
    /// What it is.
    pub kind: MarkKind,
    /// In words, shown where one points at it.
    pub text: String,
}

/// A picture: panels one below the other, over one span.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// What it is of.
    pub title: String,
    /// What it says, for those who cannot see it; shown below the title.
    pub words: String,
    /// From left to right.
    pub span: Span,
    /// From top to bottom.
    pub panels: Vec<Panel>,
    /// Across all panels.
    pub marks: Vec<Mark>,
}

/// A panel's area: its top, height, and the values at its ends.
#[derive(Clone, Copy)]
struct Area {
    top: f64,
    height: f64,
    low: f64,
    high: f64,
    step: f64,
}

impl Area {
    fn y(&self, value: f64) -> f64 {
        let share = ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0);
        self.top + self.height * (1.0 - share)
    }
}

/// A step of 1, 2 or 5 times a power of ten, not below `rough`.
fn nice(rough: f64) -> f64 {
    let power = 10.0_f64.powf(rough.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
    steps.into_iter().find(|&step| step >= rough * 0.999).unwrap_or(rough)
}

fn area(panel: &Panel, top: f64) -> Area {
    let seen = panel
        .lines
        .iter()
        .flat_map(|line| &line.points)
        .filter_map(|&(_, value)| value);
    let all = seen
        .chain(panel.limits.iter().map(|limit| limit.value))
        .filter(|value| value.is_finite());
    let (low, high) = all.fold((0.0_f64, 0.0_f64), |(low, high), value| {
        (low.min(value), high.max(value))
    });
    let step = nice((high - low).max(1e-9) / GRID);
    Area {
        top,
        height: panel.height,
        low: (low / step).floor() * step,
        // A panel of nothing but zeros still has a height.
        high: ((high * 1.02 / step).ceil() * step).max((low / step).floor() * step + step),
        step,
    }
}

/// Text that may stand in XML; control characters, which may not, are left out.
fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            letter if letter.is_control() => {}
            letter => safe.push(letter),
        }
    }
    safe
}

/// Writes a line.
fn put(svg: &mut String, what: std::fmt::Arguments<'_>) {
    svg.push_str(&what.to_string());
    svg.push('\n');
}

impl Picture {
    fn x(&self, at: Time) -> f64 {
        let share = at.since(self.span.start) as f64 / self.span.end.since(self.span.start).max(1) as f64;
        LEFT + share.clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT)
    }

    /// The picture as SVG 1.1, complete in itself: no script, no reference to anything outside.
    pub fn svg(&self) -> String {
        let inner: f64 = self.panels.iter().map(|panel| panel.height + GAP).sum();
        let (height, bottom) = (HEAD + inner + FOOT, HEAD + inner);
        let (title, words) = (escape(&self.title), escape(&self.words));
        let mut svg = String::new();
        put(
            &mut svg,
            format_args!(
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
                 height=\"{height}\" role=\"img\" font-family=\"sans-serif\" font-size=\"12\">\n\
                 <title>{title}</title>\n<desc>{words}</desc>\n\
                 <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
                 <text x=\"{LEFT}\" y=\"22\" font-size=\"16\" font-weight=\"bold\">{title}</text>\n\
                 <text x=\"{LEFT}\" y=\"42\" fill=\"#333333\">{words}</text>"
            ),
        );
        let mut top = HEAD;
        for panel in &self.panels {
            top += GAP;
            self.panel(&mut svg, panel, &area(panel, top));
            top += panel.height;
        }
        self.axis(&mut svg, bottom);
        for mark in &self.marks {
            self.mark(&mut svg, mark, bottom);
        }
        svg.push_str("</svg>\n");
        svg
    }

    fn panel(&self, svg: &mut String, panel: &Panel, area: &Area) {
        let (right, above) = (WIDTH - RIGHT, area.top - 8.0);
        put(
            svg,
            format_args!("<text x=\"{LEFT}\" y=\"{above:.1}\">{}</text>", escape(&panel.title)),
        );
        let mut value = area.low;
        while value <= area.high + area.step / 2.0 {
            let (y, decimals) = (
                area.y(value),
                if area.step < 0.1 {
                    3
                } else {
                    usize::from(area.step < 1.0)
                },
            );
            // Rounding may leave a zero with a sign.
            let shown = if value.abs() < area.step / 2.0 { 0.0 } else { value };
            put(
                svg,
                format_args!(
                    "<path d=\"M{LEFT} {y:.1}H{right}\" stroke=\"#dddddd\"/><text x=\"{:.1}\" y=\"{:.1}\" \
                     text-anchor=\"end\" fill=\"#333333\">{shown:.decimals$}</text>",
                    LEFT - 6.0,
                    y + 4.0
                ),
            );
            value += area.step;
        }
        for limit in panel.limits.iter().filter(|limit| limit.value.is_finite()) {
            let y = area.y(limit.value);
            put(
                svg,
                format_args!(
                    "<path d=\"M{LEFT} {y:.1}H{right}\" stroke=\"#a4001d\" stroke-dasharray=\"10 4\"/><text \
                     x=\"{:.1}\" y=\"{:.1}\" fill=\"#a4001d\">{}</text>",
                    right + 6.0,
                    y + 4.0,
                    escape(&limit.name)
                ),
            );
        }
        let mut legend = right;
        for line in panel.lines.iter().rev() {
            self.line(svg, line, area);
            let (color, dashes) = line.style.look();
            // Letters of Chinese are as wide as they are high.
            let width: f64 = line
                .name
                .chars()
                .map(|letter| if letter.is_ascii() { 7.0 } else { 12.0 })
                .sum();
            legend -= width + 40.0;
            put(
                svg,
                format_args!(
                    "<path d=\"M{legend:.1} {:.1}h22\" stroke=\"{color}\" stroke-width=\"1.8\" \
                     stroke-dasharray=\"{dashes}\"/><text x=\"{:.1}\" y=\"{above:.1}\">{}</text>",
                    above - 4.0,
                    legend + 26.0,
                    escape(&line.name)
                ),
            );
        }
    }

    fn line(&self, svg: &mut String, line: &Line, area: &Area) {
        let (color, dashes) = line.style.look();
        let place = |&(at, value): &(Time, Option<f64>)| value.map(|value| (self.x(at), area.y(value)));
        if matches!(line.style, Style::Dots | Style::Squares) {
            for (x, y) in line.points.iter().filter_map(place) {
                let shape = if line.style == Style::Dots {
                    format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{color}\"/>")
                } else {
                    let (x, y) = (x - 4.0, y - 4.0);
                    format!(
                        "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"8\" height=\"8\" fill=\"none\" stroke=\"{color}\"/>"
                    )
                };
                put(svg, format_args!("{shape}"));
            }
            return;
        }
        let (mut path, mut down) = (String::new(), false);
        for point in &line.points {
            let Some((x, y)) = place(point) else {
                down = false;
                continue;
            };
            // A point alone is a line of no length: a round dot.
            let (to, end) = if down { ("L", "") } else { ("M", "h0") };
            path.extend([to.to_owned(), format!("{x:.1} {y:.1}"), end.to_owned()]);
            down = true;
        }
        put(
            svg,
            format_args!(
                "<path d=\"{path}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"1.4\" stroke-linecap=\"round\" \
                 stroke-dasharray=\"{dashes}\"/>"
            ),
        );
    }

    fn axis(&self, svg: &mut String, bottom: f64) {
        let length = self.span.end.since(self.span.start);
        let step = STEPS_MS.into_iter().find(|step| length / step <= MAX_TICKS);
        let step = step.unwrap_or(length / MAX_TICKS).max(1);
        let mut at = self.span.start.floor(step);
        while at <= self.span.end {
            if at >= self.span.start {
                let (x, y) = (self.x(at), bottom + 18.0);
                let text = if at == at.floor(DAY_MS) {
                    at.date()
                } else {
                    at.hour_minute()
                };
                put(
                    svg,
                    format_args!(
                        "<path d=\"M{x:.1} {bottom}v5\" stroke=\"#333333\"/><text x=\"{x:.1}\" y=\"{y:.1}\" \
                         text-anchor=\"middle\" fill=\"#333333\">{text}</text>"
                    ),
                );
            }
            at = at.plus(step);
        }
    }

    fn mark(&self, svg: &mut String, mark: &Mark, bottom: f64) {
        let (x, top) = (self.x(mark.at), HEAD + 6.0);
        let (color, dashes, shape) = match mark.kind {
            MarkKind::Signal => ("#a4001d", "", "l5 -9h-10z"),
            MarkKind::Change => ("#6b3fa0", "4 3", "l5 -5l-5 -5l-5 5z"),
        };
        put(
            svg,
            format_args!(
                "<g><title>{}</title><path d=\"M{x:.1} {top}V{bottom}\" stroke=\"{color}\" \
                 stroke-dasharray=\"{dashes}\"/><path d=\"M{x:.1} {top}{shape}\" fill=\"{color}\"/></g>",
                escape(&mark.text)
            ),
        );
    }
}
