//! A picture as a file: SVG as it is, or PNG by the machine's own fonts.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, bail};
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::fontdb::{FaceInfo, Style};
use resvg::usvg::{FontResolver, Options, Tree};

/// Points of a PNG for each of the picture's: letters stay sharp on paper.
const SCALE: u16 = 2;

/// Writes a picture to a file; its ending says how. Errors: an ending other than `svg` and `png`, a machine whose fonts
/// lack a character of the picture, a file that cannot be written.
pub(super) fn write(path: &Path, svg: &str) -> anyhow::Result<()> {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    let bytes = match ending.to_ascii_lowercase().as_str() {
        "svg" => svg.as_bytes().to_vec(),
        "png" => png(svg).with_context(|| format!("draw {}", path.display()))?,
        _ => bail!(
            "{}: 只能写 .svg 或 .png / a picture is written as .svg or .png",
            path.display()
        ),
    };
    std::fs::write(path, bytes).with_context(|| format!("write {}", path.display()))
}

fn png(svg: &str) -> anyhow::Result<Vec<u8>> {
    let missing = Arc::new(Mutex::new(None));
    let mut options = Options {
        font_resolver: noting(&missing),
        ..Options::default()
    };
    options.fontdb_mut().load_system_fonts();
    let empty = options.fontdb.is_empty();
    let tree = Tree::from_str(svg, &options).context("the picture is no SVG")?;
    let missing = missing.lock().unwrap_or_else(PoisonError::into_inner).take();
    if empty || missing.is_some() {
        let what = missing.map_or_else(String::new, |letter: char| format!(" ({letter})"));
        bail!(
            "本机字体不全{what}；Debian 可装 fonts-noto-cjk，或改写 .svg / the fonts of this machine lack characters of the \
             picture{what}. hint: on Debian install fonts-noto-cjk, or write .svg"
        );
    }
    let size = tree.size().to_int_size();
    let (width, height) = (size.width() * u32::from(SCALE), size.height() * u32::from(SCALE));
    let mut pixels = Pixmap::new(width, height).context("the picture has no size")?;
    let scale = f32::from(SCALE);
    resvg::render(&tree, Transform::from_scale(scale, scale), &mut pixels.as_mut());
    pixels.encode_png().context("encode the picture")
}

/// Fonts as usual, and where a family is not there any that is; the first character that none of them has is noted.
fn noting(missing: &Arc<Mutex<Option<char>>>) -> FontResolver<'static> {
    let missing = Arc::clone(missing);
    let (usual_font, usual_fallback) = (
        FontResolver::default_font_selector(),
        FontResolver::default_fallback_selector(),
    );
    FontResolver {
        select_font: Box::new(move |wanted, fonts| {
            usual_font(wanted, fonts).or_else(|| {
                let is_plain = |face: &&FaceInfo| face.style == Style::Normal && face.post_script_name.contains("Sans");
                let plain = fonts.faces().find(is_plain);
                plain.or_else(|| fonts.faces().next()).map(|face| face.id)
            })
        }),
        select_fallback: Box::new(move |letter, tried, fonts| {
            let found = usual_fallback(letter, tried, fonts);
            if found.is_none() {
                let mut missing = missing.lock().unwrap_or_else(PoisonError::into_inner);
                missing.get_or_insert(letter);
            }
            found
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = r#"<svg xmlns="http://www.w3.org/2000/svg" width="30" height="20"><path d="M0 0H9V9z"/></svg>"#;

    #[test]
    fn the_ending_says_how_a_picture_is_written() {
        let home = tempfile::tempdir().unwrap();
        let svg = home.path().join("a.svg");
        write(&svg, EMPTY).unwrap();
        assert_eq!(std::fs::read_to_string(svg).unwrap(), EMPTY);
        let error = write(&home.path().join("a.pdf"), EMPTY).unwrap_err();
        assert!(error.to_string().contains(".svg or .png"), "{error}");
    }

    #[test]
    fn a_png_is_twice_as_fine_and_letters_need_fonts() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a.PNG");
        let text = EMPTY.replace("</svg>", "<text y=\"9\">SO₂ 小时均值 \u{10ffff}</text></svg>");
        let error = write(&path, &text).unwrap_err();
        assert!(format!("{error:#}").contains("fonts-noto-cjk"), "{error:#}");
        let mut options = Options::default();
        options.fontdb_mut().load_system_fonts();
        if options.fontdb.is_empty() {
            println!("SKIPPED: a PNG of this machine: it has no fonts");
            return;
        }
        write(&path, EMPTY).unwrap();
        let bytes = std::fs::read(path).unwrap();
        let pixels = Pixmap::decode_png(&bytes).unwrap();
        assert_eq!((pixels.width(), pixels.height()), (60, 40));
        assert_eq!(pixels.pixel(15, 1).unwrap().alpha(), 255);
    }
}
