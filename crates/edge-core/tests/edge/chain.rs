//! The chain between a fill and its readers, and the flights that share it: random pieces, random schedules.

use std::future::poll_fn;
use std::pin::Pin;

use bytes::Bytes;
use edge_core::cache::Epoch;
use edge_core::proxy::fill::{self, Broken, Keeping, Reader};
use edge_core::proxy::flights::{Boarding, Cargo, Flights};
use edge_core::proxy::invalidations::InForce;
use proptest::prelude::*;

use super::*;

async fn read_all(mut reader: Reader) -> Result<Vec<u8>, (Vec<u8>, Broken)> {
    let mut all = Vec::new();
    loop {
        match poll_fn(|context| Pin::new(&mut reader).poll_next(context)).await {
            None => return Ok(all),
            Some(Ok(piece)) => all.extend_from_slice(&piece),
            Some(Err(broken)) => return Err((all, broken)),
        }
    }
}

/// A generator without a seed of its own: the same run for the same number.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed ^= mixed >> 27;
        (mixed % bound as u64) as usize
    }

    /// Lets others run, or not.
    async fn pause(&mut self) {
        for _ in 0..self.below(3) {
            tokio::task::yield_now().await;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// However an origin cuts its body, every reader gets exactly its bytes, and so does the store.
    #[test]
    fn bodies_arrive_as_they_were_sent(sizes in prop::collection::vec(0_usize..20_000, 0..40), chunked: bool) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let body = noise(sizes.iter().sum());
            let mut origin = Origin::start().await;
            let world = World::new(&origin).await;
            let (replies, ()) = tokio::join!(all(2, |_| world.get("/")), async {
                let mut asked = origin.asked().await;
                world.requested(2).await;
                let framing = if chunked { "Transfer-Encoding: chunked".to_owned() } else { format!("Content-Length: {}", body.len()) };
                asked.send(format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n")).await;
                let mut rest = &body[..];
                for size in &sizes {
                    let (piece, after) = rest.split_at(*size);
                    rest = after;
                    match chunked {
                        true if piece.is_empty() => {}
                        true => asked.send([format!("{size:x}\r\n").as_bytes(), piece, b"\r\n"].concat()).await,
                        false => asked.send(piece).await,
                    }
                    tokio::task::yield_now().await;
                }
                if chunked {
                    asked.send("0\r\n\r\n").await;
                }
                asked.answer("").await;
            });
            for reply in replies {
                prop_assert!(reply.body.unwrap() == body);
            }
            let reply = world.get("/").await;
            prop_assert_eq!(reply.x_cache(), "Hit");
            prop_assert!(reply.body.unwrap() == body);
            Ok(())
        })?;
    }
}

/// Thousands of fills on four threads: readers come, follow, and leave at any moment; the writer gives up keeping, ends,
/// fails or is dropped at any moment. Nobody waits for ever, nobody gets a wrong byte, nobody takes a break for an end.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_and_writers_meet_in_any_order() {
    const FILLS: u64 = 3_000;
    let body = Arc::new(noise(100_000));
    let fills: Vec<_> = (0..FILLS).map(|seed| tokio::spawn(one_fill(seed, Arc::clone(&body)))).collect();
    for fill in fills {
        soon("a fill", fill).await.unwrap();
    }
}

async fn one_fill(seed: u64, body: Arc<Vec<u8>>) {
    let mut dice = Dice(seed);
    let length = dice.below(body.len());
    let keeping = if dice.below(4) == 0 { Keeping::Nothing } else { Keeping::Whole };
    let (mut writer, first) = fill::begin(keeping);
    let mut readers = Vec::new();
    let begin = |reader: Reader, leaves: bool, body: &Arc<Vec<u8>>| {
        let body = Arc::clone(body);
        tokio::spawn(async move {
            if leaves {
                drop(reader);
                return None;
            }
            let result = read_all(reader).await;
            let (Ok(got) | Err((got, _))) = &result;
            assert_eq!(got[..], body[..got.len()], "{seed}");
            Some(result)
        })
    };
    // Somebody stays, so that the writer gets to its end.
    readers.push(begin(first, false, &body));
    let mut at = 0;
    let breaks_at = if dice.below(3) == 0 { dice.below(length + 1) } else { usize::MAX };
    while at < length.min(breaks_at) {
        if dice.below(3) == 0
            && let Some(follower) = writer.follower()
        {
            dice.pause().await;
            readers.push(begin(follower.clone().reader(), dice.below(3) == 0, &body));
        }
        if dice.below(50) == 0 {
            writer.keep_nothing();
        }
        let end = (at + 1 + dice.below(8_000)).min(length);
        writer.push(Bytes::copy_from_slice(&body[at..end])).await.unwrap();
        at = end;
        dice.pause().await;
    }
    let whole = at == length && breaks_at == usize::MAX;
    let kept = writer.is_keeping();
    match whole {
        true => {
            let pieces = writer.finish();
            assert_eq!(pieces.is_some(), kept);
            if let Some(pieces) = pieces {
                assert_eq!(pieces.concat(), body[..length]);
            }
        }
        false if dice.below(2) == 0 => writer.fail(),
        false => drop(writer),
    }
    for reader in readers {
        match reader.await.unwrap() {
            None => {}
            Some(Ok(got)) => assert!(whole && got.len() == length, "{seed}: a part for the whole"),
            Some(Err((got, _))) => assert!(!whole && got.len() == at, "{seed}: {} of {at}", got.len()),
        }
    }
}

