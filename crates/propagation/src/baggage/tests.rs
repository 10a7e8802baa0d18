use opentelemetry::{
    Context,
    baggage::{Baggage, BaggageExt},
    propagation::{Extractor, TextMapPropagator},
};
use opentelemetry_http::{HeaderExtractor, HeaderInjector, Request};
use proptest::prelude::*;

use super::{BaggagePropagator, MAX_BYTES};
use crate::trace_context::tests::Lines;

fn extract(lines: &[&str]) -> Context {
    let lines = Lines::new(lines.iter().map(|line| ("baggage", *line)));
    BaggagePropagator::default().extract_with_context(&Context::new(), &lines)
}

/// Key, value and properties of all members, by key.
fn members(cx: &Context) -> Vec<(&str, &str, &str)> {
    let members = cx.baggage().iter();
    let mut members: Vec<_> = members
        .map(|(key, (value, metadata))| (key.as_str(), value.as_str(), metadata.as_str()))
        .collect();
    members.sort_unstable();
    members
}

/// The header that is sent, its members by key: `Baggage` has no order.
fn inject(cx: &Context) -> Option<String> {
    let mut lines = Lines::default();
    BaggagePropagator::default().inject_context(cx, &mut lines);
    assert!(lines.0.len() <= 1, "one line: {lines:?}");
    let mut members: Vec<&str> = lines.get("baggage")?.split(',').collect();
    members.sort_unstable();
    Some(members.join(","))
}

fn forward(lines: &[&str]) -> Option<String> {
    inject(&extract(lines))
}

fn with_member(key: &str, value: &str, metadata: &str) -> Context {
    let mut baggage = Baggage::new();
    baggage.insert_with_metadata(key.to_owned(), value.to_owned(), metadata);
    Context::new().with_baggage(baggage)
}

#[test]
fn header_name_is_read_in_any_case_and_sent_in_lower_case() {
    let propagator = BaggagePropagator::default();
    let request = Request::builder()
        .header("Baggage", "userId=alice")
        .header("BAGGAGE", "serverNode=DF%2028");
    let request = request.body(()).expect("a request");
    let cx = propagator.extract_with_context(&Context::new(), &HeaderExtractor(request.headers()));
    assert_eq!(
        members(&cx),
        [("serverNode", "DF 28", ""), ("userId", "alice", "")]
    );

    let mut request = Request::new(());
    propagator.inject_context(
        &with_member("a", "b", ""),
        &mut HeaderInjector(request.headers_mut()),
    );
    assert_eq!(request.headers()["baggage"], "a=b");
    assert_eq!(propagator.fields().collect::<Vec<_>>(), ["baggage"]);
}

#[test]
fn several_lines_are_one_list() {
    let expected = [
        ("isProduction", "false", ""),
        ("serverNode", "DF 28", ""),
        ("userId", "alice", ""),
    ];
    for lines in [
        &["userId=alice,serverNode=DF%2028,isProduction=false"][..],
        &["userId=alice", "serverNode=DF%2028,isProduction=false"],
        &[
            "userId =   alice",
            "serverNode = DF%2028, isProduction = false",
        ],
        &[
            "",
            "userId=alice,",
            " ,\t, serverNode=DF%2028",
            "isProduction=false",
        ],
    ] {
        assert_eq!(members(&extract(lines)), expected, "{lines:?}");
    }
}

