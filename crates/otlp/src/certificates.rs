//! `OTEL_EXPORTER_OTLP_*CERTIFICATE` and `…CLIENT_*`: whom to trust, and what to identify ourselves with.

use std::io;

use settings::{Otlp, PemFile};
use tonic::transport::{Certificate, ClientTlsConfig, Identity};

/// The certificate files of an exporter, in memory.
#[derive(Default)]
pub(crate) struct Files {
    pub(crate) authorities: Option<Vec<u8>>,
    /// Certificate and key.
    pub(crate) identity: Option<(Vec<u8>, Vec<u8>)>,
}

impl Files {
    pub(crate) fn read(otlp: &Otlp, warnings: &mut Vec<String>) -> Self {
        let mut read = |file: &Option<PemFile>| {
            let PemFile { variable, path } = file.as_ref()?;
            let content = std::fs::read(path).and_then(|content| {
                // Tells a wrong file at the start, not at the first export.
                if content.windows(11).any(|window| window == b"-----BEGIN ") {
                    Ok(content)
                } else {
                    Err(io::Error::other("no PEM in this file"))
                }
            });
            content
                .map_err(|error| {
                    // It may be the key itself, put there by mistake.
                    let shown = match variable.ends_with("CLIENT_KEY") {
                        true => "not shown".to_owned(),
                        false => format!("{path:?}"),
                    };
                    let warning = format!(
                        "{variable} is {shown}; wanted: a readable PEM file ({error}); used instead: none"
                    );
                    if !warnings.contains(&warning) {
                        warnings.push(warning);
                    }
                })
                .ok()
        };
        let authorities = read(&otlp.tls.ca_file);
        let (certificate, key) = (read(&otlp.tls.cert_file), read(&otlp.tls.key_file));
        if certificate.is_some() != key.is_some() {
            warnings.push(format!(
                "a client certificate for {} needs both CLIENT_CERTIFICATE and CLIENT_KEY; used instead: none",
                otlp.endpoint
            ));
        }
        Self {
            authorities,
            identity: certificate.zip(key),
        }
    }

    pub(crate) fn tonic(self, otlp: &Otlp) -> Option<ClientTlsConfig> {
        if !otlp.endpoint.url().starts_with("https://") {
            return None;
        }
        let mut tls = ClientTlsConfig::new();
        tls = match self.authorities {
            Some(pem) => tls.ca_certificate(Certificate::from_pem(pem)),
            None => tls.with_native_roots(),
        };
        if let Some((certificate, key)) = self.identity {
            tls = tls.identity(Identity::from_pem(certificate, key));
        }
        Some(tls)
    }
}
