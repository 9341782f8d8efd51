//! Notices as lines on the terminal: what the demo shows, and a way to try routes without a mail server.

use std::fmt;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Outgoing, SendError};
use crate::store::mask;

/// Writes notices to whatever it is given.
#[derive(Clone)]
pub struct ConsoleSink(Arc<Mutex<dyn Write + Send>>);

impl ConsoleSink {
    /// A console on this output.
    pub fn new(output: impl Write + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(output)))
    }

    /// Writes one notice: the channel, the receiver, and what is said, without the footer.
    pub(super) fn send(&self, outgoing: &Outgoing) -> Result<(), SendError> {
        let mut lines = format!(
            "{} → {} {}\n    {}\n",
            outgoing.lang.pick(outgoing.channel.zh(), outgoing.channel.en()),
            outgoing.receiver,
            mask(&outgoing.address),
            outgoing.message.subject,
        );
        // Place and time, or the subject again, stand before the first empty line; the footer after the last is for
        // the receiver.
        let paragraphs: Vec<&str> = outgoing.message.text.split("\n\n").collect();
        for line in paragraphs
            .iter()
            .skip(1)
            .rev()
            .skip(1)
            .rev()
            .flat_map(|paragraph| paragraph.lines())
        {
            lines.extend(["    ", line, "\n"]);
        }
        let mut output = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        output
            .write_all(lines.as_bytes())
            .and_then(|()| output.flush())
            .map_err(|error| SendError::Later {
                channel: outgoing.channel,
                detail: error.to_string(),
            })
    }
}

impl fmt::Debug for ConsoleSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ConsoleSink")
    }
}