#[test]
fn members_are_read_by_their_grammar_alone() {
    let token = "!#$%&'*+-.^_`|~09azAZ";
    let cases = [
        (
            "key1=value1;property1;property2",
            ("key1", "value1", "property1;property2"),
        ),
        ("key2 = value2", ("key2", "value2", "")),
        (
            "key3=value3; propertyKey=propertyValue",
            ("key3", "value3", "propertyKey=propertyValue"),
        ),
        (" \tk \t=\t v \t;\t p \t=\t q \t; r\t", ("k", "v", "p=q;r")),
        ("k=", ("k", "", "")),
        ("k= ;p", ("k", "", "p")),
        ("k=v=w==", ("k", "v=w==", "")),
        ("k==", ("k", "=", "")),
        ("k=v;p=", ("k", "v", "p=")),
        ("k=v;p=a=b", ("k", "v", "p=a=b")),
        ("k%20=v", ("k%20", "v", "")),
        (
            "k=!#$&'()*+-./:<=>?@[]^_`{|}~",
            ("k", "!#$&'()*+-./:<=>?@[]^_`{|}~", ""),
        ),
    ];
    for (member, expected) in cases {
        assert_eq!(members(&extract(&[member])), [expected], "{member:?}");
    }
    assert_eq!(
        members(&extract(&[&format!("{token}=v;{token}")])),
        [(token, "v", token)]
    );

    // Every character in a key, a value, a property's key and its value.
    for character in ('\0'..='\u{100}').filter(|c| !",;=".contains(*c)) {
        let is_token = token.contains(character) || character.is_ascii_alphanumeric();
        let is_octet = ('!'..='~').contains(&character) && !"\"\\".contains(character);
        for (member, legal) in [
            (format!("k{character}k=v"), is_token),
            (format!("k=v{character}v"), is_octet && character != '%'),
            (format!("k=v;p{character}p"), is_token),
            (format!("k=v;p=q{character}q"), is_octet),
        ] {
            assert_eq!(
                !extract(&[&member]).baggage().is_empty(),
                legal,
                "{member:?}"
            );
        }
    }
}

#[test]
fn last_of_duplicate_keys_wins() {
    assert_eq!(
        members(&extract(&["k=1;p,other=0,k=2"])),
        [("k", "2", ""), ("other", "0", "")]
    );
    assert_eq!(members(&extract(&["k=1", "k=2;q"])), [("k", "2", "q")]);
    assert_eq!(
        members(&extract(&["k=1,K=2"])),
        [("K", "2", ""), ("k", "1", "")]
    );
    assert_eq!(forward(&["k=1,k=2"]).as_deref(), Some("k=2"));
}

#[test]
fn values_are_percent_encoded_where_they_must_be_and_only_there() {
    let cases = [
        ("Amélie", "Am%C3%A9lie"),
        ("DF 28", "DF%2028"),
        (" kept ", "%20kept%20"),
        ("100%", "100%25"),
        ("%41", "%2541"),
        ("a\"b,c;d\\e", "a%22b%2Cc%3Bd%5Ce"),
        ("\t\r\n\0\u{7f}", "%09%0D%0A%00%7F"),
        ("日本🦀", "%E6%97%A5%E6%9C%AC%F0%9F%A6%80"),
        ("a=b==", "a=b=="),
        ("!#$&'()*+-./:<=>?@[]^_`{|}~", "!#$&'()*+-./:<=>?@[]^_`{|}~"),
        ("", ""),
    ];
    for (value, encoded) in cases {
        let header = format!("k={encoded}");
        assert_eq!(inject(&with_member("k", value, "")), Some(header.clone()));
        assert_eq!(members(&extract(&[&header])), [("k", value, "")]);
    }
    assert_eq!(
        members(&extract(&["k=%41%6a%6A%c3%a9"])),
        [("k", "Ajjé", "")],
        "more than must be may be encoded"
    );
}

#[test]
fn octets_that_are_no_utf_8_become_the_replacement_character() {
    for (encoded, value) in [
        ("%FF", "\u{fffd}"),
        ("a%C3b", "a\u{fffd}b"),
        ("%C3%28", "\u{fffd}("),
        ("%ED%A0%80", "\u{fffd}\u{fffd}\u{fffd}"),
    ] {
        assert_eq!(
            members(&extract(&[&format!("k={encoded}")])),
            [("k", value, "")]
        );
    }
    assert_eq!(forward(&["k=%FF"]).as_deref(), Some("k=%EF%BF%BD"));
}

#[test]
fn properties_travel_as_they_came() {
    for member in [
        "k=v;p",
        "k=v;p=q;r;s=%C3%A9",
        "k=v;p=%zz",
        "k=v;p;p;p=",
        "k=;%20",
    ] {
        assert_eq!(forward(&[member]).as_deref(), Some(member));
    }
    assert_eq!(
        forward(&["k = v ; p ;\tq = r "]).as_deref(),
        Some("k=v;p;q=r")
    );
}

