//! Every target holds for its seeds, its corpus, and some thousands of inputs made of them: the same ones every time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use edge_fuzz::{TARGETS, Target};

/// Bytes to be processed in all for one target, so that long seeds do not take long.
const BYTES: usize = 10_000_000;

#[test]
fn all_targets_hold() {
    std::thread::scope(|threads| {
        for target in TARGETS {
            threads.spawn(move || run(target));
        }
    });
}

fn run(target: Target) {
    let mut inputs: Vec<Vec<u8>> = target.seeds.iter().map(|seed| seed.as_bytes().to_vec()).collect();
    inputs.extend(corpus(target.name));
    for input in &inputs {
        hold(target, input);
    }
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let (mut bytes, mut count) = (0, 0);
    while bytes < BYTES && count < 20_000 {
        let input = mutated(&inputs, &mut random);
        hold(target, &input);
        (bytes, count) = (bytes + input.len() + 100, count + 1);
    }
    println!("{}: {count} inputs", target.name);
}

fn hold(target: Target, input: &[u8]) {
    if catch_unwind(AssertUnwindSafe(|| (target.check)(input))).is_err() {
        panic!("{} does not hold for \"{}\"", target.name, input.escape_ascii());
    }
}

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| std::fs::read(entry.path()).ok()).collect()
}

/// One input with a few changes: a byte set, removed or doubled, a piece of another, bytes that mean something.
fn mutated(inputs: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    const TELLING: &[u8] = b"\n\r\0 \t,;:=\"'*?/%.&#$-+_\\[]{}(09azAZ\x7f\xff";
    let mut input = inputs[random.below(inputs.len())].clone();
    for _ in 0..=random.below(8) {
        let at = random.below(input.len() + 1);
        let until = (at + random.below(16)).min(input.len());
        match random.below(6) {
            0 => input.insert(at, TELLING[random.below(TELLING.len())]),
            1 if at < input.len() => input[at] = TELLING[random.below(TELLING.len())],
            2 if at < input.len() => input[at] = random.below(256) as u8,
            3 => drop(input.drain(at..until)),
            4 => {
                let piece = input[at..until].to_vec();
                input.splice(at..at, piece);
            }
            _ => {
                let other = &inputs[random.below(inputs.len())];
                let from = random.below(other.len() + 1);
                let piece = &other[from..(from + random.below(40)).min(other.len())];
                input.splice(at..until, piece.iter().copied());
            }
        }
    }
    input
}

/// xorshift64*: good enough, and the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        ((self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize) % end
    }
}
