use opentelemetry::{
    Context, KeyValue,
    propagation::{Extractor, Injector, TextMapPropagator},
    trace::{
        Link, SpanContext, SpanId, SpanKind, TraceContextExt, TraceFlags, TraceId, TraceState,
        Tracer, TracerProvider, noop::NoopTracerProvider,
    },
};
use opentelemetry_http::{HeaderExtractor, HeaderInjector, Request};
use opentelemetry_sdk::trace::{
    Sampler, SamplingDecision, SamplingResult, SdkTracer, SdkTracerProvider, ShouldSample,
};
use proptest::prelude::*;
use tracing_subscriber::prelude::*;

use super::{LONG_ENTRY, MAX_LENGTH, MAX_MEMBERS, TraceContextPropagator};

const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// A message with several lines of one name, each any text.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Lines(pub(crate) Vec<(String, String)>);

impl Lines {
    pub(crate) fn new<'a>(lines: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self(
            lines
                .into_iter()
                .map(|(name, text)| (name.to_owned(), text.to_owned()))
                .collect(),
        )
    }
}

impl Extractor for Lines {
    fn get(&self, key: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, text)| text.as_str())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.iter().map(|(name, _)| name.as_str()).collect()
    }

    fn get_all(&self, key: &str) -> Option<Vec<&str>> {
        let lines = self.0.iter().filter(|(name, _)| name == key);
        Some(lines.map(|(_, text)| text.as_str()).collect())
            .filter(|lines: &Vec<_>| !lines.is_empty())
    }
}

impl Injector for Lines {
    fn set(&mut self, key: &str, value: String) {
        self.0.push((key.to_owned(), value));
    }
}

fn extract(lines: &[(&str, &str)]) -> Context {
    let lines = Lines::new(lines.iter().copied());
    TraceContextPropagator::default().extract_with_context(&Context::new(), &lines)
}

fn inject(cx: &Context) -> Lines {
    let mut lines = Lines::default();
    TraceContextPropagator::default().inject_context(cx, &mut lines);
    lines
}

/// What a process without a tracer of its own sends on.
fn forward(lines: &[(&str, &str)]) -> Lines {
    inject(&extract(lines))
}

fn forward_list(lists: &[&str]) -> Option<String> {
    let mut lines = vec![("traceparent", PARENT)];
    lines.extend(lists.iter().map(|list| ("tracestate", *list)));
    let sent = forward(&lines);
    assert_eq!(
        sent.get("traceparent"),
        Some(PARENT),
        "the parent stays: {lists:?}"
    );
    assert!(sent.0.len() <= 2, "one line each: {sent:?}");
    sent.get("tracestate").map(str::to_owned)
}

/// The flags of the one `traceparent` that was injected.
fn sent_flags(cx: &Context) -> String {
    let sent = inject(cx);
    let traceparent = sent.get("traceparent").expect("sent");
    assert!(is_legal(traceparent), "{traceparent}");
    traceparent[53..].to_owned()
}

fn provider(sampler: impl ShouldSample + 'static) -> SdkTracerProvider {
    SdkTracerProvider::builder().with_sampler(sampler).build()
}

fn child(tracer: &SdkTracer, parent: &Context) -> Context {
    parent.with_span(tracer.start_with_context("child", parent))
}

/// The grammar of version 00 once more, in another way.
fn is_legal(line: &str) -> bool {
    let fields: Vec<&str> = line.split('-').collect();
    let lengths: Vec<usize> = fields.iter().map(|field| field.len()).collect();
    let is_hexdiglc = |c: char| "0123456789abcdef".contains(c);
    lengths == [2, 32, 16, 2]
        && fields.iter().all(|field| field.chars().all(is_hexdiglc))
        && fields[0] == "00"
        && [fields[1], fields[2]]
            .iter()
            .all(|id| id.chars().any(|c| c != '0'))
}