#[test]
fn limits_of_64_members_and_8192_bytes_are_used_to_the_full() {
    let mut names: Vec<String> = (0..64).map(|n| format!("k{n}=v{n}")).collect();
    names.sort_unstable();
    assert_eq!(forward(&[&names.join(",")]), Some(names.join(",")));
    let doubled = format!("{0},{0}", names.join(","));
    assert_eq!(
        forward(&[&doubled]),
        Some(names.join(",")),
        "duplicates do not count"
    );

    // 64 members of 127 bytes and 63 commas are 8,191; one byte more is still within the limit.
    let mut full: Vec<String> = (0..64)
        .map(|n| format!("k{n:02}={};p", "v".repeat(121)))
        .collect();
    full[63].push('p');
    let header = full.join(",");
    assert_eq!(header.len(), MAX_BYTES);
    assert_eq!(forward(&[&header]), Some(header.clone()));
    let lines: Vec<&str> = full.iter().map(String::as_str).collect();
    assert_eq!(forward(&lines), Some(header.clone()), "all lines together");

    let one = format!("a={}", "0123456789".repeat(819));
    assert_eq!(one.len(), MAX_BYTES);
    assert_eq!(forward(&[&one]), Some(one.clone()));

    // White space counts for nothing once it is gone.
    let blank = format!("{}{}", " ".repeat(MAX_BYTES), header);
    assert_eq!(forward(&[&blank]), Some(header));
}

#[test]
fn members_beyond_the_limits_are_dropped_whole() {
    let many: Vec<String> = (0..100_000).map(|n| format!("k{n}=v")).collect();
    let sent = forward(&[&many.join(",")]).expect("some are sent");
    assert_eq!(sent.split(',').count(), 64);
    assert!(
        sent.split(',')
            .all(|member| many.iter().any(|whole| whole == member)),
        "{sent}"
    );

    // `Baggage` holds these 64 × 127 bytes, but the header would have 8,192 and one.
    let mut long: Vec<String> = (0..64)
        .map(|n| format!("k{n:02}={};p", "v".repeat(121)))
        .collect();
    long[0].push_str("pp");
    assert_eq!(long.join(",").len(), MAX_BYTES + 1);
    let sent = forward(&[&long.join(",")]).expect("some are sent");
    assert_eq!(sent.split(',').count(), 63);
    assert!(
        sent.split(',')
            .all(|member| long.iter().any(|whole| whole == member)),
        "{sent}"
    );

    // Encoded it is too long; what fits beside it still goes.
    let cx = with_member("big", &"é".repeat(2000), "");
    assert_eq!(inject(&cx), None);
    let mut baggage = Baggage::new();
    baggage.insert("big", "é".repeat(2000));
    baggage.insert("small", "1");
    assert_eq!(
        inject(&Context::new().with_baggage(baggage)).as_deref(),
        Some("small=1")
    );
}

#[test]
fn member_out_of_format_is_removed_and_the_others_stay() {
    for member in [
        "nonsense",
        "=v",
        " =v",
        "k k=v",
        "k\"=v",
        "ké=v",
        "k:=v",
        "k=v w",
        "k=é",
        "k=\"v\"",
        "k=a\\b",
        "k=\0",
        "k=\u{7f}",
        "k=%",
        "k=50%",
        "k=%4",
        "k=%zz",
        "k=%4z",
        "k=%z4",
        "k=%%41",
        "k=v;",
        "k=v;;p",
        "k=v;=q",
        "k=v; p q",
        "k=v;p=q r",
        "k=v;p=\"q\"",
        ";p",
        "k;p=v",
        "k\t\u{a0}=v",
    ] {
        for lines in [vec![member], vec![member, ""]] {
            let before = with_member("old", "1", "");
            let lines = Lines::new(lines.iter().map(|line| ("baggage", *line)));
            let cx = BaggagePropagator::default().extract_with_context(&before, &lines);
            assert_eq!(
                members(&cx),
                [("old", "1", "")],
                "{member:?}: nothing to replace it with"
            );
        }
        let header = format!("a=1,{member},b=2;p");
        assert_eq!(
            members(&extract(&[&header])),
            [("a", "1", ""), ("b", "2", "p")],
            "{member:?}"
        );
    }
}

