//! The API's document.

use std::collections::BTreeMap;

use serde_json::Value;

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
