//! The body of a broadcast: octets of a tenant's own limit, in time.

use axum::{
    body::Body,
    http::{HeaderMap, StatusCode, header},
};
use futures_util::StreamExt;

use super::refused::Refused;
use crate::http::body::BODY_TIME_MAX;

const OCTETS: &str = "application/octet-stream";
/// How much of a body that is too long is read and forgotten: who is not done writing does not read the answer.
const FORGOTTEN_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The whole body; None where it is longer than `bytes_max`.
pub(super) async fn read(body: Body, bytes_max: usize) -> Result<Option<Vec<u8>>, Refused> {
    let arrival = tokio::time::timeout(BODY_TIME_MAX, collect(body, bytes_max)).await;
    let arrival =
        arrival.map_err(|_| Refused::says(StatusCode::REQUEST_TIMEOUT, "the body took longer than 10 s to arrive"))?;
    arrival.map_err(|_| Refused::says(StatusCode::BAD_REQUEST, "the body did not arrive whole"))
}

async fn collect(body: Body, bytes_max: usize) -> Result<Option<Vec<u8>>, axum::Error> {
    let mut chunks = body.into_data_stream();
    let mut kept = Vec::new();
    let mut length = 0_usize;
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk?;
        length = length.saturating_add(chunk.len());
        if length <= bytes_max {
            kept.extend_from_slice(&chunk);
        } else if length - bytes_max > FORGOTTEN_BYTES_MAX {
            break;
        } else {
            kept = Vec::new();
        }
    }
    Ok((length <= bytes_max).then_some(kept))
}

/// Whether the body is a payload of octets; what is said to be anything else, or nothing, is read as JSON.
pub(super) fn is_octets(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case(OCTETS)
}

/// A compressed body would be passed on as it is, and nobody there could read it.
pub(super) fn refuse_encoded(headers: &HeaderMap) -> Result<(), Refused> {
    let plain =
        |encoding: &header::HeaderValue| encoding.is_empty() || encoding.as_bytes().eq_ignore_ascii_case(b"identity");
    match headers.get_all(header::CONTENT_ENCODING).iter().all(plain) {
        true => Ok(()),
        false => {
            let message = "the body has a Content-Encoding: send it without";
            Err(Refused::says(StatusCode::UNSUPPORTED_MEDIA_TYPE, message))
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Bytes;
    use futures_util::stream;

    use super::*;

    fn said(name: header::HeaderName, value: &'static str) -> HeaderMap {
        [(name, header::HeaderValue::from_static(value))].into_iter().collect()
    }

    async fn chunks(sizes: &[usize], bytes_max: usize) -> Option<usize> {
        let chunks: Vec<_> = sizes.iter().map(|size| Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; *size]))).collect();
        let body = read(Body::from_stream(stream::iter(chunks)), bytes_max).await.expect("it arrives");
        body.map(|body| body.len())
    }

    #[tokio::test]
    async fn a_body_is_kept_whole_up_to_the_limit_and_not_at_all_above_it() {
        assert_eq!(chunks(&[], 9).await, Some(0));
        assert_eq!(chunks(&[4, 5], 9).await, Some(9));
        assert_eq!(chunks(&[4, 6], 9).await, None);
        assert_eq!(chunks(&[10, 0, 1], 9).await, None);
    }

    #[tokio::test]
    async fn an_endless_body_is_given_up() {
        let endless = stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(&[0; 65_536])));
        assert_eq!(read(Body::from_stream(endless), 9).await.map_err(|refused| refused.status), Ok(None));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stops_on_its_way_is_a_408_and_a_broken_one_a_400() {
        let silent = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
        assert_eq!(read(silent, 9).await.map_err(|refused| refused.status.as_u16()), Err(408));
        let broken = Body::from_stream(stream::iter([Err::<Bytes, _>(std::io::Error::other("cut"))]));
        assert_eq!(read(broken, 9).await.map_err(|refused| refused.status.as_u16()), Err(400));
    }

    #[test]
    fn octets_are_said_to_be_octets() {
        for octets in ["application/octet-stream", "Application/Octet-Stream; x=1"] {
            assert!(is_octets(&said(header::CONTENT_TYPE, octets)), "{octets}");
        }
        for json in ["application/json", "text/plain;charset=UTF-8", "application/octet-streams", ""] {
            assert!(!is_octets(&said(header::CONTENT_TYPE, json)), "{json}");
        }
        assert!(!is_octets(&HeaderMap::new()));
    }

    #[test]
    fn a_compressed_body_is_a_415() {
        let refused = refuse_encoded(&said(header::CONTENT_ENCODING, "gzip"));
        assert_eq!(refused.map_err(|refused| refused.status.as_u16()), Err(415));
        assert!(refuse_encoded(&said(header::CONTENT_ENCODING, "identity")).is_ok());
    }
}
