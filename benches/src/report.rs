//! What a load prints.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use crate::client::{Measured, Plan};
use plume_benches::error::LoadError;

/// Writes to standard output.
pub(crate) fn say(text: &str) -> Result<(), LoadError> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(LoadError::io("writing the result"))
}

/// Prints a table: one row for each server, and the ratios of the last to the first where there are two. Errors: an
/// answer was wrong, or never came.
pub(crate) fn print(rows: &[Measured], plan: &Plan) -> Result<(), LoadError> {
    say(&table(rows, plan))?;
    let wrong = rows.iter().map(|row| row.wrong).sum();
    let missing = rows.iter().map(|row| row.unanswered).sum();
    if wrong + missing == 0 {
        return Ok(());
    }
    Err(LoadError::Answers { wrong, missing })
}

fn table(rows: &[Measured], plan: &Plan) -> String {
    let mut text = format!(
        "{} connections, {} outstanding, {} s{}\n",
        plan.connections,
        plan.outstanding,
        plan.duration.as_secs(),
        if plan.interval.is_zero() {
            String::new()
        } else {
            format!(", one packet in {:?}", plan.interval)
        },
    );
    text.push_str("            answered  wrong  missing  packets/s   p50 us   p99 us  p999 us");
    text.push_str("  cpu us/packet  RSS MiB  KiB/conn\n");
    for row in rows {
        let us = |per_mille| row.latency.quantile(per_mille) as f64 / 1_000.0;
        let cpu = row
            .cpu_us_per_packet()
            .map_or_else(|| "-".to_owned(), |cpu| format!("{cpu:.2}"));
        let (rss, each) = row.rss.map_or_else(
            || ("-".to_owned(), "-".to_owned()),
            |(before, after)| {
                let grown = after.saturating_sub(before) as f64 / 1_024.0 / plan.connections.max(1) as f64;
                (format!("{:.1}", after as f64 / 1_048_576.0), format!("{grown:.1}"))
            },
        );
        // Writing to a String cannot fail.
        let _written = writeln!(
            text,
            "{:<8} {:>11} {:>6} {:>8} {:>10.0} {:>8.1} {:>8.1} {:>8.1} {:>14} {:>8} {:>9}",
            row.name,
            row.answered,
            row.wrong,
            row.unanswered,
            row.rate(),
            us(500),
            us(990),
            us(999),
            cpu,
            rss,
            each,
        );
    }
    if let [base, .., server] = rows {
        let _written = writeln!(text, "ratio    {}", ratios(base, server));
    }
    text
}

fn ratios(base: &Measured, server: &Measured) -> String {
    let rate = server.rate() / base.rate().max(f64::MIN_POSITIVE) * 100.0;
    let cpu = match (server.cpu_us_per_packet(), base.cpu_us_per_packet()) {
        (Some(own), Some(bare)) if bare > 0.0 => format!(", {:.2} times its CPU per packet", own / bare),
        _ => String::new(),
    };
    format!("{rate:.1} % of the {}'s rate{cpu}", base.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use plume_benches::packets::Template;
    use plume_schemas::time::Time;
    use std::time::Duration;

    #[test]
    fn ratios_are_of_the_same_run() {
        let plan = Plan {
            connections: 2,
            outstanding: 1,
            duration: Duration::from_secs(10),
            interval: Duration::ZERO,
            template: Template::new(425, "123456", Time(1_768_629_600_000)).unwrap(),
        };
        let row = |name, answered, cpu_ms| Measured {
            name,
            answered,
            elapsed: Duration::from_secs(10),
            cpu: Some(Duration::from_millis(cpu_ms)),
            rss: Some((1 << 20, 2 << 20)),
            ..Measured::default()
        };
        let text = table(&[row("sink", 100_000, 1_000), row("server", 60_000, 1_200)], &plan);
        assert!(
            text.contains("60.0 % of the sink's rate, 2.00 times its CPU per packet"),
            "{text}"
        );
        assert!(text.contains("512.0"), "1 MiB more on two connections: {text}");
    }
}
