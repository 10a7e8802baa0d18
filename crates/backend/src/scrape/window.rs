//! The last fifteen minutes.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use serde::Serialize;

use super::{
    INTERVAL, Target,
    point::{Minute, Point},
    reading::{Exemplar, Reading},
};

/// Points that are kept: a window of 15 minutes.
const POINTS: usize = 450;
const WINDOW_MS: f64 = 15.0 * 60e3;

/// What a service does now is what it did in so long.
const MINUTE: Duration = Duration::from_secs(60);

/// Exemplars that are kept of a service.
const EXEMPLARS: usize = 1_000;

/// What is known of each target.
#[derive(Debug)]
pub(crate) struct Window {
    targets: Vec<Target>,
    known: Mutex<Vec<Known>>,
}

#[derive(Debug, Default)]
struct Known {
    up: bool,
    /// When it was first asked.
    asked: Option<Instant>,
    /// Scrapes of one process that gave something, and when: those of the last minute, and one before them.
    readings: VecDeque<(Reading, Instant)>,
    last_error: Option<String>,
    points: VecDeque<Arc<Point>>,
    exemplars: VecDeque<Arc<Exemplar>>,
}

/// Figures of every service: all of them, or what a round has added.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Figures {
    /// Seconds between two points.
    interval: u64,
    services: Vec<ServiceFigures>,
}

#[derive(Debug, PartialEq, Serialize)]
struct ServiceFigures {
    name: String,
    url: String,
    up: bool,
    points: Vec<Arc<Point>>,
    exemplars: Vec<Arc<Exemplar>>,
}

/// What a service says of itself, and whether it answers.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Health {
    name: String,
    url: String,
    up: bool,
    exporter: Option<String>,
    endpoint: Option<String>,
    /// Spans since the start of the process, as the next two.
    exported: Option<f64>,
    failed: Option<f64>,
    dropped: Option<f64>,
    /// `error.type` of the last export that failed.
    last_error: Option<String>,
}

impl Window {
    pub(crate) fn new(targets: Vec<Target>) -> Self {
        let known = targets.iter().map(|_| Known::default()).collect();
        Self {
            targets,
            known: Mutex::new(known),
        }
    }

    pub(crate) fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// Adds a point for every target: those without a reading are down. Returns what was added.
    pub(super) fn add(&self, time: f64, at: Instant, readings: Vec<(usize, Reading)>) -> Figures {
        let mut known = self.lock();
        let mut new: Vec<_> = known.iter().map(|_| None).collect();
        for (place, reading) in readings {
            if let Some(new) = new.get_mut(place) {
                *new = Some(reading);
            }
        }
        let services = self.targets.iter().zip(known.iter_mut()).zip(new);
        let services = services.map(|((target, known), reading)| {
            let (point, exemplars) = known.add(time, at, reading);
            ServiceFigures {
                name: target.name.clone(),
                url: target.url.clone(),
                up: point.up,
                points: vec![point],
                exemplars,
            }
        });
        Figures {
            interval: INTERVAL.as_secs(),
            services: services.collect(),
        }
    }

    /// Everything that is kept.
    pub(crate) fn figures(&self) -> Figures {
        let known = self.lock();
        let services = self.targets.iter().zip(known.iter());
        let services = services.map(|(target, known)| ServiceFigures {
            name: target.name.clone(),
            url: target.url.clone(),
            up: known.up,
            points: known.points.iter().cloned().collect(),
            exemplars: known.exemplars.iter().cloned().collect(),
        });
        Figures {
            interval: INTERVAL.as_secs(),
            services: services.collect(),
        }
    }

