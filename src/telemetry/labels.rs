//! What metrics are told apart by: names that the configuration knows, and words of ours.

use std::sync::Arc;

use prometheus_client::encoding::EncodeLabelSet;

/// Labels of `weft_split_requests_total`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
#[expect(missing_docs, reason = "the names are the labels")]
pub struct SplitLabels {
    pub backend: Arc<str>,
    pub to: Arc<str>,
}

/// Labels of `weft_mirror_calls_total`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
#[expect(missing_docs, reason = "the names are the labels")]
pub struct MirrorLabels {
    pub backend: Arc<str>,
    pub result: &'static str,
}

/// Labels of `weft_mirror_differences_total`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
#[expect(missing_docs, reason = "the names are the labels")]
pub struct DifferenceLabels {
    pub backend: Arc<str>,
    pub method: Arc<str>,
    pub path: Arc<str>,
}

/// Labels of `weft_requests_total`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
#[expect(missing_docs, reason = "the names are the labels")]
pub struct RequestLabels {
    pub endpoint: Arc<str>,
    pub status: u16,
}

/// Labels of `weft_request_duration_seconds`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
#[expect(missing_docs, reason = "the names are the labels")]
pub struct EndpointLabels {
    pub endpoint: Arc<str>,
}

/// Labels of `weft_calls_total`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
#[expect(missing_docs, reason = "the names are the labels")]
pub struct CallLabels {
    pub endpoint: Arc<str>,
    pub call: Arc<str>,
    pub backend: Arc<str>,
    pub code: &'static str,
    pub source: &'static str,
}

/// Labels of `weft_call_duration_seconds`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
#[expect(missing_docs, reason = "the names are the labels")]
pub struct BackendLabels {
    pub backend: Arc<str>,
}

/// Labels of `weft_hedges_total`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
#[expect(missing_docs, reason = "the names are the labels")]
pub struct HedgeLabels {
    pub backend: Arc<str>,
    pub result: &'static str,
}

/// Labels of `weft_tokens_total`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
#[expect(missing_docs, reason = "the names are the labels")]
pub struct TokenLabels {
    pub backend: Arc<str>,
    pub result: &'static str,
}

/// Labels of `weft_refused_total`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
#[expect(missing_docs, reason = "the names are the labels")]
pub struct RefusedLabels {
    pub backend: Arc<str>,
    pub reason: &'static str,
}

/// Labels of `weft_places`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
#[expect(missing_docs, reason = "the names are the labels")]
pub struct PlaceLabels {
    pub backend: Arc<str>,
    pub state: &'static str,
}

/// Labels of `weft_target_fit` and `weft_target_active`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
#[expect(missing_docs, reason = "the names are the labels")]
pub struct TargetLabels {
    pub backend: Arc<str>,
    pub target: Arc<str>,
}

/// Labels of `weft_resolutions_total`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
#[expect(missing_docs, reason = "the names are the labels")]
pub struct SourceLabels {
    pub backend: Arc<str>,
    pub source: Arc<str>,
    pub result: &'static str,
}

/// Labels of `weft_source_failing`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
#[expect(missing_docs, reason = "the names are the labels")]
pub struct WhichSourceLabels {
    pub backend: Arc<str>,
    pub source: Arc<str>,
}

/// Labels of `weft_breaker_state` and `weft_breaker_opened_total`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
#[expect(missing_docs, reason = "the names are the labels")]
pub struct MethodLabels {
    pub backend: Arc<str>,
    pub method: Arc<str>,
}

/// Labels of `weft_degraded_total`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
#[expect(missing_docs, reason = "the names are the labels")]
pub struct DegradedLabels {
    pub endpoint: Arc<str>,
    pub call: Arc<str>,
}

/// Labels of `weft_failures_total`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
#[expect(missing_docs, reason = "the names are the labels")]
pub struct FailureLabels {
    pub endpoint: Arc<str>,
    pub kind: &'static str,
}

/// Labels of `weft_cache_unstored_total`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
#[expect(missing_docs, reason = "the names are the labels")]
pub struct UnstoredLabels {
    pub endpoint: Arc<str>,
    pub reason: &'static str,
}

/// Labels of `weft_cache_total` and `weft_cache_refreshes_total`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
#[expect(missing_docs, reason = "the names are the labels")]
pub struct CacheLabels {
    pub endpoint: Arc<str>,
    pub result: &'static str,
}

/// Labels of `weft_rate_limited_total`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
#[expect(missing_docs, reason = "the names are the labels")]
pub struct LimitLabels {
    pub limit: Arc<str>,
    pub result: &'static str,
    pub store: &'static str,
}

/// Labels of `weft_redis_gone` and `weft_redis_outages_total`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
#[expect(missing_docs, reason = "the names are the labels")]
pub struct PurposeLabels {
    pub purpose: &'static str,
}

/// Labels of `weft_shared_cache_total` and `weft_shared_cache_writes_total`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
#[expect(missing_docs, reason = "the names are the labels")]
pub struct RemoteLabels {
    pub kind: &'static str,
    pub result: &'static str,
}

/// Labels of `weft_auth_refused_total` and `weft_auth_keys_total`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
#[expect(missing_docs, reason = "the names are the labels")]
pub struct AuthLabels {
    pub provider: Arc<str>,
    pub result: &'static str,
}

/// Labels of `weft_nonces_total`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
#[expect(missing_docs, reason = "the names are the labels")]
pub struct NonceLabels {
    pub provider: Arc<str>,
    pub result: &'static str,
    pub store: &'static str,
}

/// Labels of `weft_reloads_total`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
#[expect(missing_docs, reason = "the names are the labels")]
pub struct ReloadLabels {
    pub result: &'static str,
}

/// Labels of `weft_descriptor_questions_total`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
#[expect(missing_docs, reason = "the names are the labels")]
pub struct DescriptorLabels {
    pub backend: Arc<str>,
    pub result: &'static str,
}

/// Labels of `weft_tls_handshakes_total`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
#[expect(missing_docs, reason = "the names are the labels")]
pub struct HandshakeLabels {
    pub version: &'static str,
    pub session: &'static str,
}

/// Labels of `weft_connections_refused_total`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
#[expect(missing_docs, reason = "the names are the labels")]
pub struct ReasonLabels {
    pub reason: &'static str,
}

/// Labels of `weft_certificate_expiry_timestamp_seconds`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
#[expect(missing_docs, reason = "the names are the labels")]
pub struct CertificateLabels {
    pub shown_to: Arc<str>,
    pub file: Arc<str>,
}
