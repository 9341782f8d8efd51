//! The facts of a judgement as words: rounded so that the text stays true, with unit, basis and time.

use plume_schemas::check::CheckPoint;
use plume_schemas::decimal::Decimal;
use plume_schemas::factors::Catalogue;
use plume_schemas::judgement::{FactKey, FactValue, Judgement, NotJudged, Pane, Verdict};
use plume_schemas::reading::Basis;
use plume_schemas::time::DAY_MS;

use super::Lang;
use crate::book::Ended;
use crate::case::Certainty;

/// Most digits behind the point that a headline shows.
const MAX_DIGITS: u8 = 4;

/// Looks up the facts a sentence names.
pub(super) struct Facts<'a> {
    pub(super) judgement: &'a Judgement,
    pub(super) certainty: Certainty,
    pub(super) catalogue: &'a Catalogue,
    pub(super) lang: Lang,
}

impl Facts<'_> {
    /// The fact of that name as text; `None` where the judgement does not have it.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        let judgement = self.judgement;
        match name {
            "window" => Some(self.window()),
            "date" => Some(judgement.window.start.date()),
            "rule" => Some(self.lang.pick(judgement.rule.zh(), judgement.rule.en()).to_owned()),
            "unit" => Some(self.unit()),
            "basis" => Some(self.basis()),
            "limit" => Some(self.decimal(FactKey::Limit)?.to_string()),
            "limit_source" => self.limit_source(),
            "projected" => self.above_limit(FactKey::Projected),
            "mean" => self.above_limit(FactKey::Mean),
            "headroom" => self.headroom(),
            "hopeless" => judgement
                .number(FactKey::Headroom)
                .filter(|&h| h <= 0.0)
                .map(|_| String::new()),
            "below" => (judgement.number(FactKey::Projected)? <= judgement.number(FactKey::Limit)?).then(String::new),
            "exceed_ratio" => judgement.number(FactKey::ExceedRatio).map(exceed_ratio),
            "preliminary" => (self.certainty == Certainty::Preliminary).then(String::new),
            "ended" => (judgement.pane != Pane::Early).then(String::new),
            "over" => (Ended::said_by(judgement) == Ended::Exceeded).then(String::new),
            "not_judged" => self.not_judged(),
            "narrow" => self.reason_is("narrow_range"),
            "offline" => self.reason_is("offline"),
            "hour_gap" => self.reason_is("hour"),
            "minute_gap" => self.reason_is("minute"),
            "excused" => self.reason_is("excused"),
            "name" => self.plain(FactKey::Name),
            "since" => match judgement.fact(FactKey::Since)? {
                FactValue::Time(at) => Some(format!("{} {}", at.date(), at.hour_minute())),
                _ => None,
            },
            "minutes_left" => self.whole(FactKey::MinutesLeft),
            "lasted" => self.whole(FactKey::LastedMinutes),
            "flow_change" => judgement
                .number(FactKey::FlowChange)
                .filter(|pct| pct.is_finite())
                .map(|pct| number(pct.abs(), 0)),
            "usual" => self.plain(FactKey::Usual),
            "moved" => self
                .judgement
                .number(FactKey::Moved)
                .map(|moved| format!("{moved:+.1}")),
            "slow" => self.reason_is("ewma"),
            "rebased" => self.reason_is("rebased"),
            "point" => self.point(),
            "drift" => judgement.number(FactKey::DriftPct).map(|drift| format!("{drift:+.2}")),
            "out_limit" => self.plain(FactKey::OutLimit),
            "drifted_out" => self.reason_is("beyond_out_limit"),
            "drifted" => self.reason_is("beyond_required"),
            "trend_beyond" => self.reason_is("trend_beyond"),
            "adjusted" => self.reason_is("adjusted"),
            "days" => self.whole(FactKey::Days),
            "count" => self.whole(FactKey::Count),
            "of" => self.whole(FactKey::Of),
            "value" => self.plain(FactKey::Value),
            "reported" => self.plain(FactKey::Reported),
            "recomputed" => self.plain(FactKey::Recomputed),
            "threshold" => self.plain(FactKey::Threshold),
            "difference" => judgement.number(FactKey::DifferencePct).map(|pct| number(pct, 1)),
            "slope" => judgement
                .number(FactKey::SlopePerDay)
                .map(|slope| format!("{slope:+.2}")),
            _ => None,
        }
    }

    fn reason(&self) -> Option<String> {
        match self.judgement.fact(FactKey::Reason)? {
            FactValue::Text(text) => Some(text.as_str().to_owned()),
            _ => None,
        }
    }

    /// An empty text where the judgement's reason is this one.
    fn reason_is(&self, code: &str) -> Option<String> {
        self.reason().filter(|reason| reason == code).map(|_| String::new())
    }

    /// Which end of the range was checked.
    fn point(&self) -> Option<String> {
        let point = match self.judgement.fact(FactKey::Point)? {
            FactValue::Text(code) => CheckPoint::from_code(code.as_str()),
            _ => None,
        }?;
        Some(self.lang.pick(point.zh(), point.en()).to_owned())
    }

    /// Why a window was not judged: by its verdict, or by the reason with which a warning ended.
    fn not_judged(&self) -> Option<String> {
        let reason = match self.judgement.verdict {
            Verdict::NotJudged(reason) => Some(reason),
            Verdict::Fine => NotJudged::from_code(&self.reason()?),
            Verdict::Breach(_) => None,
        }?;
        Some(self.lang.pick(reason.zh(), reason.en()).to_owned())
    }

    /// `14:00—15:00`, or the day.
    fn window(&self) -> String {
        let window = self.judgement.window;
        if window.end.since(window.start) >= DAY_MS {
            return window.start.date();
        }
        let dash = self.lang.pick("—", "–");
        // The hour before midnight ends at 24:00 of its own day.
        let end = match window.end.hour_minute() {
            end if end == "00:00" => "24:00".to_owned(),
            end => end,
        };
        format!("{}{dash}{end}", window.start.hour_minute())
    }

    /// ` mg/m³`, with the space before it; nothing where the factor has no unit.
    fn unit(&self) -> String {
        let unit = self.judgement.factor.and_then(|factor| self.catalogue.unit(factor));
        match unit.map(|unit| self.lang.pick(unit.zh(), unit.en())) {
            None | Some("") => String::new(),
            Some(unit) => format!(" {unit}"),
        }
    }

    fn basis(&self) -> String {
        let basis = match self.judgement.fact(FactKey::Basis) {
            Some(FactValue::Text(code)) => Basis::from_code(code.as_str()),
            _ => None,
        };
        match (basis, self.lang) {
            (Some(Basis::Corrected), Lang::Zh) => "折算",
            (Some(Basis::Corrected), Lang::En) => "corrected ",
            (Some(Basis::Standard), Lang::Zh) => "标干",
            (Some(Basis::Standard), Lang::En) => "dry standard ",
            (Some(Basis::Raw), Lang::Zh) => "工况",
            (Some(Basis::Raw), Lang::En) => "as-measured ",
            (None, _) => "",
        }
        .to_owned()
    }

    fn limit_source(&self) -> Option<String> {
        match self.judgement.fact(FactKey::LimitSource)? {
            FactValue::Text(text) if text.as_str() == "permit" => {
                Some(self.lang.pick("排污许可证", "discharge permit").to_owned())
            }
            FactValue::Text(text) if !text.is_empty() => Some(text.as_str().to_owned()),
            _ => None,
        }
    }

    fn decimal(&self, key: FactKey) -> Option<Decimal> {
        match self.judgement.fact(key)? {
            FactValue::Decimal(decimal) => Some(decimal),
            FactValue::Float(value) => Decimal::from_f64(value, 2),
            FactValue::Int(value) => Decimal::new(value, 0),
            FactValue::Time(_) | FactValue::Text(_) => None,
        }
    }

    /// One digit more than the limit is written with, at least one.
    fn digits(&self) -> u8 {
        self.decimal(FactKey::Limit)
            .map_or(2, |limit| (limit.scale + 1).min(MAX_DIGITS))
    }

    /// A value compared with the limit: where rounding would hide that it is above, more digits are shown.
    fn above_limit(&self, key: FactKey) -> Option<String> {
        let value = self.judgement.number(key).filter(|value| value.is_finite())?;
        let Some(limit) = self.decimal(FactKey::Limit) else {
            return Some(number(value, 2));
        };
        for digits in self.digits()..=MAX_DIGITS {
            let shown = Decimal::from_f64(value, digits)?;
            let hidden = value > limit.to_f64() && !shown.compare(limit).is_gt();
            if !hidden || digits == MAX_DIGITS {
                return Some(shown.to_string());
            }
        }
        None
    }

    /// Rounded down: what is promised to be enough must be enough.
    fn headroom(&self) -> Option<String> {
        let value = self
            .judgement
            .number(FactKey::Headroom)
            .filter(|value| value.is_finite() && *value > 0.0)?;
        let digits = self.digits();
        let step = 10_f64.powi(i32::from(digits));
        // A hair is added first, so that 28.4 kept as 28.399999999999999 stays 28.4.
        Decimal::from_f64((value * step + 1e-6).floor() / step, digits).map(|shown| shown.to_string())
    }

    fn whole(&self, key: FactKey) -> Option<String> {
        self.judgement
            .number(key)
            .filter(|value| value.is_finite())
            .map(|value| number(value, 0))
    }

    /// As typed where it is a decimal; two digits where it was computed.
    fn plain(&self, key: FactKey) -> Option<String> {
        match self.judgement.fact(key)? {
            FactValue::Decimal(decimal) => Some(decimal.to_string()),
            FactValue::Float(value) => Some(number(value, 2)).filter(|_| value.is_finite()),
            FactValue::Int(value) => Some(value.to_string()),
            FactValue::Text(text) => Some(text.as_str().to_owned()),
            FactValue::Time(at) => Some(at.hour_minute()),
        }
    }
}

/// A number with so many digits behind the point, half to even.
pub fn number(value: f64, digits: u8) -> String {
    Decimal::from_f64(value, digits).map_or_else(|| value.to_string(), |shown| shown.to_string())
}

/// 超标倍数 with two digits; more where two would show nothing.
pub fn exceed_ratio(ratio: f64) -> String {
    (2..=MAX_DIGITS)
        .map(|digits| number(ratio, digits))
        .find(|shown| shown.bytes().any(|b| (b'1'..=b'9').contains(&b)))
        .unwrap_or_else(|| number(ratio, 2))
}
