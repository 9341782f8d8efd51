//! The names behind the hyphen of a field (`a21026-ZsAvg`) and the names without one, as the three standards use them.

use plume_schemas::reading::{Basis, Flag, Statistic};

/// What a sub-field is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sub {
    /// A value.
    Value(Statistic, Basis),
    /// A value that keeps its sub-field in the factor's name, so that it does not run together with others of the
    /// factor: `L5-DayData`, `a21026-UpValue`.
    Named,
    /// The flag of the factor's values.
    Flag,
    /// The maker's own state of the instrument.
    MakerFlag,
    /// Known, and no value: when a periodic analyser took its sample, and how.
    Detail,
    /// Not in any of the standards: kept as [`Sub::Named`], with a complaint.
    Unknown,
}

/// A known sub-field in the standards' spelling.
fn spelt(name: &[u8]) -> Option<Sub> {
    use Basis::{Corrected, Raw, Standard};
    use Statistic::{CheckReading, CheckStandard, Data, Hours, Info, Max, Mean, Min, Sample, Serial, State, Total};
    Some(match name {
        b"Rtd" => Sub::Value(Sample, Standard),
        b"Avg" => Sub::Value(Mean, Standard),
        b"Min" => Sub::Value(Min, Standard),
        b"Max" => Sub::Value(Max, Standard),
        b"Cou" => Sub::Value(Total, Standard),
        b"ZsRtd" => Sub::Value(Sample, Corrected),
        b"ZsAvg" => Sub::Value(Mean, Corrected),
        b"ZsMin" => Sub::Value(Min, Corrected),
        b"ZsMax" => Sub::Value(Max, Corrected),
        b"RawRtd" => Sub::Value(Sample, Raw),
        b"RawAvg" => Sub::Value(Mean, Raw),
        b"RawMin" => Sub::Value(Min, Raw),
        b"RawMax" => Sub::Value(Max, Raw),
        b"RS" => Sub::Value(State, Standard),
        b"RT" => Sub::Value(Hours, Standard),
        b"Data" | b"ResultType" | b"Ala" => Sub::Value(Data, Standard),
        b"Info" => Sub::Value(Info, Standard),
        b"SN" => Sub::Value(Serial, Standard),
        b"SampleRd" => Sub::Value(CheckReading, Standard),
        b"StandardValue" => Sub::Value(CheckStandard, Standard),
        b"Flag" => Sub::Flag,
        b"EFlag" => Sub::MakerFlag,
        b"DayData" | b"NightData" | b"UpValue" | b"LowValue" => Sub::Named,
        b"SampleTime" | b"CompleteTime" | b"SampleType" => Sub::Detail,
        _ => return None,
    })
}

/// The same names, for those who spell them in another case.
const SUBS: [&[u8]; 31] = [
    b"Rtd",
    b"Avg",
    b"Min",
    b"Max",
    b"Cou",
    b"ZsRtd",
    b"ZsAvg",
    b"ZsMin",
    b"ZsMax",
    b"RawRtd",
    b"RawAvg",
    b"RawMin",
    b"RawMax",
    b"RS",
    b"RT",
    b"Data",
    b"ResultType",
    b"Ala",
    b"Info",
    b"SN",
    b"SampleRd",
    b"StandardValue",
    b"Flag",
    b"EFlag",
    b"DayData",
    b"NightData",
    b"UpValue",
    b"LowValue",
    b"SampleTime",
    b"CompleteTime",
    b"SampleType",
];

/// Looks a sub-field up: what it is, and whether it was spelt as in the standards.
pub(super) fn sub(name: &[u8]) -> (Sub, bool) {
    if let Some(sub) = spelt(name) {
        return (sub, true);
    }
    let folded = SUBS
        .iter()
        .find(|known| known.eq_ignore_ascii_case(name))
        .and_then(|known| spelt(known));
    folded.map_or((Sub::Unknown, true), |sub| (sub, false))
}

/// What a field without a hyphen is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bare {
    /// The time of the data.
    DataTime,
    /// The time of an alarm (2005), which stands where DataTime would.
    AlarmTime,
    /// Bounds of a query: such a packet asks, it tells nothing.
    Query,
    /// Says what else in the packet is about, or answers a command: no value.
    Qualifier,
    /// Must never be shown or kept as a value.
    Secret,
    /// A value of the site as a whole.
    Value,
    /// Not in any of the standards.
    Unknown,
}

