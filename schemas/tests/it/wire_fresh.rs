//! The committed wire code is what the .proto gives.

use crate::fresh::assert_fresh;

#[test]
fn generated_code_is_fresh() {
    let root = env!("CARGO_MANIFEST_DIR");
    let files = protox::compile(["plume/v0/plume.proto"], [format!("{root}/proto")]).unwrap();
    let out = tempfile::tempdir().unwrap();
    prost_build::Config::new()
        .out_dir(out.path())
        .compile_fds(files)
        .unwrap();
    let code = std::fs::read_to_string(out.path().join("plume.v0.rs")).unwrap();
    assert_fresh("src/wire/generated.rs", &code);
}
