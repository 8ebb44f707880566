//! The API's document.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tollbook::identity::Scope;

use crate::helpers::TestApp;

fn walk(value: &Value, path: &str, visit: &mut impl FnMut(&str, &Value)) {
    visit(path, value);
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                walk(member, &format!("{path}/{name}"), visit);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                walk(item, &format!("{path}/{index}"), visit);
            }
        }
        _ => {}
    }
}

#[actix_web::test]
async fn the_document_is_complete_and_consistent() {
    let app = TestApp::start().await;
    let document = app.get("/openapi.json").send().await.expect(200).json;
    assert_eq!(document["openapi"], "3.1.0");
    let mut problems = Vec::new();
    walk(&document, "", &mut |path, value| {
        if let Some(reference) = value["$ref"].as_str()
            && document.pointer(reference.trim_start_matches('#')).is_none()
        {
            problems.push(format!("{path}: {reference} leads nowhere"));
        }
        if path.ends_with("/responses") && path.starts_with("/paths") {
            for (status, response) in value.as_object().unwrap() {
                let described = response["description"].as_str().is_some_and(|text| !text.is_empty());
                if !described && response["$ref"].is_null() {
                    problems.push(format!("{path}/{status} has no description"));
                }
            }
        }
    });
    let mut ids = BTreeMap::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap().to_owned();
            if let Some(other) = ids.insert(id, format!("{method} {path}")) {
                problems.push(format!("{method} {path} has the id of {other}"));
            }
            if operation["tags"].as_array().is_none_or(|tags| tags.len() != 1) {
                problems.push(format!("{method} {path} is in no group"));
            }
            if operation["summary"].as_str().is_none_or(str::is_empty) {
                problems.push(format!("{method} {path} has no summary"));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    let served = app.app.table.operations().count();
    assert_eq!(ids.len(), served);
}

#[actix_web::test]
async fn one_name_is_one_schema() {
    let app = TestApp::start().await;
    let mut known: BTreeMap<&str, Value> = BTreeMap::new();
    for (name, schema) in app.app.table.schemas() {
        let schema = serde_json::to_value(schema).unwrap();
        if let Some(other) = known.insert(name, schema.clone()) {
            assert_eq!(other, schema, "two schemas are called {name}");
        }
    }
}

#[actix_web::test]
async fn the_page_about_the_api_loads_nothing_from_elsewhere() {
    let app = TestApp::start().await;
    let page = app.get("/docs").send().await.expect(200).text;
    assert!(!page.contains("://") && !page.contains("<style") && !page.contains("onclick"), "{page}");
    for file in ["docs.js", "docs.css"] {
        assert!(page.contains(&format!("/static/{file}")));
        let text = app.get(&format!("/static/{file}")).send().await.expect(200).text;
        assert!(!text.contains("://") && !text.contains("innerHTML") && !text.contains("eval("), "{file}");
    }
}

/// What may be left out is not therefore null.
#[actix_web::test]
async fn optional_terms_of_the_catalog_are_not_null() {
    let app = TestApp::start().await;
    let document = app.get("/openapi.json").send().await.expect(200).json;
    let key = app.operator_key(&[Scope::Admin]).await;
    let terms = json!({ "price": { "amount": "10.00", "currency": "EUR" }, "interval": "month", "rate_card": "payg" });
    let rate = json!({ "meter": "voice", "price": { "flat": 7 } });
    for (schema, sample, at) in [("PlanTerms", &terms, "terms"), ("Rate", &rate, "rates[0]")] {
        let described = &document["components"]["schemas"][schema];
        let required: Vec<&str> =
            described["required"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
        for (name, property) in described["properties"].as_object().unwrap() {
            if required.contains(&name.as_str()) {
                continue;
            }
            let nullable = property.to_string().contains("\"null\"");
            let mut sent = sample.clone();
            sent[name] = Value::Null;
            let (path, body) = if schema == "Rate" {
                ("rate-cards", json!({ "code": format!("card_{name}"), "name": "Card", "rates": [sent] }))
            } else {
                ("plans", json!({ "code": format!("plan_{name}"), "name": "Plan", "terms": sent }))
            };
            let path = format!("/api/v1/admin/catalog/{path}");
            let answer = app.post(&path, &body.to_string()).bearer(&key).send().await;
            let accepted = answer.status == 201;
            assert_eq!(accepted, nullable, "{at}.{name}: null is {property} but {}", answer.text);
        }
    }
}
