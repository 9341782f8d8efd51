//! What a process costs, read from /proc, and the sink as a process of its own.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use plume_benches::error::LoadError;

/// Clock ticks a second of /proc/PID/stat: 100 on every Linux that user programs see (`getconf CLK_TCK`).
const TICKS_PER_SECOND: u64 = 100;

/// CPU time and memory of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) cpu: Duration,
    pub(crate) rss_bytes: u64,
}

impl Usage {
    pub(crate) fn of(pid: u32) -> Result<Self, LoadError> {
        let read = |file: &str| {
            let path = format!("/proc/{pid}/{file}");
            fs::read_to_string(&path).map_err(LoadError::io(&path))
        };
        let wrong = || LoadError::Io(format!("/proc/{pid}"), io::Error::from(io::ErrorKind::InvalidData));
        Ok(Self {
            cpu: cpu_of(&read("stat")?).ok_or_else(wrong)?,
            rss_bytes: rss_of(&read("status")?).ok_or_else(wrong)?,
        })
    }
}

/// User and system time: fields 14 and 15. The name in parentheses may hold spaces, so fields are counted behind it.
fn cpu_of(stat: &str) -> Option<Duration> {
    let behind_name = stat.rsplit_once(')')?.1;
    let mut fields = behind_name.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(Duration::from_millis((user + system) * 1_000 / TICKS_PER_SECOND))
}

fn rss_of(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1_024)
}

/// `plume-load sink` as a child; killed when dropped.
#[derive(Debug)]
pub(crate) struct SinkProcess {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl SinkProcess {
    pub(crate) fn start() -> Result<Self, LoadError> {
        let program = std::env::current_exe().map_err(LoadError::io("finding this program"))?;
        let mut child = Command::new(program)
            .arg("sink")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(LoadError::io("starting the sink"))?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout)
                .read_line(&mut line)
                .map_err(LoadError::io("reading the sink's address"))?;
        }
        let Ok(address) = line.trim().parse() else {
            stop(&mut child);
            return Err(LoadError::Sink(line));
        };
        Ok(Self { child, address })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for SinkProcess {
    fn drop(&mut self) {
        stop(&mut self.child);
    }
}

fn stop(child: &mut Child) {
    // Fails only when the child has ended already, which is what is wanted.
    let _ended = child.kill().and_then(|()| child.wait());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_proc_says() {
        let stat = "42 (a) b) S 1 42 42 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 3 0 100 1 1";
        assert_eq!(cpu_of(stat), Some(Duration::from_secs(3)));
        assert_eq!(rss_of("Name:\tx\nVmRSS:\t    2048 kB\n"), Some(2_097_152));
        assert_eq!((cpu_of("broken"), rss_of("Name: x")), (None, None));
    }

    #[test]
    fn knows_its_own_process() {
        let usage = Usage::of(std::process::id()).unwrap();
        assert!(usage.rss_bytes > 100_000);
        assert!(matches!(Usage::of(u32::MAX), Err(LoadError::Io(..))));
    }
}
