//! Large bodies on their way to WordPress, and from the cache to everybody.

use super::caching::expect;
use super::client::{Ask, Protocol};
use super::edge::Edge;
use super::people::{member, nonce};
use super::site::Site;

/// A GIF of one pixel; what follows it is nobody's business.
const GIF: &[u8] = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;";

/// A picture of that many bytes, no two of its parts equal.
fn picture(bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let noise = std::iter::repeat_with(move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    });
    GIF.iter().copied().chain(noise).take(bytes).collect()
}

#[tokio::test]
#[ignore = "starts a real WordPress: make wordpress"]
async fn media_go_up_whole_and_come_down_from_the_cache() {
    let site = Site::take();
    let edge = Edge::start(&site, &[]).await;
    let admin = member(&site, &edge, "admin").await;
    let nonce = nonce(&admin).await;

    let large = picture(7 << 20);
    let ask = Ask::post("/wp-json/wp/v2/media", large.clone())
        .header("x-wp-nonce", &nonce)
        .header("content-type", "image/gif")
        .header("content-disposition", "attachment; filename=\"large.gif\"");
    let answer = admin.send(ask).await;
    assert_eq!(answer.status.as_u16(), 201, "upload by wp-json: {}", answer.text());
    let by_json: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    let by_json = by_json["source_url"].as_str().unwrap().to_owned();

    let page = admin.get("/wp-admin/media-new.php").await.text();
    let after = page.split("\"_wpnonce\":\"").nth(1).and_then(|rest| rest.get(..10));
    let small = picture(3 << 20);
    let body = multipart(
        &[("name", "small.gif"), ("_wpnonce", after.expect("a nonce to upload with"))],
        "small.gif",
        &small,
    );
    let ask = Ask::post("/wp-admin/async-upload.php", body);
    let answer =
        admin.send(ask.header("content-type", &format!("multipart/form-data; boundary={BOUNDARY}"))).await;
    let id = answer.text().trim().to_owned();
    assert!(
        answer.status.is_success() && id.parse::<u64>().is_ok(),
        "upload by wp-admin: {} {id}",
        answer.status
    );
    let answer =
        admin.send(Ask::get(&format!("/wp-json/wp/v2/media/{id}")).header("x-wp-nonce", &nonce)).await;
    let by_form: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    let by_form = by_form["source_url"].as_str().unwrap().to_owned();

    for (url, bytes) in [(by_json, &large), (by_form, &small)] {
        let path = url.strip_prefix(&site.text("/site_url")).expect("a picture of this site");
        let before = site.mark().await;
        let viewers = [edge.viewer(), edge.viewer().by(Protocol::H1), edge.viewer()];
        for (viewer, x_cache) in viewers.iter().zip(["Miss", "Hit", "Hit"]) {
            let answer = expect(viewer, path, x_cache).await;
            assert!(answer.body == bytes, "{path}: {} of {} bytes came back", answer.body.len(), bytes.len());
        }
        let part = viewers[0].send(Ask::get(path).header("range", "bytes=1000000-1000099")).await;
        match part.status.as_u16() {
            206 => assert!(part.body == bytes[1_000_000..1_000_100], "a range of other bytes"),
            // Allowed (RFC 9110 §14.2), if it is the whole.
            status => assert!(status == 200 && part.body == bytes, "{path}: {status} for a range"),
        }
        assert_eq!(site.since(before).await.len(), 1, "{path}: what reached WordPress");
    }
}

const BOUNDARY: &str = "----edge-test-2f9c1d";

fn multipart(fields: &[(&str, &str)], name: &str, content: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    for (field, value) in fields {
        let part =
            format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{field}\"\r\n\r\n{value}\r\n");
        body.extend_from_slice(part.as_bytes());
    }
    let head = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"async-upload\"; filename=\"{name}\"\r\nContent-Type: image/gif\r\n\r\n"
    );
    body.extend_from_slice(head.as_bytes());
    body.extend_from_slice(content);
    body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
    body
}
