//! Every file of deploy/examples is loaded.

use std::path::Path;

use crate::support::Site;

#[test]
fn the_examples_check() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let site = Site::new("");
    for entry in std::fs::read_dir(examples).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            // Register maps: tests/it/modbus.rs.
            continue;
        }
        std::fs::copy(&path, site.dir.path().join(path.file_name().unwrap())).unwrap();
    }
    for config in ["plume.toml", "channels.toml", "relay.toml"] {
        let (fine, text) = site.plume(&["check", "--config", config]);
        assert!(fine && !text.contains("warning"), "{config}: {text}");
    }
}
