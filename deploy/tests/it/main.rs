//! Integration tests of the binary and of the house as a whole.

mod tidy;
