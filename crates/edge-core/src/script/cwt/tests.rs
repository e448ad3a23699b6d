//! Tokens against what others made: RFC 8392 A.4, the COSE working group's example HMac-enc-01, and a token of
//! python-cwt 3.3.

use super::*;
use crate::script::evaluate;

/// RFC 8392 A.4: HMAC 256/64, so its code is the beginning of ours.
const RFC_KEY: &str = "403697de87af64611c1d32a05dab0fe1fcb715a86ab435f1ec99192d79569388";
const RFC_TOKEN: &str = "d83dd18443a10104a1044c53796d6d65747269633235365850a70175636f61703a2f2f61732e6578616d706c652e\
                         636f6d02656572696b77037818636f61703a2f2f6c696768742e6578616d706c652e636f6d041a5612aeb0051a56\
                         10d9f0061a5610d9f007420b7148093101ef6d789200";
/// github.com/cose-wg/Examples, hmac-examples/HMac-enc-01.json: what it says is no map of claims.
const COSE_KEY: &str = "849b57219dae48de646d07dbb533566e976686457c1491be3a76dcea6c427188";
const COSE_MESSAGE: &str = "d18443a10105a054546869732069732074686520636f6e74656e742e5820a1a848d3471f9d61ee49018d244c82\
                            4772f223ad4f935293f1789fc3a08d8c58";
/// `CWT().encode_and_mac({1: …, "x": 1.5, -70000: None}, key, tagged=True)`.
const PYTHON_KEY: &[u8] = b"our-secret-of-32-bytes-or-longer";
const PYTHON_TOKEN: &str = "d83dd18443a10105a1044230315860a9017768747470733a2f2f6973732e6578616d706c652e636f6d026b65786\
                            16d706c6555736572041a5612aeb0051a5610d9f0061a5610d9f0190191a102a101672f6d656469612f1901928142\
                            0a006178fb3ff80000000000003a0001116ff6582036d446b74e9a3fa6e8bcc68b6f2e65a159914aa0aeb323c9959\
                            7f579aeb4a1ec";
/// Where its unprotected headers are, which no code is made over.
const UNPROTECTED: std::ops::Range<usize> = 8..13;

fn bytes(hex: &str) -> Vec<u8> {
    host::bytes(&host::decode("hex", hex))
}

#[test]
fn tokens_of_others_are_read() {
    let rfc = bytes(RFC_TOKEN);
    let payload = &rfc[rfc.len() - 9 - 80..rfc.len() - 9];
    let mut mac = mac(&bytes(RFC_KEY)).unwrap();
    mac.update(&to_mac(&[0xa1, 1, 4], payload));
    assert_eq!(mac.finalize().into_bytes()[..8], rfc[rfc.len() - 8..]);
    assert_eq!(checked(&rfc, &bytes(RFC_KEY)), Err("the algorithm is not HS256".to_owned()));

    let said = checked(&bytes(COSE_MESSAGE), &bytes(COSE_KEY)).unwrap_err();
    assert!(said.starts_with("the payload is not CBOR"), "{said}");
    assert_eq!(checked(&bytes(COSE_MESSAGE), b"another"), Err("the code of the token is wrong".to_owned()));

    let [protected, unprotected, payload] = checked(&bytes(PYTHON_TOKEN), PYTHON_KEY).unwrap().map(shown);
    assert_eq!(protected, json!({ "1": 5 }));
    assert_eq!(unprotected, json!({ "4": ["bytes", "01"] }));
    assert_eq!(
        payload,
        json!({ "1": "https://iss.example.com", "2": "exampleUser", "4": 1_444_064_944, "5": 1_443_944_944,
                "6": 1_443_944_944, "401": { "2": { "1": "/media/" } }, "402": ["array", ["bytes", "\n\0"]],
                "x": 1.5, "-70000": null })
    );
}

