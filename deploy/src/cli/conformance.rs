//! What `plume conformance` takes.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use plume_schemas::ids::Mn;

use super::archive::Place;

const EXAMPLES: &str = "\
示例 / Examples:
  plume conformance --mn 010000A8900016F000169DC0                  近 24 小时的报文 / the packets of the last 24 hours
  plume conformance --mn 010000A8900016F000169DC0 --last 7d --json
  plume conformance --listen :9312                                现场：设备连到本机 / on site: the device connects here
  plume conformance --listen :9312 --seconds 600 --keep 现场.log

逐项对照 HJ 212-2025：版本、包格式、字段、时钟、间隔、补传、加密、单位、折算、小时与分钟、标样核查，
每处给出条款、次数、示例报文和改法。
Against HJ 212-2025 item by item: edition, frame, fields, clock, intervals, backfill, encryption, units, corrected
values, hours and minutes, zero and span; each departure with clause, count, example and what to change.

现场模式把报文先写入 --keep 文件再应答；事后可用 plume simulate --from 该文件 补给平台。
On site each packet is written to the --keep file before it is answered; plume simulate --from FILE sends them on.

不符合时返回非零 / fails where the device does not conform";

/// Arguments of `conformance`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ConformanceArgs {
    /// 设备 MN / which device
    #[arg(long, required_unless_present = "listen")]
    pub(crate) mn: Option<Mn>,
    /// 看最近多久的报文 / how far back: 90m, 24h, 7d (at most 31d)
    #[arg(long, default_value = "24h", value_parser = hours, conflicts_with = "listen")]
    pub(crate) last: Last,
    /// 现场监听地址，设备直接连接 / listen here for the device itself: :PORT or ADDRESS:PORT
    #[arg(long, value_parser = listen)]
    pub(crate) listen: Option<SocketAddr>,
    /// 现场：多少秒后结束，0 为直到 Ctrl-C / on site: stop after so many seconds (0: until Ctrl-C)
    #[arg(long, default_value_t = 0, requires = "listen")]
    pub(crate) seconds: u64,
    /// 现场：报文存入该文件 / on site: the file packets are kept in
    #[arg(long, default_value = "conformance.log", requires = "listen")]
    pub(crate) keep: PathBuf,
    /// 输出语言 / language: zh or en
    #[arg(long, default_value = "zh", value_parser = ["zh", "en"])]
    pub(crate) lang: String,
    /// 输出 JSON / print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// 在哪里 / where
    #[command(flatten)]
    pub(crate) place: Place,
}

/// A length of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Last {
    /// In milliseconds.
    pub(crate) ms: i64,
}

/// The longest time a report covers, minutes: what the inspector keeps.
const MAX_MINUTES: i64 = 31 * 24 * 60;

/// `90m`, `24h`, `7d`.
pub(crate) fn hours(text: &str) -> Result<Last, String> {
    let expected = || "expected minutes, hours or days up to 31d, such as 90m, 24h, 7d".to_owned();
    let units = [("m", 1), ("h", 60), ("d", 24 * 60)];
    let found = units.iter().find_map(|(unit, minutes)| {
        let count: i64 = text.strip_suffix(unit)?.parse().ok()?;
        count.checked_mul(*minutes)
    });
    let minutes = found.filter(|minutes| (1..=MAX_MINUTES).contains(minutes));
    minutes
        .map(|minutes| Last { ms: minutes * 60_000 })
        .ok_or_else(expected)
}

/// `:9312` is every address of this host.
fn listen(text: &str) -> Result<SocketAddr, String> {
    let whole = if text.starts_with(':') {
        format!("0.0.0.0{text}")
    } else {
        text.to_owned()
    };
    whole.parse().map_err(|_| "expected :PORT or ADDRESS:PORT".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_addresses_as_people_write_them() {
        assert_eq!(hours("24h").unwrap().ms, 86_400_000);
        assert_eq!(hours("90m").unwrap().ms, 5_400_000);
        assert_eq!(hours("31d").unwrap().ms, 31 * 86_400_000);
        for wrong in ["", "24", "0h", "32d", "-1h", "h", "9999999999999999999d"] {
            assert!(hours(wrong).is_err(), "{wrong}");
        }
        assert_eq!(listen(":9312").unwrap().to_string(), "0.0.0.0:9312");
        assert_eq!(listen("127.0.0.1:0").unwrap().to_string(), "127.0.0.1:0");
        assert!(listen("9312").is_err());
    }
}
