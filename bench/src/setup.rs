//! The ways to run a service: how much is sampled, and what its callers send.

use std::net::SocketAddr;

/// How much is sampled, and whether callers send the same baggage with every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setup {
    All,
    NewBaggage,
    Tenth,
    Off,
    Disabled,
}

impl Setup {
    pub const ALL: [Self; 5] = [
        Self::All,
        Self::NewBaggage,
        Self::Tenth,
        Self::Off,
        Self::Disabled,
    ];

    /// As the tables name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "100 %",
            Self::NewBaggage => "100 %, new baggage",
            Self::Tenth => "10 %",
            Self::Off => "off",
            Self::Disabled => "disabled",
        }
    }

    /// The environment of the service.
    pub fn variables(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::All | Self::NewBaggage => &[("OTEL_TRACES_SAMPLER", "parentbased_always_on")],
            Self::Tenth => &[
                ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
                ("OTEL_TRACES_SAMPLER_ARG", "0.1"),
            ],
            Self::Off => &[("OTEL_TRACES_SAMPLER", "always_off")],
            Self::Disabled => &[("OTEL_SDK_DISABLED", "true")],
        }
    }

    /// Whether the caller of that request has sampled it: callers sample as much as the service would.
    fn is_sampled(self, number: u64) -> bool {
        match self {
            Self::All | Self::NewBaggage => true,
            Self::Tenth => number.is_multiple_of(10),
            Self::Off | Self::Disabled => false,
        }
    }

    /// How many of that many requests are sampled.
    pub fn sampled(self, requests: u64) -> u64 {
        match self {
            Self::All | Self::NewBaggage => requests,
            Self::Tenth => requests.div_ceil(10),
            Self::Off | Self::Disabled => 0,
        }
    }

    /// That request, by one of several user agents: what an instrumented caller sends.
    pub fn request(self, path: &str, address: SocketAddr, number: u64, agent: u64) -> Vec<u8> {
        // With the flag for a random id, as ping sends it.
        let flags = 2 | u8::from(self.is_sampled(number));
        let user = if self == Self::NewBaggage { number } else { 0 };
        format!(
            "GET {path} HTTP/1.1\r\nhost: {address}\r\nuser-agent: bench/{agent}.0\r\naccept: */*\r\n\
             traceparent: 00-4bf92f3577b34da6{:016x}-00f067aa0ba902b7-{flags:02x}\r\n\
             baggage: userId={user:08x}\r\n\r\n",
            number + 1,
        )
        .into_bytes()
    }
}
