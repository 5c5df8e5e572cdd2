//! Consul: the instances of a service whose checks pass, by blocking queries (`/v1/health/service`).

use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::api::{Api, Trouble};
use super::{Ear, pause};
use crate::plan::{Consul, Target};

/// How long Consul may keep a question until there is something new.
const WAIT: Duration = Duration::from_secs(55);
/// Consul adds up to a sixteenth of that.
const PATIENCE: Duration = Duration::from_secs(65);
/// The least time from one question to the next, however much there is to say.
const BREATH: Duration = Duration::from_millis(50);

/// What it says, and the number of that state.
struct Said {
    targets: Vec<Target>,
    index: u64,
}

/// Asks without end: each question waits for what is newer than the last answer.
pub(super) async fn follow(ear: &Ear, service: &str, consul: &Consul) {
    let (mut index, mut n_failures) = (0, 0);
    loop {
        match ask_since(service, consul, index).await {
            Ok(said) => {
                n_failures = 0;
                ear.hear(Ok(said.targets));
                // It begins anew where its state was lost, and then so do we.
                index = if said.index < index { 0 } else { said.index };
                let breath = if index == 0 { Duration::from_secs(1) } else { BREATH };
                tokio::time::sleep(breath).await;
            }
            Err(error) => {
                (index, n_failures) = (0, n_failures + 1);
                ear.hear(Err(error.to_string()));
                tokio::time::sleep(pause(n_failures)).await;
            }
        }
    }
}

/// Asks once.
pub(super) async fn ask(service: &str, consul: &Consul) -> Result<Vec<Target>, String> {
    let said = ask_since(service, consul, 0).await;
    said.map(|it| it.targets).map_err(|error| error.to_string())
}

async fn ask_since(service: &str, consul: &Consul, index: u64) -> Result<Said, Trouble> {
    let mut headers = HeaderMap::new();
    if let Some(token) = &consul.token {
        let mut value = HeaderValue::from_str(token.reveal())
            .map_err(|_| Trouble::Other("its token holds what no header may".to_owned()))?;
        value.set_sensitive(true);
        headers.insert("x-consul-token", value);
    }
    let api = Api {
        address: &consul.address,
        headers,
        ca_file: consul.ca_file.as_deref(),
    };
    let mut path = format!("/v1/health/service/{}?passing=true", encoded(service));
    if let Some(datacenter) = &consul.datacenter {
        path.push_str("&dc=");
        path.push_str(&encoded(datacenter));
    }
    if index > 0 {
        path.extend([
            "&index=",
            &index.to_string(),
            "&wait=",
            &WAIT.as_secs().to_string(),
            "s",
        ]);
    }
    let lines = api.get(&path, PATIENCE).await?;
    let index = lines.headers.get("x-consul-index");
    let index = index.and_then(|it| it.to_str().ok()?.parse().ok()).unwrap_or(0);
    let all = tokio::time::timeout(PATIENCE, lines.whole()).await;
    let all = all.map_err(|_| Trouble::Other("its answer did not end".to_owned()))??;
    let instances = all
        .as_array()
        .ok_or_else(|| Trouble::Other("its answer is no list".to_owned()))?;
    Ok(Said {
        targets: instances.iter().filter_map(target).collect(),
        index,
    })
}

/// One instance: its own address, or its node's.
fn target(instance: &Value) -> Option<Target> {
    let text = |path: &str| {
        instance
            .pointer(path)
            .and_then(Value::as_str)
            .filter(|it| !it.is_empty())
    };
    let host = text("/Service/Address").or_else(|| text("/Node/Address"))?;
    let port = instance.pointer("/Service/Port").and_then(Value::as_u64);
    let weight = instance.pointer("/Service/Weights/Passing").and_then(Value::as_u64);
    let zone = text("/Service/Meta/zone")
        .or_else(|| text("/Service/Locality/Zone"))
        .or_else(|| text("/Node/Meta/zone"));
    let port = u16::try_from(port?).ok().filter(|it| *it != 0)?;
    let target = Target::new("", host, port);
    Some(Target {
        authority: target.address().into(),
        weight: weight.and_then(|it| u32::try_from(it).ok()).unwrap_or(1),
        zone: zone.map(Into::into),
        ..target
    })
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}