#[test]
fn header_names_are_read_in_any_case_and_sent_in_lower_case() {
    let propagator = TraceContextPropagator::default();
    for (traceparent, tracestate) in [("TraceParent", "TraceState"), ("TRACEPARENT", "TRACESTATE")]
    {
        let request = Request::builder()
            .header(traceparent, PARENT)
            .header(tracestate, "foo=1");
        let request = request
            .header(tracestate, "bar=2")
            .body(())
            .expect("a request");
        let cx =
            propagator.extract_with_context(&Context::new(), &HeaderExtractor(request.headers()));

        let mut request = Request::new(());
        propagator.inject_context(&cx, &mut HeaderInjector(request.headers_mut()));
        assert_eq!(request.headers()["traceparent"], PARENT);
        assert_eq!(request.headers()["tracestate"], "foo=1,bar=2");
    }
    let sent = forward(&[("traceparent", PARENT), ("tracestate", "foo=1")]);
    assert_eq!(
        sent,
        Lines::new([("traceparent", PARENT), ("tracestate", "foo=1")])
    );
    assert_eq!(
        propagator.fields().collect::<Vec<_>>(),
        ["traceparent", "tracestate"]
    );
}

#[test]
fn several_traceparent_lines_restart_the_trace() {
    let other = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b8-01";
    let higher = "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more";
    for second in [PARENT, other, higher, "", "nonsense"] {
        for (first, second) in [(PARENT, second), (second, PARENT)] {
            let cx = extract(&[
                ("traceparent", first),
                ("traceparent", second),
                ("tracestate", "foo=1"),
            ]);
            assert!(!cx.has_active_span(), "{first:?}, {second:?}");
        }
        let joined = format!("{PARENT},{second}");
        assert!(
            !extract(&[("traceparent", &joined)]).has_active_span(),
            "{joined:?}"
        );
    }
}

