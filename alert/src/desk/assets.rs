//! Files the pages need, inside the binary: no request leaves the host. Names carry a hash, so browsers keep them for
//! good.

use axum::extract::Path;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// One embedded file.
struct Asset {
    name: &'static str,
    mime: &'static str,
    bytes: &'static [u8],
    hash: u64,
}

const fn asset(name: &'static str, mime: &'static str, bytes: &'static [u8]) -> Asset {
    Asset {
        name,
        mime,
        bytes,
        hash: fnv(bytes),
    }
}

const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";

/// Everything there is. Vendored files stand with their licence in `assets/vendor`.
static ASSETS: &[Asset] = &[
    asset("desk.css", CSS, include_bytes!("../../assets/desk.css")),
    asset("desk.js", JS, include_bytes!("../../assets/desk.js")),
    asset("chart.js", JS, include_bytes!("../../assets/chart.js")),
    asset("plume.svg", "image/svg+xml", include_bytes!("../../assets/plume.svg")),
    asset(
        "uplot.js",
        JS,
        include_bytes!("../../assets/vendor/uplot/uPlot.iife.min.js"),
    ),
    asset(
        "uplot.css",
        CSS,
        include_bytes!("../../assets/vendor/uplot/uPlot.min.css"),
    ),
    asset(
        "uplot.LICENSE.txt",
        "text/plain; charset=utf-8",
        include_bytes!("../../assets/vendor/uplot/LICENSE"),
    ),
];

/// FNV-1a: only says whether a file changed.
const fn fnv(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut rest = bytes;
    while let [byte, tail @ ..] = rest {
        hash = (hash ^ (*byte as u64)).wrapping_mul(0x0100_0000_01b3);
        rest = tail;
    }
    hash
}

/// Where a page finds the file, e.g. `/assets/9f86d081884c7d65/desk.css`; a name that is not there is its own address
/// and answers 404, which the page tests would see.
pub(crate) fn href(name: &str) -> String {
    let hash = ASSETS
        .iter()
        .find(|asset| asset.name == name)
        .map_or(0, |asset| asset.hash);
    format!("/assets/{hash:016x}/{name}")
}

/// `GET /assets/{hash}/{name}`.
pub(crate) async fn get(Path((hash, name)): Path<(String, String)>) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    // A page of an older binary may ask with another hash: it gets today's file, but must not keep it.
    let keep = if hash == format!("{:016x}", asset.hash) {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let headers: [(HeaderName, &str); 2] = [(header::CONTENT_TYPE, asset.mime), (header::CACHE_CONTROL, keep)];
    (headers, asset.bytes).into_response()
}
