//! The file of device keys. Whatever is wrong with it is said without showing a line of it: each may hold a key.

use std::path::Path;

use plume_ingest::hj212::keys::KeyFile;
use plume_ingest::hj212::sm4::KeyRing;

use super::problem::Problem;

/// Keys of a bureau's devices: a hundred bytes each, so ten thousand devices and more.
const MAX_FILE_BYTES: u64 = 4 << 20;

/// Reads the file.
pub(super) fn read(path: &Path) -> Result<KeyRing, Vec<Problem>> {
    let file = path.display().to_string();
    let problem = |message: String, hint: &str| vec![Problem::of_file(&file, message, hint.to_owned())];
    let cannot = |error| {
        problem(
            format!("cannot be read: {error}"),
            "correct `ingest.keys_file`, or empty it",
        )
    };
    let size = std::fs::metadata(path).map_err(cannot)?.len();
    if size > MAX_FILE_BYTES {
        return Err(problem(
            format!("has {size} bytes, expected at most {MAX_FILE_BYTES}"),
            "name a file of keys in `ingest.keys_file`",
        ));
    }
    let text = std::fs::read_to_string(path).map_err(cannot)?;
    let parsed: Result<KeyFile, toml::de::Error> = toml::from_str(&text);
    let rows = parsed.map_err(|error| {
        // The error's own words quote the line.
        let offset = error.span().map_or(0, |span| span.start);
        vec![Problem::at(
            &file,
            &text,
            offset,
            "is no row of a device (the line is not shown: it may hold a key)".to_owned(),
            "a row is `[[device]]` with mn = \"…\" and key = \"…\", where wanted previous = \"…\" and literal = true"
                .to_owned(),
        )]
    })?;
    rows.ring().map_err(|error| problem(error.to_string(), &error.hint()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_never_show_a_key() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys.toml");
        let said = |text: &str| {
            std::fs::write(&path, text).unwrap();
            let problems = read(&path).unwrap_err();
            problems.iter().map(ToString::to_string).collect::<String>()
        };
        for text in [
            "[[device]]\nmn = \"M1\"\nkey = 4711471147114711\n",
            "[[device]]\nmn = \"M1\"\nkey = \"4711",
            "[[device]]\nmn = \"M1\"\nkeys = \"4711471147114711\"\n",
            "[[device]]\nmn = \"M1\"\nkey = \"4711\"\n",
        ] {
            let said = said(text);
            assert!(said.contains("keys.toml") && !said.contains("4711"), "{said}");
        }
        let missing = read(&dir.path().join("none.toml")).unwrap_err();
        assert!(missing[0].to_string().contains("none.toml"), "{}", missing[0]);
        std::fs::write(&path, "[[device]]\nmn = \"M1\"\nkey = \"0123456789abcdef\"\n").unwrap();
        assert!(read(&path).is_ok());
    }
}
