//! The OpenAPI document, made from the table of endpoints. Committed as `alert/openapi.json`; a test fails when
//! it is stale.

use serde_json::{Map, Value, json};

use super::ENDPOINTS;
use crate::case::{ActKind, Certainty, Family, Outcome, State};
use crate::problem::{ProblemState, Source, Verdict};

/// The document as pretty JSON.
pub fn document() -> String {
    let mut paths: Map<String, Value> = Map::new();
    for endpoint in ENDPOINTS {
        let mut parameters: Vec<Value> = Vec::new();
        if endpoint.path.contains("{id}") {
            parameters.push(json!({
                "name": "id", "in": "path", "required": true,
                "schema": { "type": "string", "pattern": "^[0-9a-f]{32}$" },
            }));
        }
        parameters.extend(endpoint.query.iter().map(|(name, description)| {
            json!({ "name": name, "in": "query", "description": description, "schema": { "type": "string" } })
        }));
        let mut operation = json!({
            "summary": endpoint.summary,
            "parameters": parameters,
            "security": [{ "session": [] }],
            "responses": {
                "200": { "description": "done", "content": content(endpoint.answer) },
                "default": { "description": "refused", "content": content("Error") },
            },
        });
        if let (Some(body), Some(fields)) = (endpoint.body, operation.as_object_mut()) {
            fields.insert(
                "requestBody".into(),
                json!({ "required": true, "content": content(body) }),
            );
        }
        let methods = paths.entry(endpoint.path).or_insert_with(|| json!({}));
        if let Some(methods) = methods.as_object_mut() {
            methods.insert(endpoint.method.into(), operation);
        }
    }
    let document = json!({
        "openapi": "3.1.0",
        "info": { "title": "plume desk", "version": "v1" },
        "paths": paths,
        "components": {
            "securitySchemes": { "session": { "type": "http", "scheme": "bearer" } },
            "schemas": schemas(),
        },
    });
    serde_json::to_string_pretty(&document).unwrap_or_default()
}

fn content(schema: &str) -> Value {
    json!({ "application/json": { "schema": { "$ref": format!("#/components/schemas/{schema}") } } })
}

fn codes(all: impl Iterator<Item = &'static str>) -> Value {
    json!({ "type": "string", "enum": all.collect::<Vec<_>>() })
}

fn object(fields: &[(&str, Value)], required: &[&str]) -> Value {
    let properties: Map<String, Value> = fields
        .iter()
        .map(|(name, schema)| ((*name).to_owned(), schema.clone()))
        .collect();
    json!({ "type": "object", "properties": properties, "required": required })
}

fn list(name: &str, of: &str) -> Value {
    object(
        &[(
            name,
            json!({ "type": "array", "items": { "$ref": format!("#/components/schemas/{of}") } }),
        )],
        &[name],
    )
}

fn text() -> Value {
    json!({ "type": "string" })
}

fn number() -> Value {
    json!({ "type": "integer" })
}

fn free() -> Value {
    json!({ "type": "object" })
}

fn maybe(kind: &str) -> Value {
    json!({ "type": [kind, "null"] })
}

fn list_of_free() -> Value {
    json!({ "type": "array", "items": free() })
}

fn rows(name: &str) -> Value {
    object(&[(name, json!({ "type": "array", "items": free() }))], &[name])
}

fn schemas() -> Value {
    let outcomes = object(
        &Outcome::ALL.iter().map(|x| (x.code(), number())).collect::<Vec<_>>(),
        &[],
    );
    json!({
        "Error": object(&[("error", free())], &["error"]),
        "Case": case(),
        "CasePage": list("cases", "Case"),
        "Changes": list("cases", "Case"),
        "Trace": rows("trace"),
        "Notices": rows("notices"),
        "Counts": object(&[("change", number()), ("open", free()), ("outcomes", outcomes)], &["change", "open"]),
        "Act": act(),
        "Problem": problem(),
        "Problems": list("problems", "Problem"),
        "Step": step(),
        "Rectification": free(),
        "Reminders": rows("reminders"),
        "Rates": object(
            &[("from", number()), ("to", number()), ("rates", list_of_free()), ("total", free())],
            &["from", "to", "rates", "total"],
        ),
        "Silence": silence(),
        "NewSilence": silence(),
        "Silences": list("silences", "Silence"),
        "Done": object(&[("done", json!({ "type": "boolean" }))], &["done"]),
    })
}

fn case() -> Value {
    object(
        &[
            ("id", text()),
            ("version", number()),
            ("change", number()),
            ("family", codes(Family::ALL.iter().map(|x| x.code()))),
            ("rule", text()),
            ("outlet", free()),
            ("enterprise", free()),
            ("district", text()),
            ("factor", maybe("string")),
            ("severity", text()),
            ("state", codes(State::ALL.iter().map(|x| x.code()))),
            ("certainty", codes(Certainty::ALL.iter().map(|x| x.code()))),
            ("outcome", maybe("string")),
            ("window", free()),
            ("opened_at", number()),
            ("updated_at", number()),
            ("due_at", maybe("integer")),
            ("headline", free()),
            ("judgement", free()),
        ],
        &["id", "version", "rule", "outlet", "severity", "state", "headline"],
    )
}

fn act() -> Value {
    object(
        &[
            ("kind", codes(ActKind::ALL.iter().map(|x| x.code()))),
            ("version", number()),
            ("text", text()),
            ("measures", text()),
        ],
        &["kind", "version"],
    )
}

fn problem() -> Value {
    object(
        &[
            ("id", text()),
            ("version", number()),
            ("source", codes(Source::ALL.iter().map(|x| x.code()))),
            ("state", codes(ProblemState::ALL.iter().map(|x| x.code()))),
            ("enterprise", text()),
            ("title", text()),
            ("due_at", number()),
            ("rounds", json!({ "type": "array", "items": free() })),
        ],
        &["id", "version", "source", "state", "title", "due_at"],
    )
}

fn step() -> Value {
    object(
        &[
            ("version", number()),
            ("step", codes(["submit", "review", "withdraw"].into_iter())),
            ("cause", text()),
            ("measures", text()),
            ("verdict", codes(Verdict::ALL.iter().map(|x| x.code()))),
            ("guidance", text()),
            ("reason", text()),
        ],
        &["version", "step"],
    )
}

fn silence() -> Value {
    object(
        &[
            ("enterprise", maybe("string")),
            ("outlet", maybe("string")),
            ("factor", maybe("string")),
            ("family", maybe("string")),
            ("rule", maybe("string")),
            ("reason", text()),
            ("starts_at", number()),
            ("ends_at", number()),
        ],
        &["reason", "ends_at"],
    )
}
