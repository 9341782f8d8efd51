//! Files in the tree that are made from other files: a test makes them anew, and where the committed one differs,
//! puts the new one in its place and fails once, so that running the test again (and committing) is all there is to
//! do.

use std::path::Path;

/// Fails, after refreshing the file, where the file at `relative` (from the crate's root) is not `made`.
pub fn assert_fresh(relative: &str, made: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(relative);
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    if committed != made {
        std::fs::write(&path, made).unwrap();
        panic!("schemas/{relative} had gone stale and was made anew: look at the difference and commit it");
    }
}