    /// How each service is.
    pub(crate) fn health(&self) -> Vec<Health> {
        let known = self.lock();
        let services = self.targets.iter().zip(known.iter());
        services
            .map(|(target, known)| {
                let last = known.readings.back().map(|(reading, _)| reading);
                let exporter = last.and_then(|last| last.exporter.as_ref());
                Health {
                    name: target.name.clone(),
                    url: target.url.clone(),
                    up: known.up,
                    exporter: exporter.map(|exporter| exporter.kind.clone()),
                    endpoint: exporter.and_then(|exporter| exporter.endpoint.clone()),
                    exported: last.and_then(|last| last.exported),
                    failed: last.and_then(Reading::failed),
                    dropped: last.and_then(|last| last.dropped),
                    last_error: known.last_error.clone(),
                }
            })
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn add(
        &mut self,
        time: f64,
        at: Instant,
        reading: Option<Reading>,
    ) -> (Arc<Point>, Vec<Arc<Exemplar>>) {
        self.up = reading.is_some();
        self.asked.get_or_insert(at);
        let mut exemplars = Vec::new();
        let point = match reading {
            None => Point::down(time),
            Some(mut reading) => {
                exemplars = self.new_exemplars(std::mem::take(&mut reading.exemplars));
                self.compare(time, at, reading)
            }
        };
        let point = Arc::new(point);
        self.points.push_back(point.clone());
        if self.points.len() > POINTS {
            self.points.pop_front();
        }
        self.exemplars.extend(exemplars.iter().cloned());
        let surplus = self.exemplars.len().saturating_sub(EXEMPLARS);
        self.exemplars.drain(..surplus);
        self.exemplars
            .retain(|exemplar| exemplar.time >= time - WINDOW_MS);
        (point, exemplars)
    }

    fn compare(&mut self, time: f64, at: Instant, now: Reading) -> Point {
        let since = |then: Instant| at.saturating_duration_since(then);
        let seconds = |then| since(then).as_secs_f64().max(1e-3);
        let last = self.readings.back();
        if last.is_none_or(|(last, _)| last.instance != now.instance) {
            // All that another process has counted is new; that of the first one, if it began after it was first asked.
            let began = match (last, self.asked, now.uptime) {
                (Some((_, then)), ..) => Some(*then),
                (None, Some(asked), Some(uptime)) if uptime <= seconds(asked) => Some(asked),
                _ => None,
            };
            let nothing = Reading {
                instance: now.instance.clone(),
                ..Reading::default()
            };
            self.readings = began.map(|then| (nothing, then)).into_iter().collect();
        }
        while let Some((_, then)) = self.readings.get(1)
            && since(*then) >= MINUTE
        {
            self.readings.pop_front();
        }
        let before = self.readings.back();
        let before = before.map(|(before, then)| (before, seconds(*then)));
        let first = self.readings.front();
        let minute = first.map(|(first, then)| Minute::of(&now, first, seconds(*then)));
        let point = Point::of(time, &now, before, minute);
        let known = |kind| before.and_then(|(before, _)| before.failures.get(kind));
        let lost = now
            .failures
            .iter()
            .find(|(kind, count)| **count > known(kind.as_str()).copied().unwrap_or(0.0));
        if let Some((kind, _)) = lost {
            self.last_error = Some(kind.clone());
        }
        self.readings.push_back((now, at));
        point
    }

    /// Those that were not there at earlier scrapes: an exemplar stays until another takes its place.
    fn new_exemplars(&self, exemplars: Vec<Exemplar>) -> Vec<Arc<Exemplar>> {
        let is_new = |new: &Exemplar| {
            let mut known = self.exemplars.iter();
            !known.any(|known| (known.trace_id, known.span_id) == (new.trace_id, new.span_id))
        };
        exemplars.into_iter().filter(is_new).map(Arc::new).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A service's metrics: instance, requests up to 0.1 s, up to 1 s and in all, errors among them, spans exported and failed.
    fn exposition(
        instance: &str,
        requests: [u64; 3],
        errors: u64,
        exported: u64,
        failed: u64,
    ) -> String {
        let [fast, slow, all] = requests;
        let (name, route) = (
            "http_server_request_duration_seconds",
            "http_route=\"/items/{id}\"",
        );
        format!(
            r#"target_info{{service_instance_id="{instance}"}} 1
{name}_bucket{{{route},http_response_status_code="200",le="0.1"}} {fast}
{name}_bucket{{{route},http_response_status_code="200",le="1"}} {slow} # {{trace_id="{all:032x}",span_id="{all:016x}"}} 0.5 1700000000.5
{name}_bucket{{{route},http_response_status_code="200",le="+Inf"}} {all}
{name}_count{{{route},error_type="500",http_response_status_code="500"}} {errors}
otel_sdk_exporter_span_exported_total{{otel_component_type="otlp_http_span_exporter",server_address="localhost",server_port="4318"}} {exported}
otel_sdk_exporter_span_exported_total{{otel_component_type="otlp_http_span_exporter",error_type="503"}} {failed}
otel_sdk_processor_span_processed_total{{error_type="queue_full"}} 4
otel_sdk_processor_span_processed_total 400
process_cpu_time_seconds_total {all}.5
process_memory_usage_bytes 31166464
http_server_active_requests{{http_request_method="GET"}} 2
http_server_active_requests{{http_request_method="POST"}} 1
"#
        )
    }

    /// A window of one target, and the clock of its scrapes.
    struct Scrapes {
        window: Window,
        at: Instant,
        time: f64,
    }

    impl Scrapes {
        fn new() -> Self {
            let target = Target {
                name: "Ping".to_owned(),
                url: "http://127.0.0.1:1".to_owned(),
            };
            Self {
                window: Window::new(vec![target]),
                at: Instant::now(),
                time: 1.7e12,
            }
        }

        /// The figures after two seconds more.
        fn next(&mut self, exposition: Option<String>) -> ServiceFigures {
            self.at += Duration::from_secs(2);
            self.time += 2e3;
            let reading = exposition.map(|text| (0, Reading::of(&text, self.time)));
            let mut figures = self
                .window
                .add(self.time, self.at, reading.into_iter().collect());
            figures.services.remove(0)
        }
    }

    #[test]
    fn point_holds_what_happened_since_the_last_one() {
        let mut scrapes = Scrapes::new();
        let first = scrapes.next(Some(exposition("a", [10, 20, 20], 0, 100, 0)));
        let first = &first.points[0];
        assert_eq!(
            (first.up, &first.routes[..], first.cpu),
            (true, &[][..], None)
        );
        assert_eq!(
            (first.active, first.memory),
            (Some(3.0), Some(31_166_464.0))
        );

        let second = scrapes.next(Some(exposition("a", [15, 40, 40], 5, 160, 10)));
        let second = &second.points[0];
        let [route] = &second.routes[..] else {
            panic!("{second:?}")
        };
        assert_eq!(route.route, "/items/{id}");
        assert_eq!((route.rate, route.errors), (10.0, Some(0.25)));
        // Of 20 requests 5 took up to 100 ms, 15 up to a second: the tenth is the fifth of those.
        assert_eq!(route.p50, Some(400.0));
        assert_eq!(second.cpu, Some(10.0));
        assert_eq!(
            (second.exported, second.failed, second.dropped),
            (Some(30.0), Some(5.0), Some(0.0))
        );

        let idle = scrapes.next(Some(exposition("a", [15, 40, 40], 5, 160, 10)));
        let route = &idle.points[0].routes[0];
        assert_eq!((route.rate, route.errors, route.p99), (0.0, None, None));
    }

    #[test]
    fn first_requests_count_if_the_process_began_after_it_was_first_asked() {
        for (uptime, expected) in [("1.5", 1), ("600", 0)] {
            let mut scrapes = Scrapes::new();
            scrapes.next(None);
            let text = exposition("a", [1, 1, 1], 0, 5, 0);
            let figures = scrapes.next(Some(format!("{text}process_uptime_seconds {uptime}\n")));
            let point = &figures.points[0];
            assert_eq!(point.routes.len(), expected, "{uptime}");
            assert_eq!(point.minute.is_some(), expected == 1, "{uptime}");
        }
    }

    #[test]
    fn minute_holds_what_all_routes_did_in_it_and_nothing_older() {
        let mut scrapes = Scrapes::new();
        scrapes.next(Some(exposition("a", [10, 20, 20], 0, 100, 0)));
        let mut minute = |requests, errors| {
            let figures = scrapes.next(Some(exposition("a", requests, errors, 100, 0)));
            figures.points[0].minute.clone().unwrap()
        };
        let first = minute([10, 24, 24], 1);
        let expected = Minute {
            seconds: 2.0,
            requests: 4.0,
            errors: Some(0.25),
            p95: Some(955.0),
            least: Some(100.0),
        };
        assert_eq!(first, expected);
        for _ in 0..28 {
            assert_eq!(minute([10, 24, 24], 1).requests, 4.0);
        }
        assert_eq!(
            minute([11, 25, 25], 1).requests,
            5.0,
            "a minute ago is in it"
        );
        let later = minute([11, 25, 25], 1);
        assert_eq!((later.seconds, later.requests), (60.0, 1.0));
        assert_eq!(
            later.p95,
            Some(100.0),
            "no more is known of the lowest bucket"
        );
    }

    #[test]
    fn percentile_in_the_lowest_bucket_is_its_upper_bound() {
        let mut scrapes = Scrapes::new();
        scrapes.next(Some(exposition("a", [10, 20, 20], 0, 100, 0)));
        let figures = scrapes.next(Some(exposition("a", [13, 24, 24], 0, 100, 0)));
        let route = &figures.points[0].routes[0];
        assert_eq!((route.p50, route.least), (Some(100.0), Some(100.0)));
        assert!(route.p99 > Some(900.0));
    }

    #[test]
    fn counters_begin_anew_with_another_process_or_when_they_fall() {
        for (instance, requests) in [("b", [1, 30, 30]), ("a", [1, 8, 8])] {
            let mut scrapes = Scrapes::new();
            scrapes.next(Some(exposition("a", [10, 20, 20], 0, 100, 0)));
            scrapes.next(None);
            let point = scrapes.next(Some(exposition(instance, requests, 0, 6, 0)));
            let point = &point.points[0];
            let since = 4.0; // the last scrape that gave something
            #[expect(clippy::cast_precision_loss, reason = "small")]
            let all = requests[2] as f64;
            assert_eq!(point.routes[0].rate, all / since, "{instance}");
            assert_eq!(point.exported, Some(6.0 / since), "{instance}");
        }
    }

    #[test]
    fn service_that_does_not_answer_is_down_and_its_figures_are_none() {
        let mut scrapes = Scrapes::new();
        let down = scrapes.next(None);
        assert!(!down.up);
        assert_eq!(*down.points[0], Point::down(scrapes.time));
        scrapes.next(Some("nothing_known 1\n".to_owned()));
        let figures = scrapes.window.figures();
        let service = &figures.services[0];
        assert!(service.up && service.points.len() == 2);
        assert_eq!(service.points[1].exported, None);
    }

    #[test]
    fn health_names_the_exporter_its_counts_and_the_last_failure() {
        let mut scrapes = Scrapes::new();
        scrapes.next(Some(exposition("a", [0, 0, 0], 0, 100, 0)));
        assert_eq!(scrapes.window.health()[0].last_error, None);
        scrapes.next(Some(exposition("a", [0, 0, 0], 0, 100, 7)));
        let expected = Health {
            name: "Ping".to_owned(),
            url: "http://127.0.0.1:1".to_owned(),
            up: true,
            exporter: Some("otlp_http_span_exporter".to_owned()),
            endpoint: Some("localhost:4318".to_owned()),
            exported: Some(100.0),
            failed: Some(7.0),
            dropped: Some(4.0),
            last_error: Some("503".to_owned()),
        };
        assert_eq!(scrapes.window.health(), [expected]);
    }

    #[test]
    fn exemplar_is_told_of_once_and_goes_with_the_window() {
        let mut scrapes = Scrapes::new();
        let told = scrapes.next(Some(exposition("a", [1, 2, 2], 0, 0, 0)));
        let exemplar = &told.exemplars[0];
        assert_eq!(exemplar.trace_id.to_string(), format!("{:032x}", 2));
        assert_eq!(
            (exemplar.time, exemplar.value),
            (1_700_000_000_500.0, 500.0)
        );
        assert_eq!(exemplar.route, "/items/{id}");
        let again = scrapes.next(Some(exposition("a", [1, 2, 2], 0, 0, 0)));
        assert_eq!(again.exemplars, []);
        let another = scrapes.next(Some(exposition("a", [1, 2, 3], 0, 0, 0)));
        assert_eq!(another.exemplars.len(), 1);
        assert_eq!(scrapes.window.figures().services[0].exemplars.len(), 2);
        scrapes.time += WINDOW_MS;
        scrapes.next(None);
        assert_eq!(scrapes.window.figures().services[0].exemplars, []);
    }

    #[test]
    fn window_is_bounded_however_long_it_runs_and_whatever_is_scraped() {
        let mut scrapes = Scrapes::new();
        let name = "http_server_request_duration_seconds";
        for round in 0..POINTS + 50 {
            let mut text = String::new();
            for number in 0..40 {
                let id = round * 40 + number + 1;
                text.push_str(&format!(
                    "{name}_bucket{{http_route=\"/{number}{}\",le=\"+Inf\"}} {round} # {{trace_id=\"{id:032x}\",span_id=\"{id:016x}\"}} 1\n",
                    "x".repeat(1000)
                ));
            }
            scrapes.next(Some(text));
        }
        let figures = scrapes.window.figures();
        let service = &figures.services[0];
        assert_eq!(service.points.len(), POINTS);
        assert!(service.exemplars.len() <= EXEMPLARS);
        let last = service.points.last().unwrap();
        assert_eq!(last.routes.len(), 33, "32 and the others");
        assert!(last.routes.iter().all(|route| route.route.len() <= 200));
        let others = last.routes.iter().find(|route| route.route == "(others)");
        assert_eq!(others.unwrap().rate, 4.0, "8 routes, 1 request each in 2 s");
    }
}
