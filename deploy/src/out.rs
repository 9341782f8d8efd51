//! What a person reads on standard output. A reader that went away (`plume … | head`) is no error.

use std::fmt::Display;
use std::io::Write;

/// Prints one line.
pub(crate) fn line(text: impl Display) {
    // Whoever reads us may have left; then there is nobody to tell.
    drop(writeln!(std::io::stdout().lock(), "{text}"));
}

/// Prints one line to standard error.
pub(crate) fn complain(text: impl Display) {
    drop(writeln!(std::io::stderr().lock(), "{text}"));
}

/// Standard output for rows; whoever writes to it hears that a reader went away.
pub(crate) fn stream() -> impl Write + Send {
    std::io::stdout()
}