/// Known names without a hyphen.
const BARES: [(&[u8], Bare); 29] = [
    (b"DataTime", Bare::DataTime),
    (b"AlarmTime", Bare::AlarmTime),
    (b"BeginTime", Bare::Query),
    (b"EndTime", Bare::Query),
    (b"PolId", Bare::Qualifier),
    (b"InfoId", Bare::Qualifier),
    (b"QN", Bare::Qualifier),
    (b"CN", Bare::Qualifier),
    (b"PNO", Bare::Qualifier),
    (b"PNUM", Bare::Qualifier),
    (b"QnRtn", Bare::Qualifier),
    (b"ExeRtn", Bare::Qualifier),
    (b"SystemTime", Bare::Qualifier),
    (b"CalibrationType", Bare::Qualifier),
    (b"AlarmTarget", Bare::Qualifier),
    (b"ReportTarget", Bare::Qualifier),
    (b"CstartTime", Bare::Qualifier),
    (b"SKCreateTime", Bare::Qualifier),
    (b"PW", Bare::Secret),
    (b"NewPW", Bare::Secret),
    (b"NewSK", Bare::Secret),
    (b"RestartTime", Bare::Value),
    (b"AlarmType", Bare::Value),
    (b"RtdInterval", Bare::Value),
    (b"MinInterval", Bare::Value),
    (b"OverTime", Bare::Value),
    (b"ReCount", Bare::Value),
    (b"VaseNo", Bare::Value),
    (b"Stime", Bare::Value),
];

/// Looks a name without a hyphen up: what it is, its spelling in the standards, and whether it was spelt so.
pub(super) fn bare(name: &[u8]) -> (Bare, bool) {
    let known = BARES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    // 2005 writes PolID and CTime, WarnTime and ReportTime are its own.
    match known {
        Some((spelt, bare)) => (*bare, *spelt == name || name == b"PolID"),
        None if [b"Ctime".as_slice(), b"WarnTime", b"ReportTime"]
            .iter()
            .any(|k| k.eq_ignore_ascii_case(name)) =>
        {
            (Bare::Value, true)
        }
        None => (Bare::Unknown, true),
    }
}

/// A data flag by its letters: what it is, and whether it was spelt as in the standards.
pub(super) fn flag(text: &[u8]) -> (Flag, bool) {
    let exact = |text: &str| Flag::from_code(text).filter(|flag| !matches!(flag, Flag::Missing | Flag::Unknown));
    if text == b"N" {
        return (Flag::Normal, true);
    }
    let Ok(text) = std::str::from_utf8(text) else {
        return (Flag::Unknown, true);
    };
    if let Some(flag) = exact(text) {
        return (flag, true);
    }
    let flag = if text.eq_ignore_ascii_case("td") {
        Some(Flag::ConditionFault)
    } else {
        exact(&text.to_ascii_uppercase())
    };
    flag.map_or((Flag::Unknown, true), |flag| (flag, false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_is_listed_twice() {
        for (at, name) in SUBS.iter().enumerate() {
            assert!(spelt(name).is_some());
            assert!(!SUBS.iter().skip(at + 1).any(|other| other.eq_ignore_ascii_case(name)));
        }
        for (at, (name, _)) in BARES.iter().enumerate() {
            assert!(
                !BARES
                    .iter()
                    .skip(at + 1)
                    .any(|(other, _)| other.eq_ignore_ascii_case(name))
            );
        }
    }

    #[test]
    fn spelling_is_forgiven_and_told() {
        assert_eq!(sub(b"Avg"), (Sub::Value(Statistic::Mean, Basis::Standard), true));
        assert_eq!(sub(b"zsavg"), (Sub::Value(Statistic::Mean, Basis::Corrected), false));
        assert_eq!(sub(b"Ua"), (Sub::Unknown, true));
        assert_eq!(bare(b"Datatime"), (Bare::DataTime, false));
        assert_eq!(flag(b"N"), (Flag::Normal, true));
        assert_eq!(flag(b"n"), (Flag::Normal, false));
        assert_eq!(flag(b"Td"), (Flag::ConditionFault, true));
        assert_eq!(flag(b"3"), (Flag::Unknown, true));
        assert_eq!(flag(b"-"), (Flag::Unknown, true));
    }
}
