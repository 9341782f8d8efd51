//! Writing cases and their trace.