/// Whatever byte is changed to whatever other, or cut off, or added. Unprotected headers may change, and nothing else.
#[test]
fn a_changed_token_is_no_token() {
    let token = bytes(PYTHON_TOKEN);
    let expected = checked(&token, PYTHON_KEY).unwrap();
    for at in 0..token.len() {
        for byte in (0..=255).filter(|byte| *byte != token[at]) {
            let mut changed = token.clone();
            changed[at] = byte;
            match checked(&changed, PYTHON_KEY) {
                Err(_) => {}
                Ok([protected, _, payload]) => {
                    assert!(UNPROTECTED.contains(&at), "byte {at} as {byte}");
                    assert_eq!([&protected, &payload], [&expected[0], &expected[2]]);
                }
            }
        }
        assert!(checked(&token[..at], PYTHON_KEY).is_err(), "the first {at} bytes");
    }
    for more in [&[0][..], &[0xf6], &token[..]] {
        assert!(checked(&[&token[..], more].concat(), PYTHON_KEY).is_err());
    }
}

#[test]
fn what_is_refused() {
    let claims = || Item::Map(vec![(Label::Integer(1), Item::Text("a".to_owned()))]);
    let sealed = |protected: &[u8], unprotected: Item, payload: &[u8], tag: u64| {
        let mut mac = mac(b"key").unwrap();
        mac.update(&to_mac(protected, payload));
        let code = mac.finalize().into_bytes().to_vec();
        let parts =
            [Item::Bytes(protected.to_vec()), unprotected, Item::Bytes(payload.to_vec()), Item::Bytes(code)];
        cbor::write(&Item::Tagged(tag, Box::new(Item::Array(parts.to_vec()))))
    };
    let none = || Item::Map(Vec::new());
    let (ours, payload) = ([0xa1, 1, 5], cbor::write(&claims()));
    let good = sealed(&ours, none(), &payload, COSE_MAC0);
    assert!(checked(&good, b"key").is_ok());
    assert!(checked(&[&[0xd8, 61], &good[..]].concat(), b"key").is_ok());
    let algorithm = |number| Item::Map(vec![(ALGORITHM, Item::Integer(number))]);
    let critical =
        Item::Map(vec![(CRITICAL, Item::Array(vec![Item::Integer(9)])), (ALGORITHM, Item::Integer(HS256))]);
    for (what, token, said) in [
        ("no tag", good[1..].to_vec(), "no tag"),
        ("another tag", sealed(&ours, none(), &payload, 18), "no tag"),
        ("the outer tag twice", [&[0xd8, 61, 0xd8, 61], &good[..]].concat(), "no tag"),
        ("three parts", [&[0xd1, 0x83], &good[2..good.len() - 34]].concat(), "no COSE_Mac0"),
        ("no algorithm", sealed(&[0xa0], none(), &payload, COSE_MAC0), "not HS256"),
        ("no headers", sealed(&[], none(), &payload, COSE_MAC0), "not CBOR"),
        ("none protected", sealed(&[0xa0], algorithm(HS256), &payload, COSE_MAC0), "not HS256"),
        ("both", sealed(&ours, algorithm(HS256), &payload, COSE_MAC0), "both"),
        ("another algorithm", sealed(&[0xa1, 1, 4], none(), &payload, COSE_MAC0), "not HS256"),
        ("critical", sealed(&cbor::write(&critical), none(), &payload, COSE_MAC0), "critical"),
        ("no claims", sealed(&ours, none(), &[0x80], COSE_MAC0), "no map"),
        ("long", sealed(&ours, none(), &cbor::write(&Item::Bytes(vec![0; 1024])), COSE_MAC0), "1 KB"),
    ] {
        let refused = checked(&token, b"key").unwrap_err();
        assert!(refused.contains(said), "{what}: {refused}");
    }
    assert_eq!(checked(&good, b""), Err("the key is empty".to_owned()));
    assert!(checked(&good, b"kez").is_err());
}

