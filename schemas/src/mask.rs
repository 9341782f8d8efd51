//! Passwords and keys in packets: kept in the archive, because evidence is exact, and masked wherever a packet is
//! shown.

/// The bytes with every secret replaced by as many asterisks; length and everything else stay, so a checksum no longer
/// fits.
///
/// A secret is what stands behind `PW=` or `NewSK=` in any case, `NewPW=` included, up to the next separator.
pub fn masked(raw: &[u8]) -> Vec<u8> {
    let mut out = raw.to_vec();
    let mut at = 0;
    while let Some(rest) = out.get(at..).filter(|rest| !rest.is_empty()) {
        let Some(key) = KEYS.iter().find(|key| begins_with(rest, key)) else {
            at += 1;
            continue;
        };
        let value = at + key.len();
        let rest = out.get_mut(value..).unwrap_or_default();
        let end = rest
            .iter()
            .position(|byte| b";,&\r\n".contains(byte))
            .unwrap_or(rest.len());
        if let Some(secret) = rest.get_mut(..end) {
            secret.fill(b'*');
        }
        at = value + end;
    }
    out
}

/// Names of secrets; `PW=` ends `NewPW=` too.
const KEYS: [&[u8]; 2] = [b"PW=", b"NewSK="];

fn begins_with(bytes: &[u8], key: &[u8]) -> bool {
    bytes
        .get(..key.len())
        .is_some_and(|head| head.eq_ignore_ascii_case(key))
}

/// The bytes as text for a person: secrets masked, UTF-8 kept, the rest escaped.
pub fn shown(raw: &[u8]) -> String {
    let mut text = String::new();
    for chunk in masked(raw).utf8_chunks() {
        for letter in chunk.valid().chars() {
            match letter {
                '\r' => text += "\\r",
                '\n' => text += "\\n",
                letter if letter.is_control() => text.extend(letter.escape_unicode()),
                letter => text.push(letter),
            }
        }
        text += &chunk.invalid().escape_ascii().to_string();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn passwords_are_masked_wherever_they_stand() {
        let cases = [
            (
                "QN=1;ST=32;CN=1062;PW=100000;MN=0;CP=&&a=1&&",
                "QN=1;ST=32;CN=1062;PW=******;MN=0;CP=&&a=1&&",
            ),
            (
                "CN=1072;pw=123456;CP=&&NewPW=654321&&",
                "CN=1072;pw=******;CP=&&NewPW=******&&",
            ),
            ("PW=;PW=1", "PW=;PW=*"),
            (
                "CP=&&SKCreateTime=2024,NewSK=0123456789abcdef&&",
                "CP=&&SKCreateTime=2024,NewSK=****************&&",
            ),
            ("PW=123", "PW=***"),
            ("no password", "no password"),
        ];
        for (raw, expected) in cases {
            assert_eq!(String::from_utf8(masked(raw.as_bytes())).unwrap(), expected);
        }
    }

    #[test]
    fn shown_text_is_one_line() {
        assert_eq!(
            shown(b"##0001PW=1;\xd6\xd0\xe4\xb8\xad\r\n"),
            "##0001PW=*;\\xd6\\xd0\u{4e2d}\\r\\n"
        );
    }

    proptest! {
        #[test]
        fn masking_keeps_the_length_and_is_done_once(raw: Vec<u8>) {
            let once = masked(&raw);
            prop_assert_eq!(once.len(), raw.len());
            prop_assert_eq!(masked(&once), once);
        }

        #[test]
        fn no_password_survives(before in "[a-zA-Z=;]{0,8}", password in "[0-9]{6}", after in "[;,&].{0,8}") {
            let raw = format!("{before}PW={password}{after}");
            let text = String::from_utf8(masked(raw.as_bytes())).unwrap();
            let survives = text.contains(&format!("PW={password}"));
            prop_assert!(!survives, "{}", text);
        }
    }
}
