//! The words of `plume decode`, as snapshots: read them when they change.

use plume_ingest::hj212::encode;
use plume_ingest::hj212::explain::{Lang, Options, explain, explain_all};

use crate::bench::{MN_2017, catalogue};
use crate::vectors;

const FIRST: &str =
    "QN=20160801085857223;ST=32;CN=1062;PW=100000;MN=010000A8900016F000169DC0;Flag=5;CP=&&RtdInterval=30&&";

fn zh(input: &[u8]) -> String {
    explain(input, &catalogue(), Lang::Zh, &Options::default()).to_string()
}

fn en(input: &[u8]) -> String {
    explain(input, &catalogue(), Lang::En, &Options::default()).to_string()
}

fn minute() -> String {
    format!(
        "QN=20160801090000001;ST=31;CN=2051;PW=123456;MN={MN_2017};Flag=5;CP=&&DataTime=20160801085000;\
         a21026-Min=10.1,a21026-Avg=12.30,a21026-Max=--,a21026-ZsAvg=15.1,a21026-Cou=0.52,a21026-Flag=N;\
         a01013-Avg=-0.12,a01013-Flag=N;02-Avg=1;Nh3-scr-Avg=2,Nh3-scr-Flag=D&&"
    )
}

#[test]
fn a_modbus_checksum_is_told_in_both_languages() {
    let packet = format!("##0101{FIRST}0759\\r\\n");
    insta::assert_snapshot!("modbus_zh", zh(packet.as_bytes()));
    insta::assert_snapshot!("modbus_en", en(packet.as_bytes()));
}

#[test]
fn other_checksums() {
    let damaged = format!("##0101{FIRST}1C40\r\n");
    insta::assert_snapshot!("damaged_zh", zh(damaged.as_bytes()));
    let swapped = format!("##0107{FIRST}5907\r\n");
    insta::assert_snapshot!("swapped_en", en(swapped.as_bytes()));
    let impossible = format!("##101{FIRST}1c82");
    insta::assert_snapshot!("impossible_en", en(impossible.as_bytes()));
}

#[test]
fn a_minute_packet_with_slips() {
    let frame = encode::frame(minute().as_bytes());
    insta::assert_snapshot!("minute_zh", zh(&frame));
    insta::assert_snapshot!("minute_en", en(&frame));
    let json = explain(&frame, &catalogue(), Lang::Zh, &Options::default()).to_json();
    insta::assert_snapshot!("minute_json", json);
}

#[test]
fn what_people_paste() {
    insta::assert_snapshot!("bare_segment_zh", zh(FIRST.as_bytes()));
    insta::assert_snapshot!("nonsense_zh", zh("你好".as_bytes()));
    insta::assert_snapshot!("nothing_en", en(b""));
    insta::assert_snapshot!("cut_off_zh", zh(&format!("##0101{FIRST}").as_bytes()[..86]));
    insta::assert_snapshot!("no_checksum_en", en(format!("##0101{FIRST}").as_bytes()));
    let log = format!("10:00:01 recv ##0101{FIRST}1C80\n10:00:02 recv ##0101{FIRST}1C80\n");
    let both = explain_all(log.as_bytes(), &catalogue(), Lang::Zh, &Options::default());
    assert_eq!(both.len(), 2);
    assert!(both.iter().all(plume_ingest::hj212::explain::Explanation::readable));
}

#[test]
fn an_encrypted_packet_with_and_without_its_key() {
    let vector = vectors::all()
        .into_iter()
        .find(|v| v.cipher.is_some() && v.wire.is_some())
        .unwrap();
    let wire = vector.wire.unwrap();
    insta::assert_snapshot!("cipher_without_key_zh", zh(&wire));
    let with = |key: &str| {
        let options = Options {
            key: Some(key.as_bytes().to_vec()),
        };
        explain(&wire, &catalogue(), Lang::Zh, &options)
    };
    let opened = with("0000000000000000");
    assert!(opened.readable());
    insta::assert_snapshot!("cipher_with_key_zh", opened.to_string());
    insta::assert_snapshot!("cipher_with_wrong_key_zh", with("1111111111111111").to_string());
    insta::assert_snapshot!("cipher_with_no_key_zh", with("short").to_string());
    // The literal form, as the standard prints it, with the length of the plain packet.
    let printed = format!("##0295{}\r\n", vector.printed.unwrap());
    let options = Options {
        key: Some(b"30303030303030303030303030303030".to_vec()),
    };
    assert!(explain(printed.as_bytes(), &catalogue(), Lang::En, &options).readable());
}

#[test]
fn values_no_stack_has_are_named() {
    let packet = |value: &str| {
        let text = format!(
            "QN=20160801085857223;ST=31;CN=2011;PW=123456;MN={MN_2017};Flag=5;\
             CP=&&DataTime=20160801085800;a00000-Rtd={value},a00000-Flag=N;a19001-Rtd=8.5,a19001-Flag=N&&"
        );
        zh(&encode::frame(text.as_bytes()))
    };
    assert!(
        packet("120000").contains("a00000 的值 120000 超出合理范围 0～3000"),
        "{}",
        packet("120000")
    );
    assert!(packet("120000").contains("像是按 m³/h 发送"));
    for fine in ["333.3", "999999.9"] {
        assert!(!packet(fine).contains("合理范围"), "{}", packet(fine));
    }
}

#[test]
fn secrets_are_never_shown() {
    let packet = format!(
        "QN=20240601085857223;ST=32;CN=1014;PW=pw4711;MN={MN_2017};Flag=9;\
         CP=&&SKCreateTime=20240601085857223,NewSK=key0123456789abc;NewPW=new4711&&"
    );
    let frame = encode::frame(packet.as_bytes());
    for lang in [Lang::Zh, Lang::En] {
        let explanation = explain(&frame, &catalogue(), lang, &Options::default());
        for text in [explanation.to_string(), explanation.to_json()] {
            for secret in ["pw4711", "key0123456789abc", "new4711"] {
                assert!(!text.contains(secret), "{secret} in {text}");
            }
            assert!(text.contains("******"));
        }
        let noise = explain(b"\xffPW=pw4711;x", &catalogue(), lang, &Options::default());
        assert!(!noise.to_string().contains("pw4711"), "{noise}");
    }
}

/// Every packet of the annexes, in Chinese: a snapshot for each.
#[test]
fn every_table_of_the_annexes() {
    let mut count = 0;
    for vector in vectors::all() {
        let Some(packet) = &vector.packet else { continue };
        let frame = vectors::with_tail(packet);
        let text = String::from_utf8_lossy(&frame).into_owned();
        let cn: String = text.split("CN=").nth(1).unwrap_or("none").chars().take(4).collect();
        let name = format!("{}_row_{:03}_cn_{cn}", vector.version, vector.row);
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path("snapshots/annex");
        settings.set_prepend_module_to_snapshot(false);
        settings.set_description(text.trim_end());
        settings.bind(|| insta::assert_snapshot!(name, zh(&frame)));
        count += 1;
    }
    assert!(count >= 160, "{count} packets");
}
