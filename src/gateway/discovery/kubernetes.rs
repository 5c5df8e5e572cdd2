//! Kubernetes: the ready endpoints of a service, from its `EndpointSlice`s (`discovery.k8s.io/v1`): a list, and then a watch of
//! what changes, begun again from a list where the API has forgotten where we were.

use std::collections::BTreeMap;
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::Value;

use super::api::{Api, Trouble};
use super::{Ear, FIRST_PAUSE, pause};
use crate::plan::{KubernetesService, Target};

/// How long the API may take to begin an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a watch lasts: the API ends it then, and another one goes on from there.
const WATCH: Duration = Duration::from_mins(5);

/// The slices of a service, and up to where they are known.
#[derive(Debug, Default)]
struct Slices {
    targets: BTreeMap<String, Vec<Target>>,
    version: String,
}

/// What one event means.
#[derive(Debug, PartialEq, Eq)]
enum Event {
    Changed,
    Noted,
    /// The API does not know any more what happened since.
    Forgotten,
}

/// Asks without end.
pub(super) async fn follow(ear: &Ear, service: &KubernetesService) {
    let mut n_failures = 0;
    loop {
        let error = match list(service).await {
            Ok(mut slices) => {
                n_failures = 0;
                ear.hear(Ok(slices.all()));
                match watch(service, ear, &mut slices).await {
                    Ok(()) => {
                        tokio::time::sleep(FIRST_PAUSE).await;
                        continue;
                    }
                    Err(error) => error,
                }
            }
            Err(error) => error,
        };
        n_failures += 1;
        ear.hear(Err(error.to_string()));
        tokio::time::sleep(pause(n_failures)).await;
    }
}

/// Asks once.
pub(super) async fn ask(service: &KubernetesService) -> Result<Vec<Target>, String> {
    let slices = list(service).await;
    slices.map(|it| it.all()).map_err(|error| error.to_string())
}

async fn get(service: &KubernetesService, query: &str) -> Result<super::api::Lines, Trouble> {
    let mut headers = HeaderMap::new();
    // It is renewed from time to time, so that it is read for each request. Without one the API is asked as anybody may.
    if let Ok(token) = std::fs::read_to_string(&service.kubernetes.token_file) {
        let value = HeaderValue::from_str(&format!("Bearer {}", token.trim()));
        let mut value = value.map_err(|_| Trouble::Other("the token holds what no header may".to_owned()))?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    let api = Api {
        address: &service.kubernetes.address,
        headers,
        ca_file: Some(&service.kubernetes.ca_file),
    };
    let path = format!(
        "/apis/discovery.k8s.io/v1/namespaces/{}/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3D{}{query}",
        service.namespace, service.name
    );
    api.get(&path, PATIENCE).await
}

async fn list(service: &KubernetesService) -> Result<Slices, Trouble> {
    let all = tokio::time::timeout(PATIENCE, get(service, "").await?.whole()).await;
    let all = all.map_err(|_| Trouble::Other("its answer did not end".to_owned()))??;
    let mut slices = Slices {
        version: text(&all, "/metadata/resourceVersion").to_owned(),
        ..Slices::default()
    };
    let items = all.get("items").and_then(Value::as_array);
    let items = items.ok_or_else(|| Trouble::Other("its answer is no list".to_owned()))?;
    for slice in items {
        slices.take(slice, service);
    }
    Ok(slices)
}

/// Follows what changes; ends where a list has to be asked for again.
async fn watch(service: &KubernetesService, ear: &Ear, slices: &mut Slices) -> Result<(), Trouble> {
    loop {
        let query = format!(
            "&watch=true&allowWatchBookmarks=true&timeoutSeconds={}&resourceVersion={}",
            WATCH.as_secs(),
            slices.version
        );
        let mut lines = match get(service, &query).await {
            Ok(lines) => lines,
            Err(Trouble::Status(StatusCode::GONE)) => return Ok(()),
            Err(error) => return Err(error),
        };
        let began = crate::time::Instant::now();
        loop {
            let line = tokio::time::timeout(WATCH + PATIENCE, lines.next()).await;
            let line = line.map_err(|_| Trouble::Other("its watch is silent".to_owned()))??;
            let Some(line) = line else { break };
            match slices.note(&line, service) {
                Event::Changed => ear.hear(Ok(slices.all())),
                Event::Noted => {}
                Event::Forgotten => return Ok(()),
            }
        }
        // One that ends at once would be asked for without a pause.
        if began.elapsed() < Duration::from_secs(1) {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

impl Slices {
    fn all(&self) -> Vec<Target> {
        self.targets.values().flatten().cloned().collect()
    }

    fn note(&mut self, line: &Value, service: &KubernetesService) -> Event {
        let object = line.get("object").unwrap_or(&Value::Null);
        let version = text(object, "/metadata/resourceVersion");
        if !version.is_empty() {
            version.clone_into(&mut self.version);
        }
        match text(line, "/type") {
            "ADDED" | "MODIFIED" => {
                self.take(object, service);
                Event::Changed
            }
            "DELETED" => {
                self.targets.remove(text(object, "/metadata/name"));
                Event::Changed
            }
            "BOOKMARK" => Event::Noted,
            // 410 Gone is the usual one; after any other a list is right as well.
            _ => Event::Forgotten,
        }
    }

    fn take(&mut self, slice: &Value, service: &KubernetesService) {
        let name = text(slice, "/metadata/name").to_owned();
        self.targets.insert(name, targets(slice, service));
    }
}

/// The ready endpoints of a slice.
fn targets(slice: &Value, service: &KubernetesService) -> Vec<Target> {
    let list = |of: &'static str| slice.get(of).and_then(Value::as_array).into_iter().flatten();
    let number = |it: &Value| {
        it.get("port")
            .and_then(Value::as_u64)
            .and_then(|it| u16::try_from(it).ok())
    };
    let port = list("ports").find(|it| {
        text(it, "/name") == &*service.port || number(it).is_some_and(|it| *it.to_string() == *service.port)
    });
    let Some(port) = port.and_then(number) else {
        return Vec::new();
    };
    // Absent means that it is not known, which counts as ready.
    let ready = list("endpoints").filter(|it| it.pointer("/conditions/ready") != Some(&Value::Bool(false)));
    let target = |endpoint: &Value| {
        let zone = text(endpoint, "/zone");
        // "Consumers must handle different types of addresses": of several the first is meant.
        let host = endpoint.pointer("/addresses/0")?.as_str()?;
        Some(Target {
            zone: (!zone.is_empty()).then(|| zone.into()),
            ..Target::new(format!("{}.{}:{port}", service.name, service.namespace), host, port)
        })
    };
    ready.filter_map(target).collect()
}

fn text<'v>(value: &'v Value, path: &str) -> &'v str {
    value.pointer(path).and_then(Value::as_str).unwrap_or_default()
}