/// A writer whose readers all leave hears of it, wherever it stands.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_writer_nobody_reads_ends() {
    for seed in 0..2_000 {
        let mut dice = Dice(seed);
        let (mut writer, first) = fill::begin(Keeping::Whole);
        let follower = writer.follower().unwrap();
        writer.keep_nothing();
        let second = follower.reader();
        let leaving: Vec<_> = [Box::new(first) as Box<dyn Send>, Box::new(second), Box::new(follower)]
            .into_iter()
            .map(|one| tokio::spawn(async move { drop(one) }))
            .collect();
        dice.pause().await;
        soon("the writer", async {
            match dice.below(2) {
                0 => writer.abandoned().await,
                _ => while writer.push(Bytes::from_static(&[b'x'; 50_000])).await.is_ok() {},
            }
        })
        .await;
        for one in leaving {
            one.await.unwrap();
        }
    }
}

/// Leads that share, retract, release or panic, and a crowd at a few keys: everybody is told, and there is one lead at a
/// time.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn flights_leave_nobody_behind() {
    let keys = Arc::new(keys().await);
    let flights = Arc::new(Flights::default());
    let leads: Arc<Vec<AtomicUsize>> = Arc::new(keys.iter().map(|_| AtomicUsize::new(0)).collect());
    let (joined, alone) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let travellers: Vec<_> = (0..8_000)
        .map(|seed| {
            let (keys, flights, leads) = (Arc::clone(&keys), Arc::clone(&flights), Arc::clone(&leads));
            let (joined, alone) = (Arc::clone(&joined), Arc::clone(&alone));
            tokio::spawn(async move {
                let mut dice = Dice(seed);
                let which = dice.below(keys.len());
                match flights.board((&keys[which].0, None), Epoch::default(), &InForce::default()) {
                    Boarding::Waits(waiter) => match waiter.wait().await {
                        Some(Cargo::Arriving { follower, .. }) => {
                            let result = read_all(follower.reader()).await;
                            assert!(result.is_err() || result == Ok(b"page".to_vec()));
                            joined.fetch_add(1, Ordering::SeqCst);
                        }
                        Some(Cargo::Whole(_)) => unreachable!(),
                        None => _ = alone.fetch_add(1, Ordering::SeqCst),
                    },
                    Boarding::Leads(lead) => {
                        assert_eq!(leads[which].fetch_add(1, Ordering::SeqCst), 0, "two leads");
                        dice.pause().await;
                        let (mut writer, _reader) = fill::begin(Keeping::Whole);
                        if dice.below(3) > 0 {
                            let head = Arc::clone(&keys[which].1);
                            lead.share(Cargo::Arriving {
                                head,
                                follower: writer.follower().unwrap(),
                                length: None,
                            });
                            dice.pause().await;
                            writer.push(Bytes::from_static(b"page")).await.unwrap();
                            dice.pause().await;
                        }
                        if dice.below(4) == 0 {
                            lead.retract();
                        }
                        if dice.below(2) == 0 {
                            _ = writer.finish();
                        }
                        leads[which].fetch_sub(1, Ordering::SeqCst);
                    }
                }
            })
        })
        .collect();
    for traveller in travellers {
        soon("a traveller", traveller).await.unwrap();
    }
    assert!(joined.load(Ordering::SeqCst) > 0);
    let board = |key| flights.board((key, None), Epoch::default(), &InForce::default());
    let nobody = keys.iter().all(|(key, _)| matches!(board(key), Boarding::Leads(_)));
    assert!(nobody, "no flight is left in the air");
}

/// Some keys, made as the core makes them, each with a head.
async fn keys() -> Vec<(edge_core::cache::Key, Arc<edge_core::cache::Stored>)> {
    use edge_core::exchange::{Rules, Step, Storing, begin};
    let rules = Arc::new(Rules {
        distribution: distribution(),
        guard: edge_core::cache::storing::Guard::On,
        place: edge_core::response::Place::new(1, None),
        devices: edge_core::viewer::device::Memo::new(1),
    });
    let now = UNIX_EPOCH + seconds(1_800_000_000);
    (0..5)
        .map(|number| {
            let (parts, ()) =
                http::Request::get(format!("/{number}")).header("host", HOST).body(()).unwrap().into_parts();
            let peer = "127.0.0.1:1".parse().unwrap();
            let (scheme, stream) = (edge_core::viewer::Scheme::Http, edge_core::viewer::Stream::Ended);
            let request = edge_core::viewer::Request::read(parts, scheme, stream, peer).unwrap();
            let id = http::HeaderValue::from_static("id");
            let Step::LookUp(look_up) = begin(&rules, request, id, now) else { unreachable!() };
            let Step::Ask(ask) = look_up.found(None, Epoch::default(), now) else { unreachable!() };
            let ending = edge_core::exchange::Ending::Provable;
            let (status, headers) = (http::StatusCode::OK, http::HeaderMap::new());
            let answer =
                ask.answered(edge_core::exchange::Outcome::Response { status, headers, ending }, now);
            let Some(Storing::Whole { key, stored }) = answer.into_answer().and_then(|answer| answer.storing)
            else {
                unreachable!()
            };
            (key, stored)
        })
        .collect()
}