#[test]
fn traceparent_is_read_by_its_grammar_alone() {
    for blank in ["", " ", "\t", " \t "] {
        let cx = extract(&[("traceparent", &format!("{blank}{PARENT}{blank}"))]);
        let expected = SpanContext::new(
            TraceId::from(0x4bf92f3577b34da6a3ce929d0e0e4736),
            SpanId::from(0x00f067aa0ba902b7),
            TraceFlags::SAMPLED,
            true,
            TraceState::NONE,
        );
        assert_eq!(cx.span().span_context(), &expected);
    }

    let illegal = [
        ("3.2.2", ""),
        ("3.2.2", "00"),
        (
            "3.2.2",
            "--------------------------------------------------------",
        ),
        (
            "3.2.2",
            "0-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ),
        (
            "3.2.2",
            "000-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ),
        (
            "3.2.2",
            "+0-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ),
        (
            "3.2.2",
            "00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01",
        ),
        (
            "3.2.2",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\n",
        ),
        (
            "3.2.2",
            "00-4bf92f3577b34da6a3ce929d0e0e473é-00f067aa0ba902b7-01",
        ),
        (
            "3.2.2",
            "\u{a0}00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ),
        (
            "3.2.2.1",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ),
        (
            "3.2.2.1",
            "FF-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ),
        (
            "3.2.2.2",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        ),
        (
            "3.2.2.2",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-",
        ),
        (
            "3.2.2.2",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
        ),
        (
            "3.2.2.2",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-001",
        ),
        (
            "3.2.2.2",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
        ),
        (
            "3.2.2.2",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        ),
        (
            "3.2.2.2",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0.",
        ),
        (
            "3.2.2.2",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0A",
        ),
        (
            "3.2.2.3",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        ),
        (
            "3.2.2.3",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        ),
        (
            "3.2.2.3",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ),
        (
            "3.2.2.3",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
        ),
        (
            "3.2.2.3",
            "00-4bf92f3577b34da6a3ce929d0e0e47366-00f067aa0ba902b7-01",
        ),
        (
            "3.2.2.4",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        ),
        (
            "3.2.2.4",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00F067AA0BA902B7-01",
        ),
        (
            "3.2.2.4",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-+0f067aa0ba902b7-01",
        ),
        (
            "3.2.2.4",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b-01",
        ),
        (
            "3.2.2.4",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b77-01",
        ),
    ];
    for (section, line) in illegal {
        assert!(
            !extract(&[("traceparent", line)]).has_active_span(),
            "{section}: {line:?}"
        );
    }

    // Every character in every place.
    for place in 0..PARENT.len() {
        for character in '\0'..='\u{100}' {
            let line = format!("{}{character}{}", &PARENT[..place], &PARENT[place + 1..]);
            if place < 2 && !is_legal(&line) {
                continue; // may be a higher version
            }
            let read = extract(&[("traceparent", &line)]).has_active_span();
            assert_eq!(read, is_legal(&line), "{line:?}");
        }
    }
}

#[test]
fn unsampled_stays_unsampled_and_is_still_sent() {
    let parent_based = provider(Sampler::ParentBased(Box::new(Sampler::AlwaysOn)));
    let never = provider(Sampler::AlwaysOff);
    let unsampled = PARENT.replace("-01", "-00");
    for provider in [&parent_based, &never] {
        let cx = child(
            &provider.tracer(""),
            &extract(&[("traceparent", &unsampled), ("tracestate", "foo=1")]),
        );
        let span_id = cx.span().span_context().span_id();
        assert_ne!(span_id, SpanId::from(0x00f067aa0ba902b7));
        let sent = format!("00-{TRACE_ID}-{span_id}-00");
        assert_eq!(
            inject(&cx),
            Lines::new([("traceparent", sent.as_str()), ("tracestate", "foo=1")])
        );
    }
    let root = child(&never.tracer(""), &Context::new());
    assert_eq!(
        sent_flags(&root),
        "02",
        "3.4: the decision is told even of a trace that starts here"
    );

    let cx = child(&never.tracer(""), &extract(&[("traceparent", PARENT)]));
    assert_eq!(
        sent_flags(&cx),
        "00",
        "the flag is the span's, not the parent's"
    );
}

#[test]
fn random_flag_is_kept_as_received_and_set_on_traces_that_start_here() {
    let samplers = [
        Sampler::AlwaysOn,
        Sampler::AlwaysOff,
        Sampler::ParentBased(Box::new(Sampler::AlwaysOn)),
    ];
    for sampler in samplers {
        let provider = provider(sampler.clone());
        let tracer = provider.tracer("");
        for incoming in ["00", "01", "02", "03"] {
            let mut cx = extract(&[("traceparent", &format!("{}{incoming}", &PARENT[..53]))]);
            assert_eq!(sent_flags(&cx), incoming);
            for generation in 1..4 {
                cx = child(&tracer, &cx);
                let sampled = match sampler {
                    Sampler::AlwaysOn => 1,
                    Sampler::AlwaysOff => 0,
                    _ => incoming.parse::<u8>().unwrap() & 1,
                };
                let random = incoming.parse::<u8>().unwrap() & 2;
                let expected = format!("{:02}", random | sampled);
                assert_eq!(
                    sent_flags(&cx),
                    expected,
                    "{sampler:?}, {incoming}, generation {generation}"
                );
            }
        }
        let root = child(&tracer, &Context::new());
        let sampled = root.span().span_context().is_sampled();
        assert_eq!(
            sent_flags(&root),
            if sampled { "03" } else { "02" },
            "{sampler:?}"
        );
        assert_eq!(
            sent_flags(&child(&tracer, &root)),
            sent_flags(&root),
            "{sampler:?}"
        );
    }

    // A process without a tracer sends on what came in.
    let cx = extract(&[("traceparent", PARENT)]);
    let cx = cx.with_span(
        NoopTracerProvider::new()
            .tracer("")
            .start_with_context("none", &cx),
    );
    assert_eq!(inject(&cx), Lines::new([("traceparent", PARENT)]));
}

#[test]
fn unknown_flags_are_ignored_and_sent_as_zero() {
    for (received, sent) in [
        ("ff", "03"),
        ("fd", "01"),
        ("fe", "02"),
        ("fc", "00"),
        ("09", "01"),
        ("84", "00"),
    ] {
        let cx = extract(&[("traceparent", &format!("{}{received}", &PARENT[..53]))]);
        assert_eq!(sent_flags(&cx), sent);
        assert!(
            cx.span().span_context().trace_flags().to_u8() <= 3,
            "none reaches an exporter"
        );
    }
}

#[test]
fn higher_versions_are_read_leniently_and_sent_as_version_00() {
    for version in ["01", "0a", "7f", "cc", "fe"] {
        for rest in ["", "-", "-what-the-future-will-be-like", "-é", "--", "- x"] {
            let line = format!("{version}{}{rest}", &PARENT[2..]);
            let sent = forward(&[("traceparent", &line), ("tracestate", "foo=1")]);
            assert_eq!(
                sent,
                Lines::new([("traceparent", PARENT), ("tracestate", "foo=1")]),
                "{line}"
            );
        }
        for rest in [".what-the-future-will-be-like", "0", "é", " -x", ","] {
            let line = format!("{version}{}{rest}", &PARENT[2..]);
            assert_eq!(
                forward(&[("traceparent", &line)]),
                Lines::default(),
                "{line}"
            );
        }
        for (section, fields) in [
            (
                "3.2.4: shorter than 55",
                "-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
            ),
            (
                "3.2.2.3",
                "-00000000000000000000000000000000-00f067aa0ba902b7-01",
            ),
            (
                "3.2.2.3",
                "-4BF92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            ),
            (
                "3.2.2.4",
                "-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            ),
            (
                "3.2.4: dashes",
                "-4bf92f3577b34da6a3ce929d0e0e4736.00f067aa0ba902b7-01",
            ),
            (
                "3.2.4: dashes",
                "-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7.01",
            ),
            (
                "3.2.2.2",
                "-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0x",
            ),
        ] {
            let line = format!("{version}{fields}");
            assert_eq!(
                forward(&[("traceparent", &line)]),
                Lines::default(),
                "{section}: {line}"
            );
        }
    }
    for version in ["0A", "g0", "-1", "1-", "  "] {
        let line = format!("{version}{}", &PARENT[2..]);
        assert_eq!(
            forward(&[("traceparent", &line)]),
            Lines::default(),
            "4.1.2: {line:?}"
        );
    }
}

#[test]
fn tracestate_is_not_looked_at_without_a_valid_traceparent() {
    struct NoTracestate(Lines);
    impl Extractor for NoTracestate {
        fn get(&self, key: &str) -> Option<&str> {
            assert_ne!(key, "tracestate");
            self.0.get(key)
        }
        fn keys(&self) -> Vec<&str> {
            self.0.keys()
        }
        fn get_all(&self, key: &str) -> Option<Vec<&str>> {
            assert_ne!(key, "tracestate");
            self.0.get_all(key)
        }
    }
    let invalid = PARENT.replace("00-", "ff-");
    let messages = [
        vec![],
        vec![invalid.as_str()],
        vec![""],
        vec![PARENT, PARENT],
    ];
    for traceparents in messages {
        let mut lines = Lines::new(traceparents.iter().map(|line| ("traceparent", *line)));
        lines.set("tracestate", "foo=1".to_owned());
        let before = Context::new().with_value("kept");
        let cx =
            TraceContextPropagator::default().extract_with_context(&before, &NoTracestate(lines));
        assert!(!cx.has_active_span(), "{traceparents:?}");
        assert_eq!(cx.get::<&str>(), Some(&"kept"));
        assert_eq!(inject(&cx), Lines::default(), "nothing empty, nothing half");

        let provider = provider(Sampler::AlwaysOn);
        let restarted = inject(&child(&provider.tracer(""), &cx));
        assert_eq!(
            restarted.get("tracestate"),
            None,
            "4.1.2: a restart deletes it"
        );
        assert!(
            !restarted
                .get("traceparent")
                .expect("a trace of its own")
                .contains(TRACE_ID)
        );
    }
}

#[test]
fn unreadable_tracestate_is_dropped_whole_and_leaves_the_parent_alone() {
    for list in [
        "nonsense",
        "foo",
        "=1",
        "foo=",
        "foo= ",
        "foo=a=b",
        "FOO=1",
        "foo.bar=1",
        "foo =1",
        "é=1",
        "foo=é",
        "\0",
    ] {
        for lists in [vec![list], vec!["bar=2", list], vec![list, "bar=2"]] {
            assert_eq!(forward_list(&lists), None, "{lists:?}");
            assert_eq!(forward_list(&[&lists.join(",")]), None, "{lists:?}");
        }
    }
}

#[test]
fn tracestate_lines_join_in_order_without_blanks() {
    let cases: &[(&[&str], Option<&str>)] = &[
        (&["foo=1"], Some("foo=1")),
        (
            &["foo=1,bar=2", "rojo=1,congo=2", "baz=3"],
            Some("foo=1,bar=2,rojo=1,congo=2,baz=3"),
        ),
        (
            &["foo=1 \t , \t bar=2, \t baz=3"],
            Some("foo=1,bar=2,baz=3"),
        ),
        (&["\t foo=1 \t"], Some("foo=1")),
        (&["", "foo=1"], Some("foo=1")),
        (&["foo=1", " \t"], Some("foo=1")),
        (&[",,foo=1, ,\t,bar=2,"], Some("foo=1,bar=2")),
        (&["foo=1", ",", "bar=2"], Some("foo=1,bar=2")),
        (&[""], None),
        (&[" \t"], None),
        (&[",", " , "], None),
        (&[], None),
    ];
    for (received, sent) in cases {
        assert_eq!(forward_list(received).as_deref(), *sent, "{received:?}");
    }
}

#[test]
fn tracestate_of_more_than_32_members_is_dropped_whole() {
    let list = |members: usize| {
        (0..members)
            .map(|n| format!("k{n}={n}"))
            .collect::<Vec<_>>()
            .join(",")
    };
    assert_eq!(forward_list(&[&list(32)]), Some(list(32)));
    assert_eq!(
        forward_list(&[&list(32), ", ,", ""]),
        Some(list(32)),
        "blanks are no entries"
    );
    assert_eq!(forward_list(&[&list(33)]), None);
    assert_eq!(
        forward_list(&[&list(32), "k0=0"]),
        None,
        "members are counted, not keys"
    );
    assert_eq!(forward_list(&[&list(100_000)]), None);

    // The same for a list that only the private value holds.
    let unheld = format!("a@@b=1,{}", list(31));
    assert_eq!(forward_list(&[&unheld]), Some(unheld.clone()));
    assert_eq!(forward_list(&[&unheld, "last=1"]), None);
}

#[test]
fn tracestate_is_read_by_its_grammar_alone() {
    let keychars = "abcdefghijklmnopqrstuvwxyz0123456789_-*/@";
    let chrs: String = (' '..='~')
        .filter(|c| !",=".contains(*c))
        .chain(['!'])
        .collect();
    let long = |length: usize| "z".repeat(length);
    let legal = [
        format!("{keychars}={chrs}"),
        "1foo=1".to_owned(),
        "foo@bar=1".to_owned(),
        "foo@=1".to_owned(),
        "foo@@bar=1".to_owned(),
        "foo@bar@baz=1".to_owned(),
        "foo@-bar=1".to_owned(),
        "foo@0123456789abcdef=1".to_owned(),
        "foo=  leading and inner blanks".to_owned(),
        format!("{}=1", long(256)),
        format!("{}@{}=1", long(241), long(14)),
        format!("{}@v=1", long(242)),
        format!("t@{}=1", long(200)),
        format!("foo={}", long(256)),
    ];
    for member in &legal {
        assert_eq!(forward_list(&[member]).as_ref(), Some(member));
        let list = format!("first=1,{member},last=2");
        assert_eq!(
            forward_list(&[&list]).as_ref(),
            Some(&list),
            "beside others, in its place"
        );

        // A child in this process, sampled or not, sends it too, and an exporter sees what `TraceState` can hold.
        for sampler in [Sampler::AlwaysOn, Sampler::AlwaysOff] {
            let provider = provider(sampler);
            let cx = child(
                &provider.tracer(""),
                &extract(&[("traceparent", PARENT), ("tracestate", &list)]),
            );
            assert_eq!(inject(&cx).get("tracestate"), Some(list.as_str()));
            assert_eq!(
                cx.span().span_context().trace_state().get("last"),
                Some("2")
            );
        }
    }

    let illegal = [
        "@foo=1",
        "_foo=1",
        "-foo=1",
        "*foo=1",
        "/foo=1",
        " @=1",
        "fOo=1",
        "foo!=1",
        "föö=1",
        "foo\t=1",
        "foo=a\tb",
        "foo=\u{7f}",
    ];
    for member in illegal.map(str::to_owned).into_iter().chain([
        format!("{}=1", long(257)),
        format!("{}@{}=1", long(242), long(14)),
        format!("foo={}", long(257)),
    ]) {
        assert_eq!(forward_list(&[&member]), None, "{member:?}");
    }

    // Every character in a key and in a value.
    for character in ('\0'..='\u{100}').filter(|&c| c != ',') {
        let key = format!("k{character}=v");
        let is_keychar = keychars.contains(character);
        assert_eq!(forward_list(&[&key]).is_some(), is_keychar, "{key:?}");
        let value = format!("k=v{character}v");
        let is_chr = (' '..='~').contains(&character) && character != '=';
        assert_eq!(forward_list(&[&value]).is_some(), is_chr, "{value:?}");
    }
}

#[test]
fn left_most_of_duplicate_keys_is_kept() {
    assert_eq!(forward_list(&["foo=1,foo=1"]).as_deref(), Some("foo=1"));
    assert_eq!(
        forward_list(&["foo=1,bar=2,foo=3"]).as_deref(),
        Some("foo=1,bar=2")
    );
    assert_eq!(forward_list(&["foo=1", "foo=2"]).as_deref(), Some("foo=1"));
    assert_eq!(forward_list(&["a@@b=1,a@@b=2"]).as_deref(), Some("a@@b=1"));
    assert_eq!(
        forward_list(&["foo=1,foo=a=b"]),
        None,
        "an unreadable one is still unreadable"
    );
}

#[test]
fn too_long_tracestate_loses_long_entries_first_then_the_last_ones() {
    // Short entries of 128 characters and long ones of 129, with their comma 129 and 130.
    let entry =
        |name: &str, length: usize| format!("{name}={}", "v".repeat(length - name.len() - 1));
    let short = |n: usize| entry(&format!("short{n:02}"), LONG_ENTRY);
    let long = |n: usize| entry(&format!("long{n:02}"), LONG_ENTRY + 1);
    let join = |members: &[String]| members.join(",");

    // 31 × 129 + 97: 4,096 with the last one of 97, which has no comma behind it.
    let mut full: Vec<String> = (0..31).map(short).collect();
    full.push(entry("last", 97));
    assert_eq!(join(&full).len(), MAX_LENGTH);
    assert_eq!(forward_list(&[&join(&full)]), Some(join(&full)));
    full[31] = entry("last", 98);
    assert_eq!(
        forward_list(&[&join(&full)]),
        Some(join(&full[..31])),
        "the whole entry goes, from the end"
    );

    // Long ones go first, the right-most before the others, wherever they stand.
    let mut mixed: Vec<String> = (0..30).map(short).collect();
    mixed.insert(0, long(0));
    mixed.insert(5, long(1));
    assert!(join(&mixed).len() > MAX_LENGTH);
    let mut expected = mixed.clone();
    expected.remove(5);
    assert_eq!(forward_list(&[&join(&mixed)]), Some(join(&expected)));

    // All long: still whole entries, from the end.
    let huge: Vec<String> = (0..32)
        .map(|n| entry(&format!("huge{n:02}"), 260))
        .collect();
    assert_eq!(forward_list(&[&join(&huge)]), Some(join(&huge[..15])));

    // The largest list there is keeps what fits.
    let largest: Vec<String> = (0..32)
        .map(|n| format!("{}{n:02}={}", "k".repeat(254), "v".repeat(256)))
        .collect();
    assert_eq!(forward_list(&[&join(&largest)]), Some(join(&largest[..7])));
}

/// Does to the parent's `tracestate` what its function does.
#[derive(Clone, Debug)]
struct Changing(fn(&TraceState) -> TraceState);

impl ShouldSample for Changing {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        _: TraceId,
        _: &str,
        _: &SpanKind,
        _: &[KeyValue],
        _: &[Link],
    ) -> SamplingResult {
        let trace_state = parent.map(|cx| (self.0)(cx.span().span_context().trace_state()));
        SamplingResult {
            decision: SamplingDecision::RecordAndSample,
            attributes: Vec::new(),
            trace_state: trace_state.unwrap_or_default(),
        }
    }
}

#[test]
fn what_a_sampler_changes_moves_to_the_left() {
    type Change = fn(&TraceState) -> TraceState;
    let same: Change = TraceState::clone;
    let add: Change = |state| state.insert("ot", "th:8").unwrap();
    let update: Change = |state| state.insert("bar", "new").unwrap();
    let delete: Change = |state| state.delete("bar").unwrap();
    let clear: Change = |_| TraceState::NONE;
    let cases = [
        ("foo=1,bar=2", same, "foo=1,bar=2"),
        ("foo=1,bar=2", add, "ot=th:8,foo=1,bar=2"),
        ("foo=1,bar=2", update, "bar=new,foo=1"),
        ("foo=1,bar=2", delete, "foo=1"),
        // `a@@b` is legal, but `TraceState` cannot hold it.
        (
            "a@@b=0,foo=1,a@@c=0,bar=2",
            same,
            "a@@b=0,foo=1,a@@c=0,bar=2",
        ),
        (
            "a@@b=0,foo=1,a@@c=0,bar=2",
            add,
            "ot=th:8,a@@b=0,foo=1,a@@c=0,bar=2",
        ),
        (
            "a@@b=0,foo=1,a@@c=0,bar=2",
            update,
            "bar=new,a@@b=0,foo=1,a@@c=0",
        ),
        ("a@@b=0,foo=1,a@@c=0,bar=2", delete, "a@@b=0,foo=1,a@@c=0"),
        ("a@@b=0,foo=1,a@@c=0,bar=2", clear, "a@@b=0,a@@c=0"),
    ];
    for (received, change, sent) in cases {
        let provider = provider(Changing(change));
        let cx = child(
            &provider.tracer(""),
            &extract(&[("traceparent", PARENT), ("tracestate", received)]),
        );
        assert_eq!(inject(&cx).get("tracestate"), Some(sent), "{received}");
    }

    // 3.3.2: an entry that is one too many pushes the right-most out.
    for first in ["k", "k@@"] {
        let members: Vec<String> = (0..32)
            .map(|n| format!("{}{n}=1", if n == 0 { first } else { "k" }))
            .collect();
        let provider = provider(Changing(add));
        let cx = extract(&[("traceparent", PARENT), ("tracestate", &members.join(","))]);
        let sent = inject(&child(&provider.tracer(""), &cx));
        let expected = format!("ot=th:8,{}", members[..MAX_MEMBERS - 1].join(","));
        assert_eq!(sent.get("tracestate"), Some(expected.as_str()));
    }

    // A trace that starts here may have a list of its own.
    let provider = provider(Changing(add));
    let sent = inject(&child(&provider.tracer(""), &Context::new()));
    assert_eq!(sent.get("tracestate"), Some("ot=th:8"));
}

#[test]
fn span_of_another_trace_inherits_nothing_of_the_incoming_one() {
    let incoming = extract(&[("traceparent", PARENT), ("tracestate", "a@@b=0,foo=1")]);
    let provider = provider(Sampler::AlwaysOn);
    let tracer = provider.tracer("");
    let root = tracer.start_with_context("root", &Context::new());

    let restarted = inject(&incoming.with_span(root));
    assert_eq!(restarted.get("tracestate"), None);
    let traceparent = restarted.get("traceparent").expect("sent");
    assert!(
        !traceparent.contains(TRACE_ID) && traceparent.ends_with("-03"),
        "{traceparent}"
    );

    // The next request that this context is used for has a value of its own.
    let again = Lines::new([("traceparent", PARENT.replace("-01", "-03").as_str())]);
    let cx = TraceContextPropagator::default().extract_with_context(&incoming, &again);
    assert_eq!(inject(&cx), again);
}

#[test]
fn tracing_spans_keep_what_the_span_context_loses() {
    let provider = provider(Sampler::ParentBased(Box::new(Sampler::AlwaysOn)));
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer(""));
    let _subscriber = tracing_subscriber::registry().with(layer).set_default();
    for flags in ["00", "01"] {
        let line = format!("{}{flags}", &PARENT[..53]);
        let _server = extract(&[("traceparent", &line), ("tracestate", "a@@b=0,foo=1")]).attach();
        let _outer = tracing::info_span!("outer").entered();
        let _inner = tracing::info_span!("inner").entered();
        let sent = inject(&child(&provider.tracer(""), &Context::current()));
        let traceparent = sent.get("traceparent").expect("sent");
        assert!(
            traceparent.contains(TRACE_ID) && traceparent.ends_with(flags),
            "{traceparent}"
        );
        assert_eq!(sent.get("tracestate"), Some("a@@b=0,foo=1"));
    }
}

fn legal_key() -> impl Strategy<Value = String> {
    "[a-z0-9][a-z0-9_*/@-]{0,20}"
}

fn legal_value() -> impl Strategy<Value = String> {
    "[ -+\\--<>-~]{0,20}[!-+\\--<>-~]"
}

/// Lists with no key twice, within the limits.
fn legal_list() -> impl Strategy<Value = String> {
    let members = prop::collection::btree_map(legal_key(), legal_value(), 1..=MAX_MEMBERS);
    members.prop_map(|members| {
        let members: Vec<String> = members
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        members.join(",")
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_it_panic(
        lines in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..80)), 0..6),
        valid in any::<bool>(),
    ) {
        let texts: Vec<_> = lines.iter().map(|(parent, bytes)| (*parent, String::from_utf8_lossy(bytes))).collect();
        let mut lines = Lines::new(texts.iter().map(|(parent, text)| {
            (if *parent && !valid { "traceparent" } else { "tracestate" }, text.as_ref())
        }));
        if valid {
            lines.set("traceparent", PARENT.to_owned());
        }
        let cx = TraceContextPropagator::default().extract_with_context(&Context::new(), &lines);
        prop_assert!(!valid || inject(&cx).get("traceparent") == Some(PARENT));
    }

    #[test]
    fn traceparent_is_either_the_one_that_came_or_none(
        changes in prop::collection::vec((0..60usize, prop_oneof![any::<char>(), "[0-9a-f-]".prop_map(|text| text.chars().next().unwrap())]), 0..4),
    ) {
        let mut line: Vec<char> = PARENT.chars().collect();
        for (place, character) in changes {
            match line.get_mut(place) {
                Some(old) => *old = character,
                None => line.push(character),
            }
        }
        let line: String = line.into_iter().collect();
        prop_assume!(line.starts_with("00"));
        let sent = forward(&[("traceparent", &line), ("tracestate", "foo=1")]);
        let line = line.trim_matches([' ', '\t']);
        if is_legal(line) {
            let flags = u8::from_str_radix(&line[53..], 16).unwrap() & 3;
            let line = format!("{}{flags:02x}", &line[..53]);
            prop_assert_eq!(sent, Lines::new([("traceparent", line.as_str()), ("tracestate", "foo=1")]));
        } else {
            prop_assert_eq!(sent, Lines::default());
        }
    }

    #[test]
    fn tracestate_is_either_the_list_that_came_or_none(text in "[a-c1@=, \t_A]{0,24}") {
        let members: Vec<&str> = text.split(',').map(|text| text.trim_matches([' ', '\t'])).filter(|text| !text.is_empty()).collect();
        let is_member = |member: &&str| {
            let parts: Vec<&str> = member.split('=').collect();
            parts.len() == 2
                && parts[0].starts_with(|c: char| "abc1".contains(c))
                && parts[0].chars().all(|c| "abc1@_".contains(c))
                && !parts[1].is_empty()
                && !parts[1].contains('\t')
        };
        let keys: Vec<&str> = members.iter().filter_map(|member| member.split('=').next()).collect();
        let first = members.iter().enumerate().filter(|(n, _)| !keys[..*n].contains(&keys[*n])).map(|(_, member)| *member);
        let expected = (!members.is_empty() && members.iter().all(is_member)).then(|| first.collect::<Vec<_>>().join(","));
        prop_assert_eq!(forward_list(&[&text]), expected);
    }

    #[test]
    fn what_came_valid_goes_on_as_it_came(
        trace_id in 1..=u128::MAX, span_id in 1..=u64::MAX, flags in 0..4u8, list in prop::option::of(legal_list()),
    ) {
        let traceparent = format!("00-{trace_id:032x}-{span_id:016x}-{flags:02x}");
        let lines = std::iter::once(("traceparent", traceparent.as_str()));
        let lines = Lines::new(lines.chain(list.as_deref().map(|list| ("tracestate", list))));
        let cx = TraceContextPropagator::default().extract_with_context(&Context::new(), &lines);
        prop_assert_eq!(inject(&cx), lines);
    }

    #[test]
    fn what_is_injected_can_be_extracted(
        trace_id in any::<u128>(), span_id in any::<u64>(), sampled in any::<bool>(), list in prop::option::of(legal_list()),
    ) {
        let trace_state = list.and_then(|list| list.parse::<TraceState>().ok()).unwrap_or_default();
        let flags = TraceFlags::default().with_sampled(sampled);
        let span = SpanContext::new(TraceId::from(trace_id), SpanId::from(span_id), flags, true, trace_state);
        let lines = inject(&Context::new().with_remote_span_context(span.clone()));
        prop_assert_eq!(lines.0.is_empty(), !span.is_valid());
        let cx = TraceContextPropagator::default().extract_with_context(&Context::new(), &lines);
        if span.is_valid() {
            let random = TraceFlags::new(flags.to_u8() | 2);
            let sent = SpanContext::new(span.trace_id(), span.span_id(), random, true, span.trace_state().clone());
            prop_assert_eq!(cx.span().span_context().clone(), sent);
        }
    }
}
