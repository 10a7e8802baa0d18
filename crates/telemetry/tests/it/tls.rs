//! `OTEL_EXPORTER_OTLP_*CERTIFICATE` and `…CLIENT_*`, against a receiver that speaks TLS.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use crate::help::{end, span, telemetry};
use crate::receiver::{Receiver, SOON};

const PROTOCOLS: [&str; 2] = ["http/protobuf", "grpc"];

/// An authority, a receiver's certificate and a client's, in files of their own.
pub(crate) struct Certificates {
    folder: PathBuf,
    authority: String,
    server: (String, String),
}

impl Certificates {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder =
            std::env::temp_dir().join(format!("telemetry-tls-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let issue = |names: &[&str]| {
            let key = KeyPair::generate().unwrap();
            let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
            let params = CertificateParams::new(names).unwrap();
            (
                params.signed_by(&key, &authority).unwrap().pem(),
                key.serialize_pem(),
            )
        };
        let (server, client) = (
            issue(&["localhost", "collector.example"]),
            issue(&["client"]),
        );
        std::fs::write(folder.join("ca.pem"), authority.pem()).unwrap();
        std::fs::write(folder.join("client.pem"), client.0).unwrap();
        std::fs::write(folder.join("client.key"), client.1).unwrap();
        Self {
            folder,
            authority: authority.pem(),
            server,
        }
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.join(name).to_str().unwrap().to_owned()
    }

    /// What a receiver needs; with `clients_identify`, one that lets in only clients of the same authority.
    pub(crate) fn acceptor(&self, clients_identify: bool) -> TlsAcceptor {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = if clients_identify {
            let mut roots = RootCertStore::empty();
            roots
                .add(CertificateDer::from_pem_slice(self.authority.as_bytes()).unwrap())
                .unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        } else {
            builder.with_no_client_auth()
        };
        let certificate = CertificateDer::from_pem_slice(self.server.0.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(self.server.1.as_bytes()).unwrap();
        let mut config = builder.with_single_cert(vec![certificate], key).unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        TlsAcceptor::from(Arc::new(config))
    }
}

impl Drop for Certificates {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn https(receiver: &Receiver) -> String {
    format!("https://localhost:{}", receiver.address.port())
}

#[tokio::test]
async fn receiver_of_a_private_authority_is_trusted_by_the_certificate_setting() {
    let certificates = Certificates::new();
    for protocol in PROTOCOLS {
        for variable in [
            "OTEL_EXPORTER_OTLP_CERTIFICATE",
            "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE",
        ] {
            let receiver = Receiver::tls(certificates.acceptor(false));
            let telemetry = telemetry(&[
                ("OTEL_EXPORTER_OTLP_ENDPOINT", &https(&receiver)),
                ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
                (variable, &certificates.path("ca.pem")),
            ]);
            span(&telemetry, "secret");
            end(telemetry).await;
            assert_eq!(receiver.spans().len(), 1, "{protocol} {variable}");
        }
    }
}

#[tokio::test]
async fn receiver_of_an_unknown_authority_is_not_trusted() {
    let certificates = Certificates::new();
    for protocol in PROTOCOLS {
        let receiver = Receiver::tls(certificates.acceptor(false));
        let telemetry = telemetry(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &https(&receiver)),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
            // Over gRPC the reason is known when the tries are over.
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "2000"),
        ]);
        span(&telemetry, "secret");
        let lost = telemetry.shutdown(SOON).await.to_string();
        assert!(
            lost.contains("1 span not exported") && lost.contains("certificate"),
            "{lost}"
        );
        assert_eq!(receiver.requests().len(), 0, "{protocol}");
    }
}

#[tokio::test]
async fn client_identifies_itself_by_certificate_and_key() {
    let certificates = Certificates::new();
    for protocol in PROTOCOLS {
        for infix in ["", "TRACES_"] {
            let receiver = Receiver::tls(certificates.acceptor(true));
            let telemetry = telemetry(&[
                ("OTEL_EXPORTER_OTLP_ENDPOINT", &https(&receiver)),
                ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
                (
                    "OTEL_EXPORTER_OTLP_CERTIFICATE",
                    &certificates.path("ca.pem"),
                ),
                (
                    &format!("OTEL_EXPORTER_OTLP_{infix}CLIENT_CERTIFICATE"),
                    &certificates.path("client.pem"),
                ),
                (
                    &format!("OTEL_EXPORTER_OTLP_{infix}CLIENT_KEY"),
                    &certificates.path("client.key"),
                ),
            ]);
            span(&telemetry, "secret");
            end(telemetry).await;
            assert_eq!(receiver.spans().len(), 1, "{protocol} {infix}");
        }
    }
}

#[tokio::test]
async fn client_without_certificate_is_turned_away_by_a_receiver_that_wants_one() {
    let certificates = Certificates::new();
    for protocol in PROTOCOLS {
        let receiver = Receiver::tls(certificates.acceptor(true));
        let telemetry = telemetry(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &https(&receiver)),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
            (
                "OTEL_EXPORTER_OTLP_CERTIFICATE",
                &certificates.path("ca.pem"),
            ),
        ]);
        span(&telemetry, "secret");
        assert!(!telemetry.shutdown(SOON).await.is_empty());
        assert_eq!(receiver.requests().len(), 0, "{protocol}");
    }
}

#[tokio::test]
async fn unreadable_or_wrong_certificate_files_are_warned_of_and_the_service_goes_on() {
    let folder = Certificates::new();
    let junk = folder.path("junk.pem");
    std::fs::write(Path::new(&junk), "no certificate").unwrap();
    let missing = folder.path("missing.pem");
    for protocol in PROTOCOLS {
        let receiver = Receiver::start();
        let telemetry = telemetry(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url()),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", &junk),
            ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", &missing),
            ("OTEL_EXPORTER_OTLP_CLIENT_KEY", &folder.path("client.key")),
        ]);
        let warnings = telemetry.warnings();
        assert_eq!(warnings.len(), 3, "{warnings:#?}");
        for (warning, start) in warnings.iter().zip([
            format!("OTEL_EXPORTER_OTLP_CERTIFICATE is {junk:?}; wanted: a readable PEM file"),
            format!(
                "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE is {missing:?}; wanted: a readable PEM file"
            ),
            "a client certificate for ".to_owned(),
        ]) {
            assert!(warning.starts_with(&start), "{warning}");
        }
        span(&telemetry, "span");
        end(telemetry).await;
        assert_eq!(receiver.spans().len(), 1);
    }
}
