//! Before anything is measured: all methods of a task give the same message, or the same JSON.

use std::collections::BTreeMap;

use super::cases::{CORPORA, Setup, TASKS, Task, decode, output};

/// Panics where two methods of a task do not agree.
pub(crate) fn all() {
    for corpus in CORPORA {
        let setup = Setup::new(corpus);
        for (task, methods) in TASKS {
            let outputs = methods.iter().map(|&it| output(&setup.operation(task, it)));
            let forms: Vec<Form> = outputs.map(|it| form(&setup, task, &it)).collect();
            assert!(
                forms.windows(2).all(|it| it[0] == it[1]),
                "the methods of {task:?} differ"
            );
        }
    }
}

/// What does not depend on how it was written.
#[derive(Debug, PartialEq)]
enum Form {
    Message(prost_reflect::DynamicMessage),
    Json(Json),
}

/// JSON in which 1 and 1.0 are equal, and members have no order.
#[derive(Debug, PartialEq, serde::Deserialize)]
#[serde(untagged)]
enum Json {
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Self>),
    Object(BTreeMap<String, Self>),
    Null,
}

fn form(setup: &Setup, task: Task, output: &[u8]) -> Form {
    match task {
        Task::FromJson => Form::Message(decode(&setup.descriptor, output)),
        _ => Form::Json(serde_json::from_slice(output).expect("the output is JSON")),
    }
}