/// What a function gives comes back, and a second round makes the same bytes.
#[test]
fn what_is_made_is_valid() {
    let token = "const cf = require('cloudfront'); const key = { key: Buffer.from('k'), coseTag: 'MAC0' };\
                 const payload = { 1: 'iss', '-7': 2, x: [1, 1.5, NaN, -Infinity, true, null, undefined, 'ü', {}],\
                                   401: { 2: { 1: '/a/' } }, 7: Buffer.from([0, 255]), ['__proto__']: 'p', '01': -1e300 };";
    let shown = "const show = (v) => JSON.stringify(v, (n, v) => v === undefined ? 'U' : typeof v === 'number' && v - v !== 0 ? String(v) : v);";
    let code = format!(
        "{token}{shown} const b = cf.cwt.generateToken({{ protected: {{ 1: '5' }}, unprotected: {{ 4: 'kid' }}, payload }}, key);\
         const t = cf.cwt.validateToken(b, {{ key: 'k' }});\
         const again = cf.cwt.generateToken(Object.assign({{ cwtTag: true }}, key), t);\
         [show(t), b instanceof Buffer, again.toString('hex').slice(4) === b.toString('hex'), again.toString('hex').slice(0, 6)].join(' ')"
    );
    assert_eq!(
        evaluate(&code).unwrap(),
        "{\"protectedHeaders\":{\"1\":5},\"unprotectedHeaders\":{\"4\":\"kid\"},\"payload\":{\"1\":\"iss\",\
         \"7\":{\"type\":\"Buffer\",\"data\":[0,255]},\"401\":{\"2\":{\"1\":\"/a/\"}},\"-7\":2,\
         \"x\":[1,1.5,\"NaN\",\"-Infinity\",true,null,\"U\",\"ü\",{}],\"__proto__\":\"p\",\"01\":-1e+300}} true true d83dd1"
    );
}

#[test]
fn what_is_not_made() {
    for (call, said) in [
        ("generateToken({ payload: {} }, { coseTag: 'MAC0' })", "must be a string"),
        ("generateToken({ payload: {} }, { coseTag: 'MAC0', key: '' })", "the key is empty"),
        ("generateToken({ payload: {} }, { coseTag: 'SIGN1', key: 'k' })", "coseTag"),
        ("generateToken({ payload: {} }, { key: 'k' })", "coseTag"),
        ("generateToken({ payload: {} })", "context"),
        ("generateToken({ 1: 'iss' }, k)", "must be a string"),
        ("generateToken({ payload: 'text' }, k)", "payload is no object"),
        ("generateToken({ payload: [] }, k)", "payload is no object"),
        ("generateToken({ protected: { 1: 4 }, payload: {} }, k)", "not HS256"),
        ("generateToken({ unprotected: { 1: 5 }, payload: {} }, k)", "both"),
        ("generateToken({ payload: { a: 'x'.repeat(1024) } }, k)", "1 KB"),
        ("generateToken({ payload: { a: Buffer.alloc(2000) } }, k)", "1 KB"),
        ("generateToken({ payload: { a: new Array(4294967295) } }, k)", "1 KB"),
        ("generateToken({ payload: { a: () => 1 } }, k)", "a function"),
        ("generateToken({ payload: { a: '\\ud800' } }, k)", "no text"),
        (
            "generateToken((() => { const payload = {}; payload.a = payload; return { payload } })(), k)",
            "nested",
        ),
        ("validateToken('d1', k)", "must be a Buffer"),
        ("validateToken(Buffer.alloc(1025), k)", "1 KB"),
        ("validateToken(Buffer.alloc(3), k)", "not CBOR"),
        ("validateToken(Buffer.alloc(3), {})", "must be a string"),
        ("validateToken(Buffer.alloc(3))", "context"),
    ] {
        let code = format!("const k = {{ key: 'k', coseTag: 'MAC0' }}; require('cloudfront').cwt.{call}");
        let refused = evaluate(&code).unwrap_err();
        assert!(refused.contains(said), "{call}: {refused}");
    }
}