#[test]
fn nothing_is_sent_where_there_is_nothing_or_what_there_is_is_illegal() {
    assert_eq!(inject(&Context::new()), None);
    assert_eq!(inject(&Context::new().with_baggage(Baggage::new())), None);
    for line in ["", " ", ",", "nonsense"] {
        assert_eq!(forward(&[line]), None);
    }
    for metadata in [
        "p\r\nset-cookie: a",
        "p,q=r",
        "p=q,r=s",
        "é",
        ";p",
        "p q",
        "p;",
    ] {
        assert_eq!(
            inject(&with_member("k", "v", metadata)),
            None,
            "{metadata:?}"
        );
        let mut baggage = Baggage::new();
        baggage.insert_with_metadata("k", "v", metadata);
        baggage.insert_with_metadata("legal", "v", " p ; q = r ");
        let cx = Context::new().with_baggage(baggage);
        assert_eq!(
            inject(&cx).as_deref(),
            Some("legal=v;p;q=r"),
            "{metadata:?}"
        );
    }
}

#[test]
fn extraction_replaces_the_baggage_and_leaves_the_rest() {
    let before = with_member("old", "1", "").with_value("kept");
    let cx = BaggagePropagator::default()
        .extract_with_context(&before, &Lines::new([("baggage", "new=2")]));
    assert_eq!(members(&cx), [("new", "2", "")]);
    assert_eq!(cx.get::<&str>(), Some(&"kept"));
    let cx = BaggagePropagator::default().extract_with_context(&before, &Lines::default());
    assert_eq!(members(&cx), [("old", "1", "")]);
}

/// Members as this propagator writes them.
fn canonical_member() -> impl Strategy<Value = (String, String)> {
    let value = "([!#-$&-+\\--:<-\\[\\]-~]|%20|%22|%25|%2C|%3B|%5C|%C3%A9|%F0%9F%A6%80){0,12}";
    let property = "[a-zA-Z0-9!#$&'*+.^_`|~-]{1,5}(=[!#-+\\--:<-\\[\\]-~]{0,5})?";
    let properties = prop::collection::vec(property, 0..4);
    ("[a-zA-Z0-9!#$%&'*+.^_`|~-]{1,8}", value, properties).prop_map(|(key, value, properties)| {
        let properties: String = properties
            .iter()
            .map(|property| format!(";{property}"))
            .collect();
        (key, format!("{value}{properties}"))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_it_panic_and_what_is_read_of_them_is_read_again(
        lines in prop::collection::vec(prop::collection::vec(prop_oneof![any::<u8>(), Just(b'='), Just(b'%'), Just(b','), Just(b'k')], 0..80), 0..4),
    ) {
        let lines: Vec<_> = lines.iter().map(|bytes| String::from_utf8_lossy(bytes)).collect();
        let lines: Vec<&str> = lines.iter().map(|line| line.as_ref()).collect();
        let cx = extract(&lines);
        match inject(&cx) {
            Some(sent) => {
                let again = extract(&[&sent]);
                prop_assert_eq!(members(&cx), members(&again));
            }
            None => prop_assert!(cx.baggage().is_empty()),
        }
    }

    #[test]
    fn what_came_valid_goes_on_as_it_came(members in prop::collection::btree_map("[a-z]{1,8}", canonical_member(), 1..=12)) {
        let members: std::collections::BTreeMap<&str, &str> = members.values().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let mut members: Vec<String> = members.iter().map(|(key, value)| format!("{key}={value}")).collect();
        members.sort_unstable();
        prop_assume!(members.join(",").len() <= MAX_BYTES);
        prop_assert_eq!(forward(&[&members.join(",")]), Some(members.join(",")));
    }

    #[test]
    fn what_is_injected_can_be_extracted(members in prop::collection::btree_map("[a-zA-Z0-9!#$%&'*+.^_`|~-]{1,8}", any::<String>(), 0..8)) {
        let mut baggage = Baggage::new();
        for (key, value) in &members {
            baggage.insert(key.clone(), value.clone());
        }
        let cx = Context::new().with_baggage(baggage);
        let header = inject(&cx);
        prop_assert_eq!(header.is_none(), members.is_empty());
        let lines: Vec<&str> = header.iter().map(String::as_str).collect();
        let read = extract(&lines);
        let read = self::members(&read);
        let written: Vec<(&str, &str, &str)> = members.iter().map(|(key, value)| (key.as_str(), value.as_str(), "")).collect();
        prop_assert_eq!(read, written);
    }
}
